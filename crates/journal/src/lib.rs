//! The durable log of pushes: dedup, replay, retention, quarantine.
//!
//! [`Journal`] is what the rest of the gateway knows; [`sqlite`] is the engine behind it. A push exists once its
//! commit succeeded, and not before. Its answer is kept with it: given when it came, or decided later by an
//! [`Entry::Answer`]; the module `recorded` is the one place that says what changes it. Beside pushes the journal keeps
//! what came by the admin API about tenants, opaque text to it. Nothing here knows sockets, sessions or subscribers.
//!
//! Begin reading at [`Journal`], then [`Append`] and what becomes of it, [`AppendOutcome`].

mod append;
mod config;
mod error;
mod health;
mod metrics;
mod quarantined;
mod query;
mod recorded;
pub mod sqlite;
mod tenant;
#[cfg(any(test, feature = "testing"))]
pub mod testing;

pub use append::{AnsweredBy, Append, AppendOutcome, Appended, Entry, QuarantineEntry};
pub use config::{Fsync, JournalConfig, Limits, QUARANTINE_OVERHEAD, Retention};
pub use error::{JournalError, Unavailable};
pub use health::Health;
pub use metrics::JournalMetrics;
pub use quarantined::{QuarantineQuery, Quarantined, QuarantinedRaw};
pub use query::{Bounds, HistoryItem, Page, ReadQuery, Since};
pub use tenant::StoredTenant;

use std::{future::Future, pin::Pin, sync::Arc};

use pushgate_model::{Epoch, Seq, StoredPush, TenantId, Timestamp};
use tokio::sync::watch;

/// A boxed future, so that [`Journal`] can be a trait object.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Learns of every commit, in the order of seq, before anybody else does.
pub trait CommitSink: Send {
    /// These pushes became durable, all of them for the first time. Called on the writer's thread: it must not wait
    /// for anything but room in a queue whose reader waits for nobody.
    fn committed(&mut self, batch: &[Arc<StoredPush>]);
}

/// The durable log.
pub trait Journal: Send + Sync {
    /// This life of the log.
    fn epoch(&self) -> Epoch;

    /// The highest position that was given to a push, also when that push was trimmed since. It grows once the sink
    /// has the push, and may stand above every push: positions are left out when an earlier life may have used them.
    fn head(&self) -> Seq;

    /// Queues one push (or one for quarantine, or an answer) and returns; waits only for room in the queue, the tenant's
    /// own first. The outcome goes to `append.reply`, exactly once. What one tenant appends is committed in this order;
    /// tenants take turns.
    ///
    /// # Errors
    /// The journal cannot write at the moment, or is closing: nothing was queued, nothing will come to `reply`.
    fn append(&self, append: Append) -> BoxFuture<'_, Result<(), Unavailable>>;

    /// [`Journal::append`] at once, if there is room and nobody waits for it; else it gives the append back.
    fn try_append(&self, append: Append) -> Option<Append> {
        Some(append)
    }

    /// The kept pushes of some tenants after a position, in the order of seq, with what was trimmed there.
    ///
    /// # Errors
    /// The journal could not be read.
    fn read(&self, query: ReadQuery) -> BoxFuture<'_, Result<Page, JournalError>>;

    /// Counts how often pushes left the log, or may have. It grows once they are gone for whoever reads, and before whoever
    /// had them removed learns of it: as long as it is what it was before a read began, another one would have the same
    /// of that range, and what was appended since.
    fn removals(&self) -> u64;

    /// A page of one tenant's kept pushes with their answers, for the history endpoint: at most `limit`, and fewer
    /// once they hold many MiB of text, so only an empty page says that there is no more.
    ///
    /// # Errors
    /// The journal could not be read.
    fn history(
        &self,
        tenant: TenantId,
        after: Seq,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<HistoryItem>, JournalError>>;

    /// Where the kept pushes of some tenants begin and end.
    ///
    /// # Errors
    /// The journal could not be read.
    fn bounds(&self, tenants: Vec<TenantId>) -> BoxFuture<'_, Result<Bounds, JournalError>>;

    /// Where the pushes of these tenants begin that were received at `time` or later.
    ///
    /// A tenant's pushes are taken to be in the order of their times, as they are unless the wall clock was set back. Where
    /// it was, the answer is one of the places at which the time is passed.
    ///
    /// # Errors
    /// The journal could not be read.
    fn since(&self, tenants: Vec<TenantId>, time: Timestamp) -> BoxFuture<'_, Result<Since, JournalError>>;

    /// What is kept about tenants beside their pushes, by id.
    ///
    /// # Errors
    /// The journal could not be read.
    fn tenants(&self) -> BoxFuture<'_, Result<Vec<StoredTenant>, JournalError>>;

    /// Keeps this about a tenant in the place of what was kept before; durable, as a commit is, when it returns. Like
    /// every change below, one that was queued is carried out also when the caller gives up.
    ///
    /// # Errors
    /// The journal could not write, or is closing: nothing changed.
    fn put_tenant(&self, tenant: StoredTenant) -> BoxFuture<'_, Result<(), JournalError>>;

    /// Forgets what [`Journal::put_tenant`] kept; the tenant's pushes stay. Durable when it returns.
    ///
    /// # Errors
    /// The journal could not write, or is closing: nothing changed.
    fn delete_tenant(&self, tenant: TenantId) -> BoxFuture<'_, Result<(), JournalError>>;

    /// Erases all that is kept of a tenant: its pushes, also those whose answer is due, their ids and its quarantine;
    /// not what [`Journal::put_tenant`] keeps. Cursors of others stay good, a stream that asks for what was erased gets
    /// a gap, and a later repeat is a new push. Call it when nobody appends for this tenant any more: what is committed
    /// later stays.
    ///
    /// It is seen as done from one commit on, and returns when everything is erased, which takes a second or so for
    /// 100,000 pushes. One that was committed and then cut short by a failure, a stop or a kill goes on by itself.
    ///
    /// # Errors
    /// The journal could not write, or is closing: nothing is erased, or the rest will be once it can write again.
    fn purge(&self, tenant: TenantId) -> BoxFuture<'_, Result<(), JournalError>>;

    /// A page of the quarantine.
    ///
    /// # Errors
    /// The journal could not be read.
    fn quarantine(&self, query: QuarantineQuery) -> BoxFuture<'_, Result<Vec<Quarantined>, JournalError>>;

    /// One quarantined message with its bytes; nothing when there is none of this id.
    ///
    /// # Errors
    /// The journal could not be read.
    fn quarantined(&self, id: u64) -> BoxFuture<'_, Result<Option<QuarantinedRaw>, JournalError>>;

    /// Erases one quarantined message; false when there is none of this id. Durable when it returns.
    ///
    /// # Errors
    /// The journal could not write, or is closing: nothing changed.
    fn delete_quarantined(&self, id: u64) -> BoxFuture<'_, Result<bool, JournalError>>;

    /// Whether it can write, and every change of that.
    fn health(&self) -> watch::Receiver<Health>;

    /// Counters and histograms, shared with the journal.
    fn metrics(&self) -> JournalMetrics;

    /// When the writer's loop last went round, for the liveness probe. It goes round at least once a
    /// second, unless a commit waits for the disk.
    fn last_progress(&self) -> std::time::Instant;

    /// Commits what is queued, then stops the writer. Later appends are refused.
    fn close(&self) -> BoxFuture<'_, ()>;
}
