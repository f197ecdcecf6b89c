use std::{
    future::poll_fn,
    sync::{Arc, Mutex, MutexGuard},
    task::{Poll, Waker},
    time::Instant,
};

use pushgate_journal::{
    Append, Bounds, BoxFuture, Health, HistoryItem, Journal, JournalError, JournalMetrics, Page, QuarantineQuery,
    Quarantined, QuarantinedRaw, ReadQuery, Since, StoredTenant, Unavailable, testing::MemoryJournal,
};
use pushgate_model::{Epoch, Seq, TenantId, Timestamp};
use tokio::sync::watch;

/// A journal whose reads a test can hold up or let fail.
pub(super) struct Gate {
    pub(super) journal: Arc<MemoryJournal>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    mode: Mode,
    waiting: Vec<Waker>,
    reads: usize,
}

/// What happens to reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Mode {
    /// They are answered at once.
    #[default]
    Open,
    /// They look at the log, and are answered later.
    HeldAfter,
    /// They look at the log only when they are let go.
    HeldBefore,
    /// They fail.
    Failing,
}

impl Gate {
    pub(super) fn new(journal: Arc<MemoryJournal>) -> Arc<Self> {
        Arc::new(Self { journal, state: Mutex::default() })
    }

    pub(super) fn set(&self, mode: Mode) {
        let mut state = self.state();
        state.mode = mode;
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        waiting.into_iter().for_each(Waker::wake);
    }

    /// How many pages were asked for.
    pub(super) fn reads(&self) -> usize {
        self.state().reads
    }

    async fn pass<T>(&self, read: BoxFuture<'_, Result<T, JournalError>>) -> Result<T, JournalError> {
        let mut read = Some(read);
        let mut seen = None;
        if self.state().mode == Mode::HeldAfter
            && let Some(read) = read.take()
        {
            seen = Some(read.await?);
        }
        poll_fn(|cx| {
            let mut state = self.state();
            match state.mode {
                Mode::Open => Poll::Ready(Ok(())),
                Mode::Failing => Poll::Ready(Err(JournalError::Closed)),
                Mode::HeldAfter | Mode::HeldBefore => {
                    state.waiting.push(cx.waker().clone());
                    Poll::Pending
                }
            }
        })
        .await?;
        match (seen, read) {
            (Some(seen), _) => Ok(seen),
            (None, Some(read)) => read.await,
            (None, None) => unreachable!("what was read was seen"),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

impl Journal for Gate {
    fn epoch(&self) -> Epoch {
        self.journal.epoch()
    }

    fn head(&self) -> Seq {
        self.journal.head()
    }

    fn append(&self, append: Append) -> BoxFuture<'_, Result<(), Unavailable>> {
        self.journal.append(append)
    }

    fn read(&self, query: ReadQuery) -> BoxFuture<'_, Result<Page, JournalError>> {
        self.state().reads += 1;
        Box::pin(self.pass(self.journal.read(query)))
    }

    fn removals(&self) -> u64 {
        self.journal.removals()
    }

    fn history(
        &self,
        tenant: TenantId,
        after: Seq,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<HistoryItem>, JournalError>> {
        self.journal.history(tenant, after, limit)
    }

    fn bounds(&self, tenants: Vec<TenantId>) -> BoxFuture<'_, Result<Bounds, JournalError>> {
        Box::pin(self.pass(self.journal.bounds(tenants)))
    }

    fn since(&self, tenants: Vec<TenantId>, time: Timestamp) -> BoxFuture<'_, Result<Since, JournalError>> {
        Box::pin(self.pass(self.journal.since(tenants, time)))
    }

    fn tenants(&self) -> BoxFuture<'_, Result<Vec<StoredTenant>, JournalError>> {
        self.journal.tenants()
    }

    fn put_tenant(&self, tenant: StoredTenant) -> BoxFuture<'_, Result<(), JournalError>> {
        self.journal.put_tenant(tenant)
    }

    fn delete_tenant(&self, tenant: TenantId) -> BoxFuture<'_, Result<(), JournalError>> {
        self.journal.delete_tenant(tenant)
    }

    fn purge(&self, tenant: TenantId) -> BoxFuture<'_, Result<(), JournalError>> {
        self.journal.purge(tenant)
    }

    fn quarantine(&self, query: QuarantineQuery) -> BoxFuture<'_, Result<Vec<Quarantined>, JournalError>> {
        self.journal.quarantine(query)
    }

    fn quarantined(&self, id: u64) -> BoxFuture<'_, Result<Option<QuarantinedRaw>, JournalError>> {
        self.journal.quarantined(id)
    }

    fn delete_quarantined(&self, id: u64) -> BoxFuture<'_, Result<bool, JournalError>> {
        self.journal.delete_quarantined(id)
    }

    fn health(&self) -> watch::Receiver<Health> {
        self.journal.health()
    }

    fn metrics(&self) -> JournalMetrics {
        self.journal.metrics()
    }

    fn last_progress(&self) -> Instant {
        self.journal.last_progress()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        self.journal.close()
    }
}
