use bytes::Bytes;
use pushgate_journal::{Append, AppendOutcome, Entry, Fsync, Journal, QuarantineEntry, Unavailable};
use pushgate_model::{Answer, PushId, Seq};

use crate::harness::{TestJournal, push};

fn at(seq: u64) -> Seq {
    Seq::new(seq).unwrap()
}

#[tokio::test]
async fn the_sink_has_a_push_before_its_outcome_comes() {
    let mut journal = TestJournal::new();
    for (expected, id) in [(1, "a"), (2, "b"), (3, "c")] {
        assert_eq!(journal.store("acme", id).await, expected);
        assert_eq!(journal.committed.seqs().last(), Some(&expected));
        assert_eq!(journal.journal.head(), at(expected));
    }
}

#[tokio::test]
async fn an_outcome_carries_what_the_append_said() {
    let mut journal = TestJournal::new();
    journal.journal.append(journal.make("acme", "a")).await.unwrap();
    let appended = journal.appended().await;
    assert_eq!((appended.tag, appended.push_id, appended.size), (7, Some(PushId::from("a")), push("a").size()));
}

#[tokio::test]
async fn a_repeat_is_answered_with_the_old_seq_and_goes_no_further() {
    let mut journal = TestJournal::new();
    journal.store("acme", "a").await;
    journal.store("acme", "b").await;
    assert_eq!(journal.push("acme", "a").await, AppendOutcome::Duplicate { seq: at(1), answer: Some(Answer::Ack) });
    assert_eq!(journal.committed.seqs(), [1, 2]);
    assert_eq!(journal.journal.metrics().duplicates.get(), 1);
}

#[tokio::test]
async fn the_same_id_of_another_tenant_is_another_push() {
    let mut journal = TestJournal::new();
    assert_eq!(journal.store("acme", "a").await, 1);
    assert_eq!(journal.store("umbra", "a").await, 2);
}

#[tokio::test]
async fn ids_are_compared_byte_by_byte() {
    let mut journal = TestJournal::new();
    for (index, id) in ["a", "A", "a ", "a\0", "\u{e9}", "e\u{301}"].into_iter().enumerate() {
        assert_eq!(journal.store("acme", id).await, index as u64 + 1);
    }
}

#[tokio::test]
async fn what_queues_during_a_commit_shares_the_next_one() {
    let mut journal = TestJournal::new();
    let release = journal.committed.hold();
    journal.journal.append(journal.make("acme", "first")).await.unwrap();
    let queued = journal.journal.metrics().queued;
    while queued.get() > 0 {
        tokio::task::yield_now().await;
    }
    for number in 0..1000 {
        journal.journal.append(journal.make(["acme", "umbra"][number % 2], &number.to_string())).await.unwrap();
    }
    journal.journal.append(journal.make("umbra", "1")).await.unwrap();
    drop(release);
    for seq in 1..=1001 {
        assert_eq!(journal.outcome().await, AppendOutcome::Stored(at(seq)));
    }
    // The tenants take turns of 16.
    assert_eq!(journal.outcome().await, AppendOutcome::Duplicate { seq: at(18), answer: Some(Answer::Ack) });
    assert_eq!(journal.journal.metrics().commits.get(), 2);
}

#[tokio::test]
async fn a_full_queue_lets_callers_wait_and_loses_nothing() {
    let mut journal = TestJournal::with(|config| {
        config.limits.queued_pushes = 2;
        config.limits.queued_bytes = 50;
    });
    let large = Append {
        entry: Entry::Push { push: pushgate_model::Push { body: "x".repeat(5000), ..push("large") }, answer: None },
        ..journal.make("acme", "large")
    };
    journal.journal.append(large).await.unwrap();
    for number in 0..50 {
        journal.journal.append(journal.make("acme", &number.to_string())).await.unwrap();
    }
    for seq in 1..=51 {
        assert_eq!(journal.outcome().await, AppendOutcome::Stored(at(seq)));
    }
    assert_eq!(journal.journal.metrics().queued.get(), 0);
}

