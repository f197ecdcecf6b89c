//! Streams that have much to write take turns, and those that are live come between.

use super::{seam::tiny, seq, world::World};
use crate::{FanoutConfig, Resume, shard::LONG_WRITES};

/// Streams of `a` that are several pieces behind in the tail, and have written the first of them.
fn far_behind(streams: usize) -> World {
    let config = FanoutConfig { tail_bytes: 1 << 20, tail_bytes_per_tenant: 1 << 20, inbox: 1_000, ..tiny() };
    let mut world = World::new(&config, 1);
    world.dispatch(usize::MAX);
    for _ in 0..streams {
        world.subscribe(0, &["a"], Resume::Live);
    }
    world.settle();
    world.long_by_hand = true;
    for _ in 0..30 {
        world.commit(&["a"]);
    }
    world.pass();
    for index in 0..streams {
        assert!(world.poll(index, 1) > 0, "the first piece waits for nobody");
    }
    world
}

fn woken(world: &World) -> Vec<usize> {
    (0..world.streams.len()).filter(|&index| world.is_woken(index)).collect()
}

#[test]
fn so_many_long_writes_have_a_turn_together() {
    let mut world = far_behind(3 * LONG_WRITES);
    let written: Vec<_> = (0..3 * LONG_WRITES).map(|index| world.poll(index, 1)).collect();
    assert!(written[..LONG_WRITES].iter().all(|&events| events > 0));
    assert!(written[LONG_WRITES..].iter().all(|&events| events == 0), "they wait");
    assert_eq!(woken(&world), (0..LONG_WRITES).collect::<Vec<_>>());

    // Those that wrote go to the back of the queue.
    for index in 0..LONG_WRITES {
        assert_eq!(world.poll(index, 1), 0);
    }
    for round in 1..=3 {
        assert!(world.receive_and_serve(0, 0), "more wait");
        let turn: Vec<_> = (0..LONG_WRITES).map(|n| (round % 3) * LONG_WRITES + n).collect();
        assert_eq!(woken(&world), turn, "round {round}");
        for index in turn {
            assert!(world.poll(index, 1) > 0);
            // It waits again, behind all others.
            assert_eq!(world.poll(index, 1), 0);
        }
    }
}

#[test]
fn a_stream_that_waits_for_a_long_write_is_not_woken_by_pushes_and_gets_all() {
    let streams = 2 * LONG_WRITES;
    let mut world = far_behind(streams);
    for index in 0..streams {
        world.poll(index, 1);
    }
    for index in 0..LONG_WRITES {
        world.poll(index, 1);
    }
    assert!(woken(&world).is_empty());
    world.commit(&["a"]);
    world.dispatch(usize::MAX);
    world.receive_and_serve(0, usize::MAX);
    assert_eq!(woken(&world).len(), LONG_WRITES, "those whose turn it is");
    world.long_by_hand = false;
    world.settle();
    let head = world.head().get();
    for stream in &world.streams {
        let seqs: Vec<_> = stream.events.iter().filter(|(e, _)| e.is_push()).map(|(e, _)| e.seq()).collect();
        assert!(seqs.len() == 31 && seqs.is_sorted() && seqs.last() == Some(&head));
    }
}

#[test]
fn whoever_comes_back_to_a_tail_that_has_more_waits_for_its_turn_from_the_beginning() {
    let mut world = far_behind(1);
    world.long_by_hand = false;
    world.settle();
    world.long_by_hand = true;
    let head = world.head();
    for _ in 0..2 * LONG_WRITES {
        world.subscribe(0, &["a"], Resume::After(world.cursor(seq(head.get() - 1))));
        world.subscribe(0, &["a"], Resume::After(world.cursor(head)));
    }
    for index in 1..world.streams.len() {
        world.poll(index, usize::MAX);
    }
    let behind: Vec<_> = (1..world.streams.len()).step_by(2).collect();
    let done = |world: &World| behind.iter().filter(|&&index| world.names(index) == ["open", "message"]).count();
    assert_eq!(done(&world), LONG_WRITES);
    world.receive_and_serve(0, 0);
    assert_eq!(woken(&world), behind[LONG_WRITES..], "those who have all wait for no turn");
    for &index in &behind {
        world.poll(index, usize::MAX);
    }
    assert_eq!(done(&world), behind.len());
}

#[test]
fn one_that_leaves_gives_its_turn_to_the_next() {
    let mut world = far_behind(LONG_WRITES + 3);
    for index in 0..LONG_WRITES + 3 {
        world.poll(index, 1);
    }
    // The first one that waits.
    world.streams.remove(LONG_WRITES);
    world.receive_and_serve(0, 0);
    assert!(world.is_woken(LONG_WRITES) && world.is_woken(LONG_WRITES + 1));
    world.long_by_hand = false;
    world.settle();
    let head = world.head().get();
    assert!(world.streams.iter().all(|stream| stream.events.last().unwrap().0.seq() == head));
}
