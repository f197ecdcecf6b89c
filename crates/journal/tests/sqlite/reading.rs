use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use pushgate_journal::{Append, Bounds, Entry, Journal, ReadQuery};
use pushgate_model::{Answer, Seq, Timestamp};

use crate::harness::{TestJournal, push, query, seqs};

fn at(seq: u64) -> Seq {
    Seq::new(seq).unwrap()
}

/// 30 pushes in turn of three tenants: `a` has 1, 4, 7 and so on.
async fn three_tenants() -> TestJournal {
    let mut journal = TestJournal::new();
    for number in 0..30 {
        journal.store(["a", "b", "c"][number % 3], &number.to_string()).await;
    }
    journal
}

#[tokio::test]
async fn tenants_are_merged_in_the_order_of_seq() {
    let journal = three_tenants().await;
    assert_eq!(journal.kept("a").await, [1, 4, 7, 10, 13, 16, 19, 22, 25, 28]);
    let both = journal.read(&["c", "a", "a", "nobody"], 20).await;
    assert_eq!(seqs(&both), [21, 22, 24, 25, 27, 28, 30]);
    assert_eq!((both.more, both.trimmed, both.oldest), (false, Seq::ZERO, Some(at(21))));
}

#[tokio::test]
async fn a_push_is_read_as_it_came() {
    let mut journal = TestJournal::new();
    let append = journal.make("acme", "id-é");
    let received_at = append.received_at;
    journal.append(append).await;
    let page = journal.read(&["acme"], 0).await;
    let stored = &page.pushes[0];
    assert_eq!((stored.tenant.as_str(), &stored.push, stored.received_at), ("acme", &push("id-é"), received_at));
}

