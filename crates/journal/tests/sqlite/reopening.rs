use std::time::Duration;

use pushgate_journal::{AppendOutcome, Fsync, Journal, sqlite::new_epoch};
use pushgate_model::{Answer, Seq};

use crate::harness::TestJournal;

fn duplicate(seq: u64) -> AppendOutcome {
    AppendOutcome::Duplicate { seq: Seq::new(seq).unwrap(), answer: Some(Answer::Ack) }
}

#[tokio::test]
async fn a_restart_keeps_pushes_ids_and_epoch() {
    let mut journal = TestJournal::new();
    journal.store("acme", "a").await;
    journal.store("umbra", "b").await;
    let epoch = journal.journal.epoch();
    let mut journal = journal.restart().await;
    assert_eq!(journal.journal.epoch(), epoch);
    assert_eq!(journal.journal.head().get(), 2);
    assert_eq!(journal.push("acme", "a").await, duplicate(1));
    assert_eq!(journal.store("acme", "c").await, 3);
    assert_eq!(journal.kept("acme").await, [1, 3]);
}

#[tokio::test]
async fn a_kill_loses_nothing_that_was_answered() {
    for fsync in [Fsync::Always, Fsync::Every(Duration::from_secs(3600)), Fsync::Never] {
        let mut journal = TestJournal::with(|config| config.fsync = fsync);
        let seqs = [journal.store("acme", "a").await, journal.store("acme", "b").await];
        let mut killed = journal.killed();
        assert_eq!(killed.kept("acme").await, seqs, "{fsync:?}");
        assert_eq!(killed.push("acme", "b").await, duplicate(seqs[1]), "{fsync:?}");
        assert!(killed.store("acme", "c").await > seqs[1], "{fsync:?}");
    }
}

#[tokio::test]
async fn without_fsync_no_seq_that_a_power_cut_took_back_is_used_again() {
    for fsync in [Fsync::Every(Duration::from_secs(3600)), Fsync::Never] {
        let mut journal = TestJournal::with(|config| config.fsync = fsync);
        // The reservation is on disk before the first push; what comes after is lost.
        journal.store("acme", "a").await;
        let before = journal.killed();
        let mut lost = 0;
        for id in ["b", "c", "d"] {
            lost = journal.store("acme", id).await;
        }
        let mut before = before.restart().await;
        assert!(before.store("acme", "e").await > lost, "{fsync:?}");
    }
}

#[tokio::test]
async fn seq_goes_on_when_everything_was_trimmed() {
    let mut journal = TestJournal::with(|config| config.retention.max_age = Duration::from_secs(3600));
    for id in ["a", "b"] {
        let mut append = journal.make("acme", id);
        append.received_at = append.received_at.minus(Duration::from_secs(7200));
        journal.append(append).await;
    }
    while journal.read(&["acme"], 0).await.trimmed.get() < 2 {}
    let mut journal = journal.restart().await;
    let page = journal.read(&["acme"], 0).await;
    assert_eq!((page.pushes.len(), page.trimmed.get()), (0, 2));
    assert_eq!(journal.store("umbra", "c").await, 3);
    let mut journal = journal.restart().await;
    assert_eq!(journal.store("acme", "d").await, 4);
    assert_eq!(journal.read(&["acme"], 0).await.trimmed.get(), 2);
}

#[tokio::test]
async fn dropping_a_journal_commits_what_is_queued_and_frees_it() {
    let journal = TestJournal::new();
    for number in 0..100 {
        journal.journal.append(journal.make("acme", &number.to_string())).await.unwrap();
    }
    let TestJournal { journal, config, folder, .. } = journal;
    drop(journal);
    let journal = TestJournal::open(folder, config);
    assert_eq!(journal.kept("acme").await.len(), 100);
}

#[tokio::test]
async fn a_new_epoch_replaces_the_old_one_and_keeps_the_pushes() {
    let mut journal = TestJournal::new();
    journal.store("acme", "a").await;
    journal.journal.close().await;
    let (old, new) = new_epoch(&journal.config.path).unwrap();
    assert_eq!(old, journal.journal.epoch());
    assert_ne!(old, new);
    assert_eq!(new.as_str().len(), 12);
    let journal = journal.restart().await;
    assert_eq!(journal.journal.epoch(), new);
    assert_eq!(journal.kept("acme").await, [1]);
}
