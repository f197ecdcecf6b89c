//! The write-ahead log under lasting load.

use std::fs;

use tempfile::TempDir;

use super::{Bench, push_of};
use crate::sqlite::{database::connect_reader, wal::Steps};

/// Pages that one round writes at most: a push of 64 KiB, its rows in the indexes, and the small tables.
const ROUND: u32 = 32;

/// Far fewer pages than usual, so that a test need not write hundreds of MiB.
const STEPS: Steps = Steps { copy: 64, copy_late: 128, restart: 512 };

struct Load {
    folder: TempDir,
    bench: Bench,
    made: usize,
}

impl Load {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let mut bench = Bench::open(&folder.path().join("journal.db"));
        bench.writer.wal.bound(STEPS);
        Self { folder, bench, made: 0 }
    }

    fn queue(&mut self) {
        self.made += 1;
        self.bench.queue(self.bench.make("acme", push_of(&self.made.to_string(), 64 << 10)));
    }

    /// Commits what is queued and one more; returns how many pages the log has afterwards.
    fn round(&mut self) -> u32 {
        self.queue();
        self.bench.round();
        self.bench.writer.wal.pages()
    }

    /// The longest that the log was within so many rounds, in pages.
    fn longest(&mut self, rounds: usize) -> u32 {
        (0..rounds).map(|_| self.round()).max().unwrap()
    }

    fn kept(&self) -> usize {
        self.bench.count("pushes") as usize
    }
}

#[test]
fn the_log_stays_short_under_lasting_load() {
    let mut load = Load::new();
    let longest = load.longest(200);
    assert!(longest > STEPS.copy && longest <= STEPS.copy_late + ROUND, "{longest} pages");
    let file = fs::metadata(load.folder.path().join("journal.db-wal")).unwrap().len();
    assert!(file <= u64::from(longest + 1) * 4200, "{file} bytes for {longest} pages");
    assert_eq!(load.kept(), 200);
}

#[test]
fn commits_larger_than_a_step_do_not_put_copies_off() {
    let mut load = Load::new();
    load.bench.writer.wal.bound(Steps { restart: u32::MAX, ..STEPS });
    let large = 10 * ROUND;
    for _ in 0..20 {
        (0..10).for_each(|_| load.queue());
        let pages = load.round();
        assert!(pages > STEPS.copy_late && pages <= 2 * large + STEPS.copy_late, "{pages} pages");
    }
}

#[test]
fn a_reader_that_stays_stops_no_commit_and_the_log_starts_over_once_it_left() {
    let mut load = Load::new();
    let reader = connect_reader(&load.folder.path().join("journal.db")).unwrap();
    reader.execute_batch("BEGIN; SELECT count(*) FROM log").unwrap();
    for round in 1..=60 {
        load.round();
        assert_eq!(load.kept(), round);
    }
    assert!(load.bench.writer.wal.pages() > STEPS.restart, "the reader holds it");
    drop(reader);
    let starts_over = (0..200).any(|_| load.round() <= STEPS.copy_late);
    assert!(starts_over);
}
