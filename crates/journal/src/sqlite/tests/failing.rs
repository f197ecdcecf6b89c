use std::time::Duration;

use tempfile::TempDir;

use super::{Bench, push_of};
use crate::{
    AppendOutcome, Health,
    sqlite::{recent::KEPT, recovery::Failure},
};

impl Bench {
    fn pragma(&self, name: &str, value: u32) {
        let conn = self.writer.conn.as_ref().unwrap();
        conn.query_row(&format!("PRAGMA {name} = {value}"), [], |_| Ok(())).unwrap();
    }

    fn health(&self) -> Health {
        self.writer.shared.health.borrow().clone()
    }

    /// The next trial comes at once.
    fn hurry(&mut self) {
        self.writer.failure.as_mut().map(Failure::hurry).unwrap();
    }
}

#[test]
fn a_full_disk_fails_the_batch_and_nothing_of_it_is_stored() {
    let folder = TempDir::new().unwrap();
    let mut bench = Bench::open(&folder.path().join("journal.db"));
    bench.queue_push("acme", "before");
    bench.round();
    bench.pragma("max_page_count", 1);
    bench.queue_push("acme", "small");
    bench.queue(bench.make("umbra", push_of("large", 1 << 20)));
    bench.queue_push("acme", "before");
    assert_eq!(bench.round(), [AppendOutcome::Failed; 3]);
    assert_eq!(bench.writer.shared.metrics.commit_failures.get(), 1);
    assert!(matches!(bench.health(), Health::Failing { error, .. } if error.contains("full")));
    assert_eq!(bench.kept("acme"), ["before"]);

    bench.hurry();
    bench.round();
    assert!(matches!(bench.health(), Health::Failing { .. }), "a trial needs room as well");

    bench.pragma("max_page_count", 100_000);
    bench.hurry();
    bench.round();
    assert_eq!(bench.health(), Health::Writable);
    bench.queue(bench.make("umbra", push_of("large", 1 << 20)));
    bench.queue_push("acme", "small");
    assert!(matches!(bench.round()[..], [AppendOutcome::Stored(_), AppendOutcome::Stored(_)]));
    assert_eq!((bench.kept("acme").len(), bench.kept("umbra").len()), (2, 1));
}

#[test]
fn what_is_known_by_heart_follows_a_commit_that_failed_at_its_end() {
    let folder = TempDir::new().unwrap();
    let mut bench = Bench::open(&folder.path().join("journal.db"));
    for number in 0..5 * KEPT {
        let id = number.to_string();
        bench.queue_push("acme", &id);
        let statement = ["UPDATE ON main.log", "INSERT ON main.ids", "UPDATE ON main.tenants"][number % 3];
        let trap = format!("CREATE TEMP TRIGGER trap AFTER {statement} BEGIN SELECT RAISE(FAIL, 'trap'); END");
        bench.writer.conn.as_ref().unwrap().execute_batch(&trap).unwrap();
        let failed = bench.round() == [AppendOutcome::Failed];
        if failed {
            bench.writer.conn.as_ref().unwrap().execute_batch("DROP TRIGGER trap").unwrap();
            bench.hurry();
            bench.round();
            bench.check_indexed();
            bench.queue_push("acme", &id);
            assert!(matches!(bench.round()[..], [AppendOutcome::Stored(_)]));
        } else {
            bench.writer.conn.as_ref().unwrap().execute_batch("DROP TRIGGER trap").unwrap();
        }
        bench.check_indexed();
    }
    assert_eq!(bench.kept("acme").len(), 5 * KEPT);
}

#[test]
fn trimming_makes_room_on_a_full_disk() {
    let folder = TempDir::new().unwrap();
    let mut bench = Bench::open(&folder.path().join("journal.db"));
    for number in 0..10 {
        bench.queue(bench.make("acme", push_of(&number.to_string(), 100_000)));
    }
    bench.round();
    bench.pragma("max_page_count", 1);
    bench.queue(bench.make("umbra", push_of("large", 500_000)));
    assert_eq!(bench.round(), [AppendOutcome::Failed]);
    bench.writer.config.retention.max_pushes_per_tenant = 1;
    bench.hurry();
    bench.round();
    assert_eq!(bench.kept("acme"), ["9"]);
    bench.hurry();
    bench.round();
    assert_eq!(bench.health(), Health::Writable);
    bench.queue(bench.make("umbra", push_of("large", 500_000)));
    assert!(matches!(bench.round()[..], [AppendOutcome::Stored(_)]));
}

#[test]
fn a_seq_of_a_failed_commit_is_not_used_again() {
    let folder = TempDir::new().unwrap();
    let mut bench = Bench::open(&folder.path().join("journal.db"));
    bench.queue_push("acme", "a");
    bench.round();
    let before = bench.writer.ledger.head();
    bench.pragma("max_page_count", 1);
    bench.queue_push("acme", "b");
    bench.queue(bench.make("acme", push_of("c", 1 << 20)));
    bench.round();
    bench.pragma("max_page_count", 100_000);
    bench.hurry();
    bench.round();
    bench.queue_push("acme", "b");
    let [AppendOutcome::Stored(seq)] = bench.round()[..] else { panic!("b was not stored") };
    assert!(seq.get() > before.get() + 1);
    assert_eq!(*bench.committed.lock().unwrap(), [before.get(), seq.get()]);
}

#[test]
fn a_commit_that_succeeded_though_it_seemed_to_fail_reaches_the_sink() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("journal.db");
    let mut bench = Bench::open(&path);
    bench.queue_push("acme", "a");
    bench.round();
    let head = bench.writer.ledger.head().get();
    // The row is there, and the writer believes that it is not.
    let tool = rusqlite::Connection::open(&path).unwrap();
    tool.execute(
        "INSERT INTO pushes SELECT seq + 1, tenant, received_at, answer, size, 'b', created_at, title, body FROM pushes",
        [],
    )
    .unwrap();
    bench.writer.lose(&std::io::Error::other("the last step went wrong").into());
    bench.hurry();
    bench.round();
    assert_eq!(*bench.committed.lock().unwrap(), [head, head + 1]);
    assert_eq!(bench.writer.shared.head().get(), head + 1);
}

#[test]
fn a_store_without_a_seq_left_fails_rather_than_wrap() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("journal.db");
    drop(Bench::open(&path));
    let last = pushgate_model::Seq::MAX.get() - 1;
    rusqlite::Connection::open(&path).unwrap().execute("UPDATE log SET head = ?1", [last.cast_signed()]).unwrap();
    let mut bench = Bench::open(&path);
    bench.queue_push("acme", "a");
    assert_eq!(bench.round(), [AppendOutcome::Stored(pushgate_model::Seq::MAX)]);
    bench.queue_push("acme", "b");
    assert_eq!(bench.round(), [AppendOutcome::Failed]);
    bench.hurry();
    bench.round();
    assert!(matches!(bench.health(), Health::Failing { error, .. } if error.contains("2^53")));
}

#[test]
fn a_trial_waits_for_its_time() {
    let folder = TempDir::new().unwrap();
    let mut bench = Bench::open(&folder.path().join("journal.db"));
    bench.writer.lose(&std::io::Error::other("for a test").into());
    let wait = bench.writer.failure.as_ref().unwrap().wait();
    assert!(wait > Duration::from_millis(500) && wait <= Duration::from_secs(1));
    bench.writer.recover();
    assert!(bench.writer.failure.is_some());
}
