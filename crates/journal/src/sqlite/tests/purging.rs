use std::{pin::pin, task::Poll};

use bytes::Bytes;
use pushgate_model::{Answer, Seq};
use tempfile::TempDir;
use tokio::sync::oneshot;

use super::{Bench, all, poll, push};
use crate::{
    Append, AppendOutcome, Entry, JournalError, QuarantineEntry, QuarantineQuery,
    sqlite::{
        command::{Change, Command},
        listing,
        queue::Taken,
    },
};

/// What a command is answered.
type Answered = oneshot::Receiver<Result<bool, JournalError>>;

impl Bench {
    /// Queues a command.
    fn command(&self, change: Change) -> Answered {
        let (reply, answered) = oneshot::channel();
        let queue = &self.writer.shared.queue;
        assert_eq!(poll(&mut pin!(queue.command(Command { change, reply }))), Poll::Ready(Ok(())));
        answered
    }

    /// Commits a purge, and erases nothing yet.
    pub(super) fn purge(&mut self, tenant: &str) -> Answered {
        let answered = self.command(Change::Purge(tenant.parse().unwrap()));
        let mut taken = Taken::default();
        self.writer.shared.queue.take(&mut taken, std::time::Duration::ZERO);
        self.writer.obey(taken.commands).unwrap();
        answered
    }

    fn queue_broken(&self, tenant: &str, byte: u8) {
        let entry = QuarantineEntry { raw: Bytes::from(vec![byte]), push_id: None, reason: "broken", size: 1 };
        self.queue(Append { entry: Entry::Quarantine(entry), ..self.make(tenant, push("unused")) });
    }

    fn quarantined(&self) -> Vec<(String, u64)> {
        let query = QuarantineQuery { tenant: None, after: 0, limit: 1000 };
        let entries = listing::quarantine(self.writer.conn.as_ref().unwrap(), &query).unwrap();
        entries.into_iter().map(|entry| (entry.tenant.to_string(), entry.count)).collect()
    }
}

fn open(pushes: usize) -> (TempDir, Bench) {
    let folder = TempDir::new().unwrap();
    let mut bench = Bench::open(&folder.path().join("journal.db"));
    bench.trim();
    for number in 0..pushes {
        bench.queue_push("acme", &number.to_string());
    }
    bench.queue_push("umbra", "theirs");
    bench.queue_broken("acme", 1);
    bench.queue_broken("umbra", 1);
    while !bench.writer.shared.queue.is_empty() {
        bench.round();
    }
    (folder, bench)
}

#[test]
fn a_purge_is_seen_at_once_and_answered_when_all_is_erased() {
    let (_folder, mut bench) = open(2000);
    let last = bench.read(&all(&["acme"])).pushes.last().unwrap().seq;
    let mut answered = bench.purge("acme");
    let page = bench.read(&all(&["acme"]));
    assert_eq!((page.pushes.len(), page.trimmed), (0, last));
    assert_eq!(bench.quarantined(), [("umbra".to_owned(), 1)]);
    assert_eq!((bench.count("pushes"), answered.try_recv().is_err()), (2001, true));

    // One step between two commits, however much there is to erase.
    bench.queue_push("umbra", "waits");
    bench.writer.retain().unwrap();
    assert!(bench.count("pushes") >= 1501 && answered.try_recv().is_err());
    bench.round();

    bench.trim();
    assert!(answered.try_recv().unwrap().unwrap());
    assert_eq!(["pushes", "ids", "quarantine", "purges"].map(|table| bench.count(table)), [2, 2, 1, 0]);
    assert_eq!(bench.kept("umbra"), ["theirs", "waits"]);
    let usage = bench.writer.ledger.tenants().iter().map(|usage| usage.pushes).collect::<Vec<_>>();
    assert_eq!(usage, [0, 2]);
}

