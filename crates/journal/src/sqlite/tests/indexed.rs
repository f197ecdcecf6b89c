//! What waits for the table of ids and for the rows of tenants, over restarts.

use tempfile::TempDir;

use super::Bench;
use crate::{AppendOutcome, sqlite::recent::KEPT};

/// Pushes that the next one who opens the journal reads.
const NEWEST: &str = "SELECT count(*) FROM pushes WHERE seq > (SELECT indexed FROM log)";

#[test]
fn short_lives_leave_no_more_to_read_than_long_ones() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("journal.db");
    for life in 0..20 {
        let mut bench = Bench::open(&path);
        for number in 0..KEPT - 2 {
            bench.queue_push("acme", &format!("{life} {number}"));
            bench.round();
            bench.check_indexed();
        }
        let newest = bench.ask(NEWEST);
        assert!(newest <= 2 * KEPT.cast_signed() as i64 + 1, "{newest} after {life} lives");
    }
    let mut bench = Bench::open(&path);
    for number in 0..KEPT - 2 {
        bench.queue_push("acme", &format!("0 {number}"));
        bench.queue_push("acme", &format!("19 {number}"));
    }
    assert!(bench.round().iter().all(|outcome| matches!(outcome, AppendOutcome::Duplicate { .. })));
}

#[test]
fn what_a_kill_leaves_half_way_is_known_afterwards() {
    let folder = TempDir::new().unwrap();
    let mut bench = Bench::open(&folder.path().join("journal.db"));
    for number in 0..5 * KEPT {
        bench.queue_push(["acme", "umbra"][number % 2], &number.to_string());
        bench.round();
        let killed = TempDir::new().unwrap();
        for name in ["journal.db", "journal.db-wal"] {
            std::fs::copy(folder.path().join(name), killed.path().join(name)).unwrap();
        }
        let mut next = Bench::open(&killed.path().join("journal.db"));
        next.check_indexed();
        for known in 0..=number {
            next.queue_push(["acme", "umbra"][known % 2], &known.to_string());
        }
        assert!(next.round().iter().all(|outcome| matches!(outcome, AppendOutcome::Duplicate { .. })));
        next.check_indexed();
    }
}
