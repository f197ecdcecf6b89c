use bytes::Bytes;
use pushgate_model::{Answer, Push};
use tokio::sync::mpsc;

use super::*;
use crate::{AnsweredBy, Entry, QuarantineEntry};

#[derive(Clone, Default)]
struct Committed(Arc<Mutex<Vec<u64>>>);

impl CommitSink for Committed {
    fn committed(&mut self, batch: &[Arc<StoredPush>]) {
        self.0.lock().unwrap().extend(batch.iter().map(|push| push.seq.get()));
    }
}

/// A journal, and the outcomes of what is appended to it.
struct Bench {
    journal: Arc<MemoryJournal>,
    committed: Committed,
    reply: mpsc::Sender<Appended>,
    replies: mpsc::Receiver<Appended>,
}

impl Bench {
    fn new() -> Self {
        let committed = Committed::default();
        let (reply, replies) = mpsc::channel(8);
        Self { journal: MemoryJournal::new(Box::new(committed.clone())), committed, reply, replies }
    }

    fn make(&self, entry: Entry) -> Append {
        let received_at = Timestamp::from_millis(0);
        Append { tenant: acme(), entry, received_at, tag: 0, reply: self.reply.clone() }
    }

    fn push(&self, id: &str) -> Append {
        self.make(entry(id, Some(Answer::Ack)))
    }

    async fn append(&mut self, entry: Entry) -> AppendOutcome {
        self.journal.append(self.make(entry)).await.unwrap();
        self.outcome()
    }

    async fn decide(&mut self, id: &str, answer: Answer, by: AnsweredBy) -> AppendOutcome {
        self.append(Entry::Answer { push_id: id.into(), answer, by }).await
    }

    fn outcome(&mut self) -> AppendOutcome {
        self.replies.try_recv().unwrap().outcome
    }
}

fn acme() -> TenantId {
    "acme".parse().unwrap()
}

fn at(seq: u64) -> Seq {
    Seq::new(seq).unwrap()
}

fn entry(id: &str, answer: Option<Answer>) -> Entry {
    let push = Push { id: id.into(), created_at: String::new(), title: String::new(), body: String::new() };
    Entry::Push { push, answer }
}

fn repeat(seq: u64, answer: Option<Answer>) -> AppendOutcome {
    AppendOutcome::Duplicate { seq: at(seq), answer }
}

fn all() -> ReadQuery {
    ReadQuery { tenants: vec![acme()], after: Seq::ZERO, upto: Seq::MAX, limit: 9, max_bytes: usize::MAX }
}

#[tokio::test]
async fn what_is_held_is_committed_on_release() {
    let mut bench = Bench::new();
    bench.journal.hold();
    for id in ["a", "b", "a"] {
        bench.journal.append(bench.push(id)).await.unwrap();
    }
    let held = (bench.journal.held(), bench.replies.try_recv().is_err(), bench.journal.head());
    assert_eq!(held, (3, true, Seq::ZERO));
    bench.journal.release();
    assert_eq!(*bench.committed.0.lock().unwrap(), [1, 2]);
    let outcomes = [0; 3].map(|_| bench.outcome());
    let stored = AppendOutcome::Stored;
    assert_eq!(outcomes, [stored(at(1)), stored(at(2)), repeat(1, Some(Answer::Ack))]);
}

#[tokio::test]
async fn a_failing_one_fails_what_is_held_and_refuses_the_rest() {
    let mut bench = Bench::new();
    bench.journal.hold();
    bench.journal.append(bench.push("a")).await.unwrap();
    bench.journal.set_failing(Some("full"));
    assert_eq!(bench.outcome(), AppendOutcome::Failed);
    assert_eq!(bench.journal.append(bench.push("b")).await, Err(Unavailable));
    assert!(matches!(bench.journal.purge(acme()).await, Err(JournalError::Engine(_))));
    assert!(matches!(&*bench.journal.health().borrow(), Health::Failing { error, .. } if error == "full"));
    bench.journal.set_failing(None);
    bench.journal.release();
    assert_eq!(bench.append(entry("a", None)).await, AppendOutcome::Stored(at(1)));
}