#[test]
fn removals_are_counted_once_nobody_finds_what_is_gone() {
    let (_folder, mut bench) = open(10);
    let removals = |bench: &Bench| bench.writer.shared.removals();
    let before = removals(&bench);
    bench.queue_push("umbra", "new");
    bench.round();
    bench.trim();
    assert_eq!(removals(&bench), before, "nothing left the log");
    bench.writer.config.retention.max_pushes_per_tenant = 9;
    bench.trim();
    assert_eq!((removals(&bench), bench.kept("acme").len()), (before + 1, 9));
    bench.purge("acme");
    assert_eq!((removals(&bench), bench.kept("acme").len()), (before + 2, 0));
}

#[test]
fn what_comes_after_a_purge_is_new_also_while_it_is_erased() {
    let (_folder, mut bench) = open(1000);
    bench.purge("acme");
    bench.queue_push("acme", "7");
    bench.queue_broken("acme", 1);
    let entry = Entry::Answer { push_id: "8".into(), answer: Answer::Ack, by: crate::AnsweredBy::Subscriber };
    bench.queue(Append { entry, ..bench.make("acme", push("unused")) });
    let outcomes = bench.round();
    let [AppendOutcome::Stored(seq), AppendOutcome::Quarantined { repeats: 1 }, AppendOutcome::UnknownPush] =
        outcomes[..]
    else {
        panic!("{outcomes:?}")
    };
    bench.trim();
    assert_eq!(bench.kept("acme"), ["7"]);
    bench.queue_push("acme", "7");
    assert_eq!(bench.round(), [AppendOutcome::Duplicate { seq, answer: Some(Answer::Ack) }]);
    assert_eq!(bench.quarantined().len(), 2);
    // And once more, of a tenant that was purged before.
    bench.purge("acme");
    bench.trim();
    assert_eq!((bench.kept("acme").len(), bench.read(&all(&["acme"])).trimmed), (0, seq));
}

#[test]
fn a_purge_that_a_stop_cut_short_goes_on() {
    let (folder, mut bench) = open(1000);
    let mut answered = bench.purge("acme");
    drop(bench);
    assert!(matches!(answered.try_recv(), Err(oneshot::error::TryRecvError::Closed)));
    let mut bench = Bench::open(&folder.path().join("journal.db"));
    assert_eq!((bench.kept("acme").len(), bench.count("pushes")), (0, 1001));
    bench.trim();
    assert_eq!(["pushes", "ids", "quarantine", "purges"].map(|table| bench.count(table)), [1, 1, 1, 0]);
}

#[test]
fn a_failing_store_refuses_commands_and_finishes_purges_later() {
    let (_folder, mut bench) = open(1000);
    let mut answered = bench.purge("acme");
    bench.writer.lose(&std::io::Error::other("for a test").into());
    assert!(matches!(answered.try_recv().unwrap(), Err(JournalError::Engine(error)) if error == "for a test"));
    bench.writer.failure.as_mut().map(crate::sqlite::recovery::Failure::hurry).unwrap();
    bench.round();
    bench.trim();
    assert_eq!((bench.count("pushes"), bench.kept("umbra").len()), (1, 1));
}

#[test]
fn a_tenant_without_anything_is_purged_at_once() {
    let (_folder, mut bench) = open(0);
    assert!(!bench.purge("nobody").try_recv().unwrap().unwrap());
    assert_eq!(bench.read(&all(&["nobody"])).trimmed, Seq::ZERO);
}

#[test]
fn a_deleted_entry_leaves_its_room_in_the_quarantine() {
    let (_folder, mut bench) = open(0);
    let before = bench.writer.ledger.quarantine();
    let mut deleted = bench.command(Change::DeleteQuarantined(1));
    let mut again = bench.command(Change::DeleteQuarantined(1));
    bench.round();
    assert_eq!((deleted.try_recv().unwrap().unwrap(), again.try_recv().unwrap().unwrap()), (true, false));
    assert_eq!((bench.writer.ledger.quarantine(), bench.quarantined().len()), (before / 2, 1));
}
