use std::time::Duration;

use bytes::Bytes;
use pushgate_model::Answer;
use tempfile::TempDir;

use super::{Bench, all, push, push_of};
use crate::{Append, AppendOutcome, Entry, QUARANTINE_OVERHEAD, QuarantineEntry, sqlite::retention::Schedule};

impl Bench {
    fn queue_aged(&self, tenant: &str, id: &str, age: Duration) {
        let append = self.make(tenant, push(id));
        let received_at = append.received_at.minus(age);
        self.queue(Append { received_at, ..append });
    }

    fn queue_pending(&self, tenant: &str, id: &str) {
        let entry = Entry::Push { push: push(id), answer: None };
        self.queue(Append { entry, ..self.make(tenant, push(id)) });
    }

    fn trimmed(&self, tenant: &str) -> u64 {
        self.read(&all(&[tenant])).trimmed.get()
    }
}

fn open() -> (TempDir, Bench) {
    let folder = TempDir::new().unwrap();
    let mut bench = Bench::open(&folder.path().join("journal.db"));
    // Nothing is trimmed before a test says so.
    bench.trim();
    (folder, bench)
}

const HOUR: Duration = Duration::from_secs(3600);

#[test]
fn old_pushes_are_trimmed_and_young_ones_kept() {
    let (_folder, mut bench) = open();
    bench.writer.config.retention.max_age = 2 * HOUR;
    bench.queue_aged("acme", "old", 3 * HOUR);
    bench.queue_aged("acme", "young", HOUR);
    bench.queue_aged("umbra", "ancient", 300 * HOUR);
    bench.round();
    bench.trim();
    assert_eq!(bench.kept("acme"), ["young"]);
    assert!(bench.kept("umbra").is_empty());
    assert_eq!(bench.writer.shared.metrics.trimmed.get(), 2);
}

#[test]
fn each_tenant_keeps_its_newest_pushes() {
    let (_folder, mut bench) = open();
    bench.writer.config.retention.max_pushes_per_tenant = 3;
    for number in 0..1700 {
        bench.queue_push("acme", &number.to_string());
    }
    bench.queue_push("umbra", "one");
    bench.round();
    bench.trim();
    assert_eq!(bench.kept("acme"), ["1697", "1698", "1699"]);
    assert_eq!(bench.kept("umbra"), ["one"]);
    let oldest = bench.read(&all(&["acme"])).oldest.unwrap().get();
    assert_eq!((bench.trimmed("acme"), bench.trimmed("umbra")), (oldest - 1, 0));
}

#[test]
fn trimming_gives_way_to_a_push_that_waits() {
    let (_folder, mut bench) = open();
    for number in 0..2000 {
        bench.queue_push("acme", &number.to_string());
    }
    bench.round();
    bench.writer.config.retention.max_pushes_per_tenant = 1;
    bench.queue_push("acme", "waits");
    bench.writer.schedule = Schedule::new();
    bench.writer.retain().unwrap();
    let kept = bench.kept("acme").len();
    assert!((1500..2000).contains(&kept), "{kept}");
    assert!(bench.writer.schedule.wait().is_zero(), "it goes on after the next commit");
}

#[test]
fn the_tenant_that_uses_most_is_trimmed_first() {
    let (_folder, mut bench) = open();
    for (tenant, count) in [("small", 10), ("middle", 30), ("large", 100)] {
        for number in 0..count {
            bench.queue(bench.make(tenant, push_of(&number.to_string(), 100)));
        }
    }
    bench.round();
    bench.writer.config.retention.max_bytes = 12_000;
    bench.trim();
    let kept = |bench: &Bench| ["small", "middle", "large"].map(|tenant| bench.kept(tenant).len());
    assert_eq!(kept(&bench), [10, 30, 80]);
    bench.writer.config.retention.max_bytes = 5_000;
    bench.trim();
    assert_eq!(kept(&bench), [10, 20, 20]);
    assert_eq!(bench.writer.shared.metrics.bytes.get(), 5_000);
}

#[test]
fn a_push_that_awaits_its_answer_is_never_trimmed() {
    let (_folder, mut bench) = open();
    bench.queue_pending("acme", "pending");
    for id in ["a", "b", "c"] {
        bench.queue_push("acme", id);
    }
    bench.queue_pending("umbra", "pending");
    bench.round();
    let retention = &mut bench.writer.config.retention;
    (retention.max_pushes_per_tenant, retention.max_bytes) = (1, 1);
    // Everything is older than this.
    retention.max_age = Duration::from_nanos(1);
    std::thread::sleep(Duration::from_millis(2));
    bench.trim();
    assert_eq!(bench.kept("acme"), ["pending"]);
    assert_eq!(bench.kept("umbra"), ["pending"]);
}

