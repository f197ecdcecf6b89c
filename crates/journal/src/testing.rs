//! A journal in memory, for the tests of what stands on a [`Journal`].

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Instant, SystemTime},
};

use bytes::Bytes;
use pushgate_model::{Answer, Epoch, Push, PushId, Seq, StoredPush, TenantId, Timestamp};
use tokio::sync::watch;

use crate::{
    Append, AppendOutcome, Appended, Bounds, BoxFuture, CommitSink, Entry, Health, HistoryItem, Journal, JournalError,
    JournalMetrics, Page, QuarantineEntry, ReadQuery, Unavailable,
};

/// A [`Journal`] without a disk: an append is committed before its future is ready, and a test decides what goes wrong.
///
/// It never waits for room and trims only when told. The epoch is `memory`.
pub struct MemoryJournal {
    state: Mutex<State>,
    health: watch::Sender<Health>,
    metrics: JournalMetrics,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Open,
    Failing,
    Closed,
}

struct State {
    mode: Mode,
    sink: Box<dyn CommitSink>,
    head: Seq,
    kept: BTreeMap<Seq, (Arc<StoredPush>, Option<Answer>)>,
    known: HashMap<(TenantId, PushId), Seq>,
    trimmed: HashMap<TenantId, Seq>,
    quarantine: HashMap<(TenantId, Bytes, u64), u64>,
    /// What waits for [`MemoryJournal::release`]; nothing when commits are not held.
    held: Option<Vec<Append>>,
}

impl MemoryJournal {
    /// An empty journal whose commits go to `sink`.
    pub fn new(sink: Box<dyn CommitSink>) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(State {
                mode: Mode::Open,
                sink,
                head: Seq::ZERO,
                kept: BTreeMap::new(),
                known: HashMap::new(),
                trimmed: HashMap::new(),
                quarantine: HashMap::new(),
                held: None,
            }),
            health: watch::Sender::new(Health::Writable),
            metrics: JournalMetrics::new(),
        })
    }

    /// Trims the pushes of `tenant` up to and with `upto`; their ids stay known.
    pub fn trim(&self, tenant: &TenantId, upto: Seq) {
        let mut state = self.lock();
        let gone: Vec<Seq> =
            state.kept.range(..=upto).filter(|(_, (push, _))| push.tenant == *tenant).map(|(seq, _)| *seq).collect();
        for seq in &gone {
            state.kept.remove(seq);
        }
        if let Some(highest) = gone.last() {
            let trimmed = state.trimmed.entry(tenant.clone()).or_default();
            *trimmed = (*trimmed).max(*highest);
        }
    }

    /// With an error, the journal can't write from now on and what is held fails; without, it can again.
    pub fn set_failing(&self, error: Option<&str>) {
        let mut state = self.lock();
        if state.mode == Mode::Closed {
            return;
        }
        if let Some(error) = error {
            state.mode = Mode::Failing;
            for append in state.held.as_mut().map(std::mem::take).unwrap_or_default() {
                answer(&append, AppendOutcome::Failed);
            }
            let since = Timestamp::from(SystemTime::now());
            self.health.send_replace(Health::Failing { since, error: error.to_owned() });
        } else {
            state.mode = Mode::Open;
            self.health.send_replace(Health::Writable);
        }
    }

    /// From now on appends wait, uncommitted and unanswered, for [`MemoryJournal::release`].
    pub fn hold(&self) {
        self.lock().held.get_or_insert_default();
    }

    /// Commits what was held, as one batch, and holds no longer.
    pub fn release(&self) {
        let mut state = self.lock();
        let batch = state.held.take().unwrap_or_default();
        self.commit(&mut state, &batch);
    }

    /// How many appends are held.
    pub fn held(&self) -> usize {
        self.lock().held.as_ref().map_or(0, Vec::len)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn commit(&self, state: &mut State, batch: &[Append]) {
        let mut stored = Vec::new();
        let outcomes: Vec<_> = batch.iter().map(|append| state.apply(append, &mut stored)).collect();
        self.metrics.commits.inc();
        if !stored.is_empty() {
            state.sink.committed(&stored);
        }
        for (append, outcome) in batch.iter().zip(outcomes) {
            match outcome {
                AppendOutcome::Stored(_) => self.metrics.stored.inc(),
                AppendOutcome::Duplicate(_) => self.metrics.duplicates.inc(),
                AppendOutcome::Quarantined { .. } => self.metrics.quarantined.inc(),
                AppendOutcome::Failed => 0,
            };
            answer(append, outcome);
        }
    }
}