#[tokio::test]
async fn a_page_ends_at_its_limit_and_pages_join() {
    let journal = three_tenants().await;
    let mut after = Seq::ZERO;
    let mut all = Vec::new();
    loop {
        let page = journal.journal.read(ReadQuery { limit: 7, ..query(&["a", "b", "c"], after.get()) }).await.unwrap();
        all.extend(seqs(&page));
        let Some(last) = page.pushes.last() else { break };
        assert_eq!(page.more, last.seq < at(30));
        after = last.seq;
    }
    assert_eq!(all, (1..=30).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_page_ends_at_its_bytes_but_holds_at_least_one_push() {
    let journal = three_tenants().await;
    let size = push("0").size();
    for (max_bytes, expected) in [(0, vec![1]), (size, vec![1]), (2 * size, vec![1, 4]), (3 * size - 1, vec![1, 4])] {
        let page = journal.journal.read(ReadQuery { max_bytes, ..query(&["a"], 0) }).await.unwrap();
        assert_eq!((seqs(&page), page.more), (expected, true), "{max_bytes}");
    }
}

#[tokio::test]
async fn a_page_ends_at_upto_yet_names_the_oldest_beyond() {
    let journal = three_tenants().await;
    let page = journal.journal.read(ReadQuery { upto: at(7), ..query(&["a"], 1) }).await.unwrap();
    assert_eq!((seqs(&page), page.more, page.oldest), (vec![4, 7], false, Some(at(4))));
    let page = journal.journal.read(ReadQuery { upto: at(6), ..query(&["a"], 4) }).await.unwrap();
    assert_eq!((seqs(&page), page.more, page.oldest), (vec![], false, Some(at(7))));
    let page = journal.read(&["a"], 28).await;
    assert_eq!((seqs(&page), page.more, page.oldest), (vec![], false, None));
}

#[tokio::test]
async fn long_backlogs_of_many_tenants_are_merged_across_chunks() {
    let mut journal = TestJournal::new();
    let names: Vec<String> = (0..100).map(|number| format!("t{number}")).collect();
    // Uneven, so that the tenants' chunks end at different times.
    let owner = |number: usize| (number * number + number / 7) % 100;
    for number in 0..3000 {
        journal.journal.append(journal.make(&names[owner(number)], &number.to_string())).await.unwrap();
    }
    for _ in 0..3000 {
        journal.outcome().await;
    }
    let tenants: Vec<&str> = names.iter().map(String::as_str).collect();
    let page = journal.journal.read(ReadQuery { limit: 2000, ..query(&tenants, 500) }).await.unwrap();
    assert_eq!(seqs(&page), (501..=2500).collect::<Vec<_>>());
    for push in &page.pushes {
        let number: usize = push.push.id.as_str().parse().unwrap();
        assert_eq!(push.tenant.as_str(), names[owner(number)]);
    }
}

#[tokio::test]
async fn bounds_span_the_tenants() {
    let journal = three_tenants().await;
    let bounds = async |tenants: &[&str]| journal.journal.bounds(query(tenants, 0).tenants).await.unwrap();
    assert_eq!(bounds(&["b", "c"]).await, Bounds { oldest: Some(at(2)), newest: Some(at(30)), trimmed: Seq::ZERO });
    assert_eq!(bounds(&["nobody"]).await, Bounds::default());
}

#[tokio::test]
async fn history_tells_the_answers() {
    let mut journal = TestJournal::new();
    for (id, answer) in [("a", Some(Answer::Ack)), ("b", Some(Answer::Nack)), ("c", None)] {
        let append = Append { entry: Entry::Push { push: push(id), answer }, ..journal.make("acme", id) };
        journal.append(append).await;
    }
    let history = async |after, limit| {
        let items = journal.journal.history("acme".parse().unwrap(), at(after), limit).await.unwrap();
        items.into_iter().map(|item| (item.push.seq.get(), item.answer)).collect::<Vec<_>>()
    };
    assert_eq!(history(0, 2).await, [(1, Some(Answer::Ack)), (2, Some(Answer::Nack))]);
    assert_eq!(history(2, 2).await, [(3, None)]);
    assert_eq!(history(3, 2).await, []);
}

#[tokio::test]
async fn more_reads_than_the_queue_holds_are_all_answered() {
    let mut journal = TestJournal::with(|config| {
        config.limits.readers = 1;
        config.limits.queued_reads = 1;
    });
    journal.store("acme", "a").await;
    let reads: Vec<_> = (0..50)
        .map(|_| {
            let journal = std::sync::Arc::clone(&journal.journal);
            tokio::spawn(async move { journal.read(query(&["acme"], 0)).await.unwrap().pushes.len() })
        })
        .collect();
    for read in reads {
        assert_eq!(read.await.unwrap(), 1);
    }
}

#[tokio::test]
async fn a_stream_that_begins_does_not_wait_for_those_that_replay() {
    let mut journal = TestJournal::new();
    for number in 0..100 {
        journal.store("a", &number.to_string()).await;
    }
    let (asked, done) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
    let mut pages = Vec::new();
    for _ in 0..1_000 {
        let (journal, asked, done) = (Arc::clone(&journal.journal), Arc::clone(&asked), Arc::clone(&done));
        pages.push(tokio::spawn(async move {
            asked.fetch_add(1, Ordering::Relaxed);
            let page = journal.read(query(&["a"], 0)).await.unwrap();
            done.fetch_add(1, Ordering::Relaxed);
            page.pushes.len()
        }));
    }
    while asked.load(Ordering::Relaxed) < pages.len() {
        tokio::task::yield_now().await;
    }
    let a = || vec!["a".parse().unwrap()];
    assert_eq!(journal.journal.bounds(a()).await.unwrap().newest, Some(at(100)));
    assert_eq!(journal.journal.since(a(), Timestamp::from_millis(0)).await.unwrap().first, Some(at(1)));
    let before = done.load(Ordering::Relaxed);
    assert!(before < 800, "{before} pages went first");
    for page in pages {
        assert_eq!(page.await.unwrap(), 100);
    }
}
