use std::{pin::pin, task::Poll, time::Duration};

use pushgate_model::{Answer, Timestamp};
use tokio::sync::mpsc;

use super::{poll, push_of};
use crate::{
    Append, Entry, Limits, Unavailable,
    sqlite::queue::{BATCH, Door, LARGE, PART, Queue, TURN, Taken},
};

/// A queue without a writer.
struct Bench {
    queue: Queue,
    reply: mpsc::Sender<crate::Appended>,
}

impl Bench {
    fn new(queued_pushes: usize, queued_bytes: usize) -> Self {
        let limits = Limits { queued_pushes, queued_bytes, ..Limits::default() };
        Self {
            queue: Queue::new(&limits, prometheus_client::metrics::gauge::Gauge::default()),
            reply: mpsc::channel(1).0,
        }
    }

    fn make(&self, tenant: &str, size: usize) -> Append {
        Append {
            tenant: tenant.parse().unwrap(),
            entry: Entry::Push { push: push_of("", size), answer: Some(Answer::Ack) },
            received_at: Timestamp::from_millis(0),
            tag: 0,
            reply: self.reply.clone(),
        }
    }

    /// Whether it got in at once; one that did not is given up.
    fn gets_in(&self, tenant: &str, size: usize) -> bool {
        poll(&mut pin!(self.queue.push(self.make(tenant, size)))) == Poll::Ready(Ok(()))
    }

    /// Whose the members of the next batch are.
    fn take(&self) -> Vec<String> {
        let mut taken = Taken::default();
        self.queue.take(&mut taken, Duration::ZERO);
        taken.appends.iter().map(|append| append.tenant.to_string()).collect()
    }
}

#[test]
fn what_one_tenant_has_queued_delays_nobody_elses_next_commit() {
    let bench = Bench::new(4 * PART * BATCH, 1 << 30);
    for _ in 0..3 * BATCH {
        assert!(bench.gets_in("flood", 100));
    }
    assert!(bench.gets_in("calm", 100));
    let batch = bench.take();
    assert_eq!((batch.len(), batch.iter().position(|tenant| tenant == "calm")), (BATCH, Some(TURN)));
    // The rest comes later, and all of it.
    assert_eq!([bench.take().len(), bench.take().len(), bench.take().len(), bench.take().len()], [BATCH, BATCH, 1, 0]);
    assert!(bench.queue.is_empty());
}

#[test]
fn a_turn_ends_with_so_many_bytes() {
    let bench = Bench::new(1000, 1 << 30);
    assert!(bench.gets_in("a", LARGE - 1) && bench.gets_in("a", LARGE) && bench.gets_in("a", 1));
    assert!(bench.gets_in("b", 1) && bench.gets_in("b", 1));
    assert_eq!(bench.take(), ["a", "a", "b", "b", "a"]);
    for tenant in ["a", "a", "a", "b"] {
        assert!(bench.gets_in(tenant, LARGE / 2));
    }
    assert_eq!(bench.take(), ["a", "a", "b", "a"]);
}

#[test]
fn a_batch_of_large_pushes_ends_by_its_bytes() {
    let bench = Bench::new(1000, 1 << 30);
    for _ in 0..30 {
        assert!(bench.gets_in("flood", 1 << 20));
    }
    assert!(bench.gets_in("calm", 1));
    let batch = bench.take();
    assert_eq!((batch.len(), batch[1].as_str()), (9, "calm"));
}

#[test]
fn a_tenant_with_its_part_of_the_queue_waits_while_others_get_in() {
    let bench = Bench::new(4 * PART, 1 << 20);
    for _ in 0..4 {
        assert!(bench.gets_in("flood", 1));
    }
    let mut waiting = pin!(bench.queue.push(bench.make("flood", 1)));
    assert!(poll(&mut waiting).is_pending());
    assert!(bench.gets_in("calm", 1));
    assert_eq!(bench.take(), ["flood", "flood", "flood", "flood", "calm"]);
    assert_eq!(poll(&mut waiting), Poll::Ready(Ok(())));
    assert_eq!(bench.take(), ["flood"]);
}

#[test]
fn a_tenant_with_its_part_of_the_bytes_waits_while_others_get_in() {
    let bench = Bench::new(1000, PART * 100);
    assert!(bench.gets_in("flood", 90));
    assert!(!bench.gets_in("flood", 11));
    assert!(bench.gets_in("calm", 90));
    bench.take();
    // One above its part gets in alone.
    assert!(bench.gets_in("flood", 150));
    assert!(!bench.gets_in("flood", 1));
    assert!(bench.gets_in("calm", 100));
}

#[test]
fn giving_up_at_either_door_leaves_all_the_room() {
    let bench = Bench::new(2 * PART, PART * 100);
    for tenant in ["a", "b", "c", "d"] {
        assert!(bench.gets_in(tenant, 50) && bench.gets_in(tenant, 50));
    }
    for _ in 0..100 {
        assert!(!bench.gets_in("a", 50), "its own part is full");
        assert!(!bench.gets_in("e", 50), "the queue is full");
    }
    assert_eq!(bench.take().len(), 8);
    for tenant in ["e", "a", "b", "c"] {
        assert!(bench.gets_in(tenant, 50) && bench.gets_in(tenant, 50), "{tenant}");
    }
    assert_eq!(bench.take().len(), 8);
}

#[test]
fn a_shut_queue_gives_everything_out_and_refuses_who_waited() {
    let bench = Bench::new(PART, 1 << 20);
    assert!(bench.gets_in("a", 1));
    let mut waiting = pin!(bench.queue.push(bench.make("a", 1)));
    assert!(poll(&mut waiting).is_pending());
    let mut taken = Taken::default();
    bench.queue.set(Door::Shut, &mut taken);
    assert_eq!((taken.appends.len(), poll(&mut waiting)), (1, Poll::Ready(Err(Unavailable))));
    bench.queue.set(Door::Open, &mut taken);
    assert!(bench.gets_in("a", 1));
}

#[test]
fn without_room_or_with_the_door_shut_an_append_is_given_back() {
    let bench = Bench::new(2 * PART, 1 << 20);
    let given_back = |tenant: &str| bench.queue.try_push(bench.make(tenant, 1)).is_some();
    assert!(!given_back("flood") && !given_back("flood"));
    assert!(given_back("flood"), "its part is used up");
    assert!(!given_back("calm"));
    assert_eq!(bench.take(), ["flood", "flood", "calm"]);
    assert!(!given_back("flood"), "what was given back took no room");
    bench.queue.set(Door::Shut, &mut Taken::default());
    assert!(given_back("calm"));
    assert!(bench.queue.is_empty());
}

#[test]
fn who_does_not_wait_overtakes_nobody_who_does() {
    let bench = Bench::new(4, 1 << 20);
    for tenant in ["a", "b", "c", "d"] {
        assert!(bench.gets_in(tenant, 1));
    }
    let mut waiting = pin!(bench.queue.push(bench.make("e", 1)));
    assert!(poll(&mut waiting).is_pending());
    assert_eq!(bench.take().len(), 4);
    for tenant in ["a", "b", "c"] {
        assert!(bench.queue.try_push(bench.make(tenant, 1)).is_none());
    }
    assert!(bench.queue.try_push(bench.make("d", 1)).is_some(), "the last room is for the one who waits");
    assert_eq!(poll(&mut waiting), Poll::Ready(Ok(())));
    assert_eq!(bench.take(), ["a", "b", "c", "e"]);
}
