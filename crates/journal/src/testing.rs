//! A journal in memory, for the tests of what stands on a [`Journal`].

mod state;
#[cfg(test)]
mod tests;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Instant, SystemTime},
};

use pushgate_model::{Epoch, Seq, StoredPush, TenantId, Timestamp};
use tokio::sync::watch;

use self::state::{Kept, State};
use crate::{
    Append, AppendOutcome, Appended, Bounds, BoxFuture, CommitSink, Health, HistoryItem, Journal, JournalError,
    JournalMetrics, Page, QuarantineQuery, Quarantined, QuarantinedRaw, ReadQuery, Since, StoredTenant, Unavailable,
};

/// A [`Journal`] without a disk: an append is committed before its future is ready, and a test decides what goes wrong.
///
/// It never waits for room and trims only when told. The epoch is `memory`.
pub struct MemoryJournal {
    gate: Mutex<Gate>,
    health: watch::Sender<Health>,
    metrics: JournalMetrics,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Open,
    Failing,
    Closed,
}

/// What is kept, and what stands before it.
struct Gate {
    mode: Mode,
    sink: Box<dyn CommitSink>,
    state: State,
    /// What waits for [`MemoryJournal::release`]; nothing when commits are not held.
    held: Option<Vec<Append>>,
}

impl MemoryJournal {
    /// An empty journal whose commits go to `sink`.
    pub fn new(sink: Box<dyn CommitSink>) -> Arc<Self> {
        Arc::new(Self {
            gate: Mutex::new(Gate { mode: Mode::Open, sink, state: State::default(), held: None }),
            health: watch::Sender::new(Health::Writable),
            metrics: JournalMetrics::new(),
        })
    }

    /// Trims the pushes of `tenant` up to and with `upto`, but those whose answer is due; their ids stay known.
    pub fn trim(&self, tenant: &TenantId, upto: Seq) {
        self.lock().state.trim(tenant, upto);
    }

    /// With an error, the journal can't write from now on and what is held fails; without, it can again.
    pub fn set_failing(&self, error: Option<&str>) {
        let mut gate = self.lock();
        if gate.mode == Mode::Closed {
            return;
        }
        if let Some(error) = error {
            gate.mode = Mode::Failing;
            for append in gate.held.as_mut().map(std::mem::take).unwrap_or_default() {
                answer(&append, AppendOutcome::Failed);
            }
            let since = Timestamp::from(SystemTime::now());
            self.health.send_replace(Health::Failing { since, error: error.to_owned() });
        } else {
            gate.mode = Mode::Open;
            self.health.send_replace(Health::Writable);
        }
    }

    /// From now on appends wait, uncommitted and unanswered, for [`MemoryJournal::release`]. What else is written does
    /// not wait.
    pub fn hold(&self) {
        self.lock().held.get_or_insert_default();
    }

    /// Commits what was held, as one batch, and holds no longer.
    pub fn release(&self) {
        let mut gate = self.lock();
        let batch = gate.held.take().unwrap_or_default();
        self.commit(&mut gate, &batch);
    }

    /// How many appends are held.
    pub fn held(&self) -> usize {
        self.lock().held.as_ref().map_or(0, Vec::len)
    }

    fn lock(&self) -> MutexGuard<'_, Gate> {
        self.gate.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn commit(&self, gate: &mut Gate, batch: &[Append]) {
        let mut stored: Vec<Arc<StoredPush>> = Vec::new();
        let outcomes: Vec<_> = batch.iter().map(|append| gate.state.apply(append, &mut stored)).collect();
        self.metrics.commits.inc();
        if !stored.is_empty() {
            gate.sink.committed(&stored);
        }
        for (append, outcome) in batch.iter().zip(outcomes) {
            self.metrics.count(outcome);
            answer(append, outcome);
        }
    }

    /// Changes what is kept, if the journal can write.
    fn write<T>(&self, change: impl FnOnce(&mut State) -> T) -> Result<T, JournalError> {
        let mut gate = self.lock();
        match gate.mode {
            Mode::Open => Ok(change(&mut gate.state)),
            Mode::Failing => Err(JournalError::Engine("it can't write, as a test wants it".to_owned())),
            Mode::Closed => Err(JournalError::Closed),
        }
    }
}

impl Journal for MemoryJournal {
    fn epoch(&self) -> Epoch {
        "memory".parse().expect("a valid epoch")
    }