impl State {
    fn apply(&mut self, append: &Append, stored: &mut Vec<Arc<StoredPush>>) -> AppendOutcome {
        match &append.entry {
            Entry::Push { push, answer } => self.store(append, push, *answer, stored),
            Entry::Quarantine(QuarantineEntry { raw, size, .. }) => {
                let repeats = self.quarantine.entry((append.tenant.clone(), raw.clone(), *size)).or_default();
                *repeats += 1;
                AppendOutcome::Quarantined { repeats: *repeats }
            }
        }
    }

    fn store(
        &mut self,
        append: &Append,
        push: &Push,
        answer: Option<Answer>,
        stored: &mut Vec<Arc<StoredPush>>,
    ) -> AppendOutcome {
        let id = (append.tenant.clone(), push.id.clone());
        if let Some(seq) = self.known.get(&id) {
            return AppendOutcome::Duplicate(*seq);
        }
        let seq = self.head.next().expect("a test stores fewer than 2^53 pushes");
        let push = Arc::new(StoredPush {
            seq,
            tenant: append.tenant.clone(),
            push: push.clone(),
            received_at: append.received_at,
        });
        self.head = seq;
        self.known.insert(id, seq);
        self.kept.insert(seq, (Arc::clone(&push), answer));
        stored.push(push);
        AppendOutcome::Stored(seq)
    }

    fn trimmed(&self, tenants: &[TenantId]) -> Seq {
        tenants.iter().filter_map(|tenant| self.trimmed.get(tenant)).max().copied().unwrap_or_default()
    }

    fn page(&self, query: &ReadQuery) -> Page {
        let mut page = Page { trimmed: self.trimmed(&query.tenants), ..Page::default() };
        let mut bytes = 0;
        for (seq, (push, _)) in &self.kept {
            if *seq <= query.after || !query.tenants.contains(&push.tenant) {
                continue;
            }
            page.oldest.get_or_insert(*seq);
            if *seq > query.upto {
                break;
            }
            let over = !page.pushes.is_empty() && bytes + push.push.size() > query.max_bytes;
            if over || page.pushes.len() >= query.limit {
                page.more = true;
                break;
            }
            bytes += push.push.size();
            page.pushes.push(Arc::clone(push));
        }
        page
    }
}

impl Journal for MemoryJournal {
    fn epoch(&self) -> Epoch {
        "memory".parse().expect("a valid epoch")
    }

    fn head(&self) -> Seq {
        self.lock().head
    }