#[tokio::test]
async fn trimmed_pushes_are_gone_but_known() {
    let mut bench = Bench::new();
    for (id, answer) in [("a", Some(Answer::Ack)), ("due", None), ("late", None), ("d", Some(Answer::Ack))] {
        bench.append(entry(id, answer)).await;
    }
    bench.decide("late", Answer::Nack, AnsweredBy::Deadline).await;
    bench.journal.trim(&acme(), at(3));
    let page = bench.journal.read(all()).await.unwrap();
    assert_eq!((page.pushes.len(), page.trimmed, page.oldest), (2, at(3), Some(at(2))));
    assert_eq!(bench.append(entry("a", None)).await, repeat(1, Some(Answer::Ack)));
    assert_eq!(bench.append(entry("late", None)).await, repeat(3, Some(Answer::Nack)));
    assert_eq!(bench.decide("late", Answer::Ack, AnsweredBy::Subscriber).await, AppendOutcome::UnknownPush);
}

#[tokio::test]
async fn an_answer_is_recorded_once() {
    let mut bench = Bench::new();
    assert_eq!(bench.decide("a", Answer::Ack, AnsweredBy::Subscriber).await, AppendOutcome::UnknownPush);
    bench.append(entry("a", None)).await;
    assert_eq!(bench.append(entry("a", None)).await, repeat(1, None));
    assert_eq!(bench.decide("a", Answer::Nack, AnsweredBy::Deadline).await, AppendOutcome::Answered(Answer::Nack));
    let late = bench.decide("a", Answer::Ack, AnsweredBy::Subscriber).await;
    assert_eq!(late, AppendOutcome::AlreadyAnswered(Answer::Nack));
    // A repeat takes a deadline's NACK back, but no subscriber's.
    assert_eq!(bench.append(entry("a", None)).await, repeat(1, None));
    bench.decide("a", Answer::Nack, AnsweredBy::Subscriber).await;
    assert_eq!(bench.append(entry("a", Some(Answer::Ack))).await, repeat(1, Some(Answer::Nack)));
    let history = bench.journal.history(acme(), Seq::ZERO, 9).await.unwrap();
    assert_eq!(history[0].answer, Some(Answer::Nack));
    assert_eq!(bench.journal.metrics().answered.get(), 2);
}

#[tokio::test]
async fn the_quarantine_can_be_listed_read_and_emptied() {
    let mut bench = Bench::new();
    let raw = |raw: &'static [u8]| {
        Entry::Quarantine(QuarantineEntry { raw: Bytes::from_static(raw), push_id: None, reason: "broken", size: 1 })
    };
    for (bytes, repeats) in [(b"x", 1), (b"y", 1), (b"x", 2)] {
        assert_eq!(bench.append(raw(bytes)).await, AppendOutcome::Quarantined { repeats });
    }
    let list = async |after, limit| {
        let query = QuarantineQuery { tenant: Some(acme()), after, limit };
        let entries = bench.journal.quarantine(query).await.unwrap();
        entries.into_iter().map(|entry| (entry.id, entry.count)).collect::<Vec<_>>()
    };
    assert_eq!((list(0, 1).await, list(1, 9).await), (vec![(1, 2)], vec![(2, 1)]));
    assert_eq!(bench.journal.quarantined(2).await.unwrap().unwrap().raw, "y");
    assert!(bench.journal.delete_quarantined(2).await.unwrap());
    assert!(!bench.journal.delete_quarantined(2).await.unwrap());
    assert_eq!(bench.journal.quarantined(2).await.unwrap(), None);
}

#[tokio::test]
async fn a_purge_leaves_a_gap_and_what_is_stored_about_the_tenant() {
    let mut bench = Bench::new();
    let stored = StoredTenant { id: acme(), settings: Some("{}".to_owned()), version: "1".to_owned(), paused: true };
    bench.journal.put_tenant(stored.clone()).await.unwrap();
    bench.append(entry("a", None)).await;
    bench.journal.purge(acme()).await.unwrap();
    let page = bench.journal.read(all()).await.unwrap();
    assert_eq!((page.pushes.len(), page.trimmed), (0, at(1)));
    assert_eq!(bench.append(entry("a", None)).await, AppendOutcome::Stored(at(2)));
    assert_eq!(bench.journal.tenants().await.unwrap(), [stored]);
    bench.journal.delete_tenant(acme()).await.unwrap();
    assert_eq!(bench.journal.tenants().await.unwrap(), []);
}