    fn head(&self) -> Seq {
        self.lock().state.head
    }

    fn try_append(&self, append: Append) -> Option<Append> {
        let mut gate = self.lock();
        if gate.mode != Mode::Open {
            return Some(append);
        }
        if let Some(held) = &mut gate.held {
            held.push(append);
        } else {
            self.commit(&mut gate, &[append]);
        }
        None
    }

    fn append(&self, append: Append) -> BoxFuture<'_, Result<(), Unavailable>> {
        Box::pin(async move { self.try_append(append).map_or(Ok(()), |_| Err(Unavailable)) })
    }

    fn read(&self, query: ReadQuery) -> BoxFuture<'_, Result<Page, JournalError>> {
        Box::pin(async move { Ok(self.lock().state.page(&query)) })
    }

    fn removals(&self) -> u64 {
        self.lock().state.removals
    }

    fn history(
        &self,
        tenant: TenantId,
        after: Seq,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<HistoryItem>, JournalError>> {
        Box::pin(async move {
            let gate = self.lock();
            let kept = gate.state.kept.iter().filter(|(seq, kept)| **seq > after && kept.push.tenant == tenant);
            let item =
                |kept: &Kept| HistoryItem { push: StoredPush::clone(&kept.push), answer: kept.recorded.answer() };
            Ok(kept.take(limit).map(|(_, kept)| item(kept)).collect())
        })
    }

    fn bounds(&self, tenants: Vec<TenantId>) -> BoxFuture<'_, Result<Bounds, JournalError>> {
        Box::pin(async move {
            let gate = self.lock();
            let kept = gate.state.kept.iter().filter(|(_, kept)| tenants.contains(&kept.push.tenant));
            let mut seqs = kept.map(|(seq, _)| *seq);
            let oldest = seqs.next();
            Ok(Bounds { oldest, newest: seqs.next_back().or(oldest), trimmed: gate.state.trimmed(&tenants) })
        })
    }

    fn since(&self, tenants: Vec<TenantId>, time: Timestamp) -> BoxFuture<'_, Result<Since, JournalError>> {
        Box::pin(async move { Ok(self.lock().state.since(&tenants, time)) })
    }

    fn tenants(&self) -> BoxFuture<'_, Result<Vec<StoredTenant>, JournalError>> {
        Box::pin(async { Ok(self.lock().state.tenants.values().cloned().collect()) })
    }

    fn put_tenant(&self, tenant: StoredTenant) -> BoxFuture<'_, Result<(), JournalError>> {
        Box::pin(async move { self.write(|state| drop(state.tenants.insert(tenant.id.clone(), tenant))) })
    }

    fn delete_tenant(&self, tenant: TenantId) -> BoxFuture<'_, Result<(), JournalError>> {
        Box::pin(async move { self.write(|state| drop(state.tenants.remove(&tenant))) })
    }

    fn purge(&self, tenant: TenantId) -> BoxFuture<'_, Result<(), JournalError>> {
        Box::pin(async move { self.write(|state| state.purge(&tenant)) })
    }

    fn quarantine(&self, query: QuarantineQuery) -> BoxFuture<'_, Result<Vec<Quarantined>, JournalError>> {
        Box::pin(async move { Ok(self.lock().state.quarantined(&query)) })
    }

    fn quarantined(&self, id: u64) -> BoxFuture<'_, Result<Option<QuarantinedRaw>, JournalError>> {
        Box::pin(async move { Ok(self.lock().state.quarantine.get(&id).cloned()) })
    }

    fn delete_quarantined(&self, id: u64) -> BoxFuture<'_, Result<bool, JournalError>> {
        Box::pin(async move { self.write(|state| state.quarantine.remove(&id).is_some()) })
    }

    fn health(&self) -> watch::Receiver<Health> {
        self.health.subscribe()
    }

    fn metrics(&self) -> JournalMetrics {
        self.metrics.clone()
    }

    fn last_progress(&self) -> Instant {
        Instant::now()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            self.release();
            self.lock().mode = Mode::Closed;
        })
    }
}

fn answer(append: &Append, outcome: AppendOutcome) {
    let push_id = append.push_id().cloned();
    // By the contract of `Append::reply`, an outcome that finds no room is dropped.
    let _ = append.reply.try_send(Appended { tag: append.tag, push_id, size: append.size(), outcome });
}
