//! The durable log of pushes: dedup, replay, retention, quarantine.
//!
//! [`Journal`] is what the rest of the gateway knows; [`sqlite`] is the engine behind it. A push exists once its
//! commit succeeded, and not before. Nothing here knows sockets, sessions or subscribers.

mod append;
mod config;
mod error;
mod health;
mod metrics;
mod query;
pub mod sqlite;
#[cfg(any(test, feature = "testing"))]
pub mod testing;

pub use append::{Append, AppendOutcome, Appended, Entry, QuarantineEntry};
pub use config::{Fsync, JournalConfig, Limits, QUARANTINE_OVERHEAD, Retention};
pub use error::{JournalError, Unavailable};
pub use health::Health;
pub use metrics::JournalMetrics;
pub use query::{Bounds, HistoryItem, Page, ReadQuery};

use std::{future::Future, pin::Pin, sync::Arc};

use pushgate_model::{Epoch, Seq, StoredPush, TenantId};
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

    /// Queues one push (or one for quarantine) and returns; waits only for room in the queue. The outcome goes to
    /// `append.reply`, exactly once.
    ///
    /// # Errors
    /// The journal cannot write at the moment, or is closing: nothing was queued, nothing will come to `reply`.
    fn append(&self, append: Append) -> BoxFuture<'_, Result<(), Unavailable>>;

    /// The kept pushes of some tenants after a position, in the order of seq, with what was trimmed there.
    ///
    /// # Errors
    /// The journal could not be read.
    fn read(&self, query: ReadQuery) -> BoxFuture<'_, Result<Page, JournalError>>;

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
