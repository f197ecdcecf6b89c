use std::{
    fs,
    sync::Arc,
    time::{Duration, Instant},
};

use pushgate_journal::{AppendOutcome, CommitSink, Journal, Unavailable, sqlite::SqliteJournal};
use pushgate_model::{Answer, Seq, StoredPush};

use crate::harness::{TestJournal, config};

#[tokio::test]
async fn a_store_that_fails_answers_so_refuses_then_recovers_by_itself() {
    let mut journal = TestJournal::new();
    journal.store("acme", "a").await;
    let tool = journal.tool();
    tool.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert_eq!(journal.push("acme", "b").await, AppendOutcome::Failed);
    journal.wait_until_failing().await;
    assert_eq!(journal.journal.append(journal.make("acme", "b")).await, Err(Unavailable));
    assert_eq!(journal.kept("acme").await, [1]);
    tool.execute_batch("COMMIT").unwrap();
    journal.wait_until_writable().await;
    let seq = journal.store("acme", "b").await;
    assert_eq!(
        journal.push("acme", "a").await,
        AppendOutcome::Duplicate { seq: Seq::new(1).unwrap(), answer: Some(Answer::Ack) }
    );
    assert_eq!(journal.kept("acme").await, [1, seq]);
    assert_eq!(journal.committed.seqs(), [1, seq]);
}

#[tokio::test]
async fn nothing_is_stored_in_a_file_that_is_no_longer_in_place() {
    let mut journal = TestJournal::new();
    journal.store("acme", "a").await;
    let (home, away) = (journal.folder.path().join("data"), journal.folder.path().join("away"));
    fs::rename(&home, &away).unwrap();
    let error = journal.wait_until_failing().await;
    assert!(error.contains("gone"), "{error}");
    fs::rename(&away, &home).unwrap();
    journal.wait_until_writable().await;
    journal.store("acme", "b").await;
    assert_eq!(journal.kept("acme").await.len(), 2);
}

#[tokio::test]
async fn a_file_in_the_databases_place_is_left_alone() {
    let mut journal = TestJournal::new();
    journal.store("acme", "a").await;
    let other = TestJournal::new();
    other.journal.close().await;
    let aside = journal.folder.path().join("aside.db");
    fs::rename(&journal.config.path, &aside).unwrap();
    fs::copy(&other.config.path, &journal.config.path).unwrap();
    let mut health = journal.journal.health();
    health.wait_for(|health| format!("{health:?}").contains("another file")).await.unwrap();
    // Two trials later nothing has touched it.
    for _ in 0..2 {
        let before = journal.journal.last_progress();
        while journal.journal.last_progress() <= before + Duration::from_secs(1) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
    assert_eq!(fs::read(&journal.config.path).unwrap(), fs::read(&other.config.path).unwrap());
    fs::rename(&aside, &journal.config.path).unwrap();
    journal.wait_until_writable().await;
    journal.store("acme", "b").await;
    assert_eq!(journal.kept("acme").await.len(), 2);
}

#[tokio::test]
async fn a_writer_that_panics_leaves_nobody_waiting() {
    struct Panicking;
    impl CommitSink for Panicking {
        fn committed(&mut self, _: &[Arc<StoredPush>]) {
            panic!("for a test");
        }
    }
    let mut journal = TestJournal::new();
    let config = config(&journal.folder.path().join("panicking.db"));
    let panicking = SqliteJournal::open(config, Box::new(Panicking)).unwrap();
    panicking.append(journal.make("acme", "a")).await.unwrap();
    assert_eq!(journal.outcome().await, AppendOutcome::Failed);
    panicking.close().await;
    assert_eq!(panicking.append(journal.make("acme", "b")).await, Err(Unavailable));
}

#[tokio::test]
async fn a_failing_journal_can_be_closed() {
    let journal = TestJournal::new();
    let tool = journal.tool();
    tool.execute_batch("BEGIN IMMEDIATE").unwrap();
    journal.wait_until_failing().await;
    journal.journal.close().await;
}

#[tokio::test]
async fn the_writer_shows_progress_when_idle() {
    let journal = TestJournal::new();
    let before = Instant::now();
    while journal.journal.last_progress() <= before {
        tokio::task::yield_now().await;
    }
}