#[tokio::test]
async fn an_append_that_is_given_up_while_it_waits_leaves_its_room() {
    let mut journal = TestJournal::with(|config| config.limits.queued_pushes = 1);
    let release = journal.committed.hold();
    journal.journal.append(journal.make("acme", "in-commit")).await.unwrap();
    let queued = journal.journal.metrics().queued;
    while queued.get() > 0 {
        tokio::task::yield_now().await;
    }
    journal.journal.append(journal.make("acme", "queued")).await.unwrap();
    {
        let mut waiting = journal.journal.append(journal.make("acme", "given-up"));
        std::future::poll_fn(|cx| {
            assert!(waiting.as_mut().poll(cx).is_pending());
            std::task::Poll::Ready(())
        })
        .await;
    }
    drop(release);
    assert_eq!(journal.outcome().await, AppendOutcome::Stored(at(1)));
    assert_eq!(journal.outcome().await, AppendOutcome::Stored(at(2)));
    assert_eq!(journal.store("acme", "given-up").await, 3);
}

#[tokio::test]
async fn closing_commits_what_is_queued_and_refuses_the_rest() {
    let mut journal = TestJournal::new();
    for number in 0..100 {
        journal.journal.append(journal.make("acme", &number.to_string())).await.unwrap();
    }
    journal.journal.close().await;
    assert_eq!(journal.journal.append(journal.make("acme", "late")).await, Err(Unavailable));
    for seq in 1..=100 {
        assert_eq!(journal.outcome().await, AppendOutcome::Stored(at(seq)));
    }
    journal.journal.close().await;
    assert_eq!(journal.kept("acme").await.len(), 100);
}

#[tokio::test]
async fn a_lost_reply_harms_nobody() {
    let mut journal = TestJournal::new();
    let (reply, gone) = tokio::sync::mpsc::channel(1);
    drop(gone);
    let unheard = Append { reply, ..journal.make("acme", "a") };
    journal.journal.append(unheard).await.unwrap();
    assert_eq!(journal.push("acme", "a").await, AppendOutcome::Duplicate { seq: at(1), answer: Some(Answer::Ack) });
}

#[tokio::test]
async fn identical_quarantined_bytes_are_one_entry_with_a_count() {
    let mut journal = TestJournal::new();
    let quarantine = |journal: &TestJournal, tenant: &str, raw: &'static [u8], size: u64| Append {
        entry: Entry::Quarantine(QuarantineEntry {
            raw: Bytes::from_static(raw),
            push_id: None,
            reason: "broken",
            size,
        }),
        ..journal.make(tenant, "unused")
    };
    let mut expect = async |tenant: &str, raw: &'static [u8], size, repeats| {
        let append = quarantine(&journal, tenant, raw, size);
        assert_eq!(journal.append(append).await, AppendOutcome::Quarantined { repeats });
    };
    expect("acme", b"\xff", 1, 1).await;
    expect("acme", b"\xff", 1, 2).await;
    expect("acme", b"\xfe", 1, 1).await;
    // The same beginning of a longer message, and another tenant's.
    expect("acme", b"\xff", 9, 1).await;
    expect("umbra", b"\xff", 1, 1).await;
    expect("acme", b"\xff", 1, 3).await;
    assert!(journal.committed.seqs().is_empty());
    let rows: i64 = journal.tool().query_row("SELECT count(*) FROM quarantine", [], |row| row.get(0)).unwrap();
    assert_eq!(rows, 4);
}

#[tokio::test]
async fn every_fsync_stores() {
    for fsync in [Fsync::Always, Fsync::Every(std::time::Duration::ZERO), Fsync::Never] {
        let mut journal = TestJournal::with(|config| config.fsync = fsync);
        let seqs = [journal.store("acme", "a").await, journal.store("acme", "b").await];
        assert_eq!(journal.kept("acme").await, seqs, "{fsync:?}");
    }
}