#[test]
fn a_trimmed_push_is_known_until_it_was_not_seen_for_long() {
    let (_folder, mut bench) = open();
    bench.writer.config.retention.max_age = HOUR;
    bench.writer.config.dedup = 5 * HOUR;
    for (id, age) in [("new", 2), ("old", 6), ("seen-again", 6)] {
        bench.queue_aged("acme", id, age * HOUR);
    }
    bench.round();
    bench.queue_aged("acme", "seen-again", HOUR / 2);
    bench.round();
    bench.trim();
    assert!(bench.kept("acme").is_empty());
    assert_eq!(bench.count("ids"), 2);
    for id in ["new", "old", "seen-again"] {
        bench.queue_push("acme", id);
    }
    let outcomes = bench.round();
    assert!(matches!(
        outcomes[..],
        [AppendOutcome::Duplicate { .. }, AppendOutcome::Stored(_), AppendOutcome::Duplicate { .. }]
    ));
}

#[test]
fn a_push_that_nobody_will_answer_is_given_up_and_trimmed() {
    let (_folder, mut bench) = open();
    bench.writer.config.retention.max_age = HOUR;
    bench.writer.config.dedup = 5 * HOUR;
    for (id, age) in [("waits", 2), ("given up", 6), ("still sent", 6)] {
        let append = bench.make("acme", push(id));
        let received_at = append.received_at.minus(age * HOUR);
        bench.queue(Append { entry: Entry::Push { push: push(id), answer: None }, received_at, ..append });
    }
    bench.round();
    let again = bench.make("acme", push("still sent"));
    bench.queue(Append { entry: Entry::Push { push: push("still sent"), answer: None }, ..again });
    bench.round();
    bench.trim();
    assert_eq!(bench.kept("acme"), ["waits", "still sent"]);
}

#[test]
fn ids_are_forgotten_after_their_pushes() {
    let (_folder, mut bench) = open();
    bench.writer.config.retention.max_pushes_per_tenant = 1;
    for number in 0..300 {
        bench.queue_aged("acme", &number.to_string(), 2 * HOUR);
    }
    bench.writer.config.dedup = 3 * HOUR;
    bench.round();
    bench.trim();
    assert_eq!((bench.count("pushes"), bench.count("ids")), (1, 300));
    // The id of a kept push stays, however old it is.
    bench.writer.config.dedup = HOUR;
    bench.trim();
    assert_eq!((bench.count("pushes"), bench.count("ids")), (1, 1));
}

#[test]
fn an_id_that_may_be_forgotten_is_stored_again_before_it_is() {
    let (_folder, mut bench) = open();
    bench.writer.config.retention.max_age = HOUR;
    bench.writer.config.dedup = 3 * HOUR;
    bench.queue_aged("acme", "a", 2 * HOUR);
    bench.round();
    bench.trim();
    bench.writer.config.dedup = HOUR;
    bench.queue_push("acme", "a");
    let [AppendOutcome::Stored(seq)] = bench.round()[..] else { panic!("it was taken for a duplicate") };
    bench.queue_push("acme", "a");
    assert_eq!(bench.round(), [AppendOutcome::Duplicate { seq, answer: Some(Answer::Ack) }]);
}

#[test]
fn the_quarantine_keeps_the_newest_within_its_bound() {
    let (_folder, mut bench) = open();
    bench.writer.config.retention.quarantine = 3 * (QUARANTINE_OVERHEAD + 100);
    for number in 0..10_u8 {
        let raw = Bytes::from(vec![number; 100]);
        let entry = QuarantineEntry { raw, push_id: None, reason: "broken", size: 100 };
        bench.queue(Append { entry: Entry::Quarantine(entry), ..bench.make("acme", push("unused")) });
    }
    bench.round();
    bench.trim();
    let conn = bench.writer.conn.as_ref().unwrap();
    let oldest: Vec<u8> = conn.query_row("SELECT raw FROM quarantine ORDER BY id", [], |row| row.get(0)).unwrap();
    assert_eq!((bench.count("quarantine"), oldest[0]), (3, 7));
    assert_eq!(bench.writer.ledger.quarantine(), bench.writer.config.retention.quarantine);
}

#[test]
fn usage_is_known_again_after_a_restart() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("journal.db");
    let mut bench = Bench::open(&path);
    for number in 0..10 {
        bench.queue(bench.make("acme", push_of(&number.to_string(), 100)));
    }
    bench.round();
    bench.writer.config.retention.max_pushes_per_tenant = 4;
    bench.trim();
    drop(bench);
    let bench = Bench::open(&path);
    assert_eq!(bench.writer.ledger.bytes(), 400);
    assert_eq!(bench.writer.ledger.tenants()[0].pushes, 4);
}

#[test]
fn far_too_many_free_pages_go_back_to_the_file_system() {
    let (folder, mut bench) = open();
    for number in 0..300 {
        bench.queue(bench.make("acme", push_of(&number.to_string(), 100_000)));
        bench.round();
    }
    bench.writer.config.retention.max_pushes_per_tenant = 1;
    bench.trim();
    let pages = |bench: &Bench| -> i64 {
        bench.writer.conn.as_ref().unwrap().pragma_query_value(None, "page_count", |row| row.get(0)).unwrap()
    };
    let before = pages(&bench);
    for _ in 0..3 {
        bench.trim();
    }
    let given_back = before - pages(&bench);
    assert!(given_back >= 256, "a step gives hundreds of pages back, not one: {given_back} of {before}");
    drop(folder);
}