    fn append(&self, append: Append) -> BoxFuture<'_, Result<(), Unavailable>> {
        Box::pin(async move {
            let mut state = self.lock();
            if state.mode != Mode::Open {
                return Err(Unavailable);
            }
            if let Some(held) = &mut state.held {
                held.push(append);
            } else {
                self.commit(&mut state, &[append]);
            }
            Ok(())
        })
    }

    fn read(&self, query: ReadQuery) -> BoxFuture<'_, Result<Page, JournalError>> {
        Box::pin(async move { Ok(self.lock().page(&query)) })
    }

    fn history(
        &self,
        tenant: TenantId,
        after: Seq,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<HistoryItem>, JournalError>> {
        Box::pin(async move {
            let state = self.lock();
            let kept = state.kept.iter().filter(|(seq, (push, _))| **seq > after && push.tenant == tenant);
            let item = |push: &Arc<StoredPush>, answer| HistoryItem { push: StoredPush::clone(push), answer };
            Ok(kept.take(limit).map(|(_, (push, answer))| item(push, *answer)).collect())
        })
    }

    fn bounds(&self, tenants: Vec<TenantId>) -> BoxFuture<'_, Result<Bounds, JournalError>> {
        Box::pin(async move {
            let state = self.lock();
            let mut kept = state.kept.values().filter(|(push, _)| tenants.contains(&push.tenant)).map(|(p, _)| p.seq);
            let oldest = kept.next();
            Ok(Bounds { oldest, newest: kept.next_back().or(oldest), trimmed: state.trimmed(&tenants) })
        })
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
    let push_id = match &append.entry {
        Entry::Push { push, .. } => Some(push.id.clone()),
        Entry::Quarantine(entry) => entry.push_id.clone(),
    };
    // By the contract of `Append::reply`, an outcome that finds no room is dropped.
    let _ = append.reply.try_send(Appended { tag: append.tag, push_id, size: append.size(), outcome });
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;

    use super::*;

    #[derive(Clone, Default)]
    struct Committed(Arc<Mutex<Vec<u64>>>);

    impl CommitSink for Committed {
        fn committed(&mut self, batch: &[Arc<StoredPush>]) {
            self.0.lock().unwrap().extend(batch.iter().map(|push| push.seq.get()));
        }
    }

    fn at(seq: u64) -> Seq {
        Seq::new(seq).unwrap()
    }

    fn append(id: &str, reply: &mpsc::Sender<Appended>) -> Append {
        let push = Push { id: id.into(), created_at: String::new(), title: String::new(), body: String::new() };
        Append {
            tenant: "acme".parse().unwrap(),
            entry: Entry::Push { push, answer: Some(Answer::Ack) },
            received_at: Timestamp::from_millis(0),
            tag: 0,
            reply: reply.clone(),
        }
    }

    #[tokio::test]
    async fn what_is_held_is_committed_on_release() {
        let committed = Committed::default();
        let journal = MemoryJournal::new(Box::new(committed.clone()));
        let (reply, mut replies) = mpsc::channel(8);
        journal.hold();
        for id in ["a", "b", "a"] {
            journal.append(append(id, &reply)).await.unwrap();
        }
        assert_eq!((journal.held(), replies.try_recv().is_err(), journal.head()), (3, true, Seq::ZERO));
        journal.release();
        assert_eq!(*committed.0.lock().unwrap(), [1, 2]);
        let outcomes = [0; 3].map(|_| replies.try_recv().unwrap().outcome);
        let stored = AppendOutcome::Stored;
        assert_eq!(outcomes, [stored(at(1)), stored(at(2)), AppendOutcome::Duplicate(at(1))]);
    }

    #[tokio::test]
    async fn a_failing_one_fails_what_is_held_and_refuses_the_rest() {
        let journal = MemoryJournal::new(Box::new(Committed::default()));
        let (reply, mut replies) = mpsc::channel(8);
        journal.hold();
        journal.append(append("a", &reply)).await.unwrap();
        journal.set_failing(Some("full"));
        assert_eq!(replies.try_recv().unwrap().outcome, AppendOutcome::Failed);
        assert_eq!(journal.append(append("b", &reply)).await, Err(Unavailable));
        assert!(matches!(&*journal.health().borrow(), Health::Failing { error, .. } if error == "full"));
        journal.set_failing(None);
        journal.release();
        journal.append(append("a", &reply)).await.unwrap();
        assert_eq!(replies.try_recv().unwrap().outcome, AppendOutcome::Stored(at(1)));
    }

    #[tokio::test]
    async fn trimmed_pushes_are_gone_but_known() {
        let journal = MemoryJournal::new(Box::new(Committed::default()));
        let (reply, mut replies) = mpsc::channel(8);
        for id in ["a", "b", "c"] {
            journal.append(append(id, &reply)).await.unwrap();
            replies.recv().await;
        }
        let acme: TenantId = "acme".parse().unwrap();
        journal.trim(&acme, at(2));
        let query = ReadQuery { tenants: vec![acme], after: at(1), upto: Seq::MAX, limit: 9, max_bytes: 0 };
        let page = journal.read(query).await.unwrap();
        assert_eq!((page.pushes.len(), page.trimmed, page.oldest), (1, at(2), Some(at(3))));
        journal.append(append("a", &reply)).await.unwrap();
        assert_eq!(replies.recv().await.unwrap().outcome, AppendOutcome::Duplicate(at(1)));
    }
}
