//! Whose turn it is to read a page of the journal.

use super::{gate::Mode, seam::tiny, world::World};
use crate::{FanoutConfig, Resume, shard::READS};

/// A log of so many pushes of `a`, and this many streams that want them all and know where they start.
fn resuming(config: &FanoutConfig, pushes: usize, streams: usize) -> World {
    let mut world = World::new(config, 1);
    for _ in 0..pushes {
        world.commit(&["a"]);
    }
    world.dispatch(usize::MAX);
    for _ in 0..streams {
        world.subscribe(0, &["a"], Resume::Earliest);
    }
    world.pass();
    for index in 0..streams {
        world.poll(index, 2);
        assert_eq!(world.names(index), ["open"]);
    }
    world
}

#[test]
fn so_many_streams_read_at_a_time_and_the_others_are_not_woken_by_pushes() {
    let streams = 3 * READS;
    let mut world = resuming(&tiny(), 20, streams);
    world.gate.set(Mode::HeldAfter);
    for index in 0..streams {
        world.poll(index, usize::MAX);
    }
    assert_eq!((world.gate.reads(), world.pages(0)), (1, READS), "they wait for the same page");
    world.commit(&["a"]);
    world.pass();
    assert!((0..streams).all(|index| !world.is_woken(index)), "none of them could write it");

    world.gate.set(Mode::Open);
    world.settle();
    let expected = world.names(0).len();
    assert!((0..streams).all(|index| world.names(index).len() == expected && expected > 20));
    assert_eq!(world.pages(0), 0);
}

#[test]
fn whoever_does_not_take_its_page_keeps_nobody_from_reading() {
    let mut world = resuming(&FanoutConfig { joined_write: 1, ..tiny() }, 20, 2 * READS);
    // Each holds a page, has written one of its pushes, and never asks again.
    for index in 0..READS {
        world.poll(index, 1);
    }
    assert_eq!(world.pages(0), READS);
    let last = 2 * READS - 1;
    world.poll(last, usize::MAX);
    assert_eq!(world.names(last).iter().filter(|name| **name == "message").count(), 22);
}
