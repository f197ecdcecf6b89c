//! A stream that has something to take and takes nothing is given up; one that has all there is may wait for ever.

use std::time::Duration;

use super::{seam::tiny, seq, tenant, world::World};
use crate::{FanoutConfig, Resume};

fn config() -> FanoutConfig {
    FanoutConfig {
        joined_write: 1,
        stall_timeout: Duration::from_secs(30),
        heartbeat: Duration::from_secs(1_000_000),
        ..tiny()
    }
}

/// A world whose first stream replays and stands in the middle of a page.
fn halfway(config: &FanoutConfig) -> World {
    let mut world = World::new(config, 1);
    for _ in 0..20 {
        world.commit(&["a"]);
    }
    world.dispatch(usize::MAX);
    world.subscribe(0, &["a"], Resume::Earliest);
    world.pass();
    world.poll(0, 3);
    assert_eq!((world.names(0)[0], world.pages(0)), ("open", 1));
    world
}

fn wait(world: &mut World, seconds: u64) {
    for _ in 0..seconds * 2 {
        world.beat(500);
    }
}

#[test]
fn a_stream_that_does_not_ask_again_is_given_up_and_ends_when_it_does() {
    let mut world = halfway(&config());
    let written = world.names(0).len();
    wait(&mut world, 29);
    assert_eq!(world.shared.roster.count(&tenant("a")), 1);
    wait(&mut world, 1);
    assert_eq!(world.shared.roster.count(&tenant("a")), 0);
    let metrics = &world.shared.metrics;
    assert_eq!((metrics.stalled.get(), metrics.subscribers.get()), (1, 0));
    // Meanwhile its place in its channel, and its channel's place, may be another's.
    wait(&mut world, 10);
    world.subscribe(0, &["b"], Resume::Live);
    world.settle();
    assert!(world.streams[0].ended);
    assert_eq!(world.names(0).len(), written, "nothing was written after it was given up");
    world.commit(&["b"]);
    world.settle();
    assert_eq!(world.names(1), ["open", "message"]);
    world.streams.clear();
    assert_eq!(world.shared.metrics.subscribers.get(), 0);
}

#[test]
fn a_stream_that_has_everything_waits_for_ever() {
    let mut world = World::new(&config(), 1);
    world.subscribe(0, &["a"], Resume::Live);
    world.settle();
    wait(&mut world, 3_600);
    assert_eq!(world.shared.metrics.stalled.get(), 0);
    world.commit(&["a"]);
    world.settle();
    assert_eq!(world.names(0), ["open", "message"]);
}

#[test]
fn a_stream_that_was_woken_and_does_not_ask_is_given_up() {
    let mut world = World::new(&config(), 1);
    world.subscribe(0, &["a"], Resume::Live);
    world.settle();
    world.commit(&["a"]);
    world.pass();
    wait(&mut world, 30);
    assert_eq!(world.shared.metrics.stalled.get(), 1);
}

#[test]
fn a_slow_stream_that_moves_stays() {
    let mut world = halfway(&config());
    for _ in 0..5 {
        wait(&mut world, 29);
        assert!(world.poll(0, 1) > 0);
    }
    // A long piece is taken in slices.
    for _ in 0..5 {
        wait(&mut world, 29);
        world.keeps_taking(0);
    }
    assert_eq!(world.shared.metrics.stalled.get(), 0);
    world.settle();
    assert_eq!(world.names(0).iter().filter(|name| **name == "message").count(), 22);
}

#[test]
fn what_a_stalled_stream_held_is_free_and_the_others_stay() {
    let mut world = halfway(&config());
    for _ in 0..3 {
        world.subscribe(0, &["a", "b"], Resume::Earliest);
        world.subscribe(0, &["b"], Resume::Live);
    }
    world.pass();
    for index in 1..world.streams.len() {
        world.poll(index, 3);
    }
    assert_eq!(world.pages(0), 4);
    // The live ones have all; of the others one goes on.
    wait(&mut world, 29);
    assert!(world.poll(3, 1) > 0);
    wait(&mut world, 1);
    assert_eq!(world.pages(0), 1);
    assert_eq!(world.shared.metrics.stalled.get(), 3);
    assert_eq!([world.shared.roster.count(&tenant("a")), world.shared.roster.count(&tenant("b"))], [1, 4]);
    world.commit(&["a", "b"]);
    world.settle();
    let ended: Vec<_> = world.streams.iter().map(|stream| stream.ended).collect();
    assert_eq!(ended, [true, true, false, false, false, true, false]);
    for index in [2, 3, 4, 6] {
        assert_eq!(world.streams[index].events.last().unwrap().0.seq(), world.head().get(), "stream {index}");
    }
}

#[test]
fn a_stream_is_not_blamed_for_a_thread_that_stood_still() {
    let mut world = halfway(&config());
    wait(&mut world, 10);
    world.beat(3_600_000);
    assert_eq!(world.shared.metrics.stalled.get(), 0);
    wait(&mut world, 18);
    assert_eq!(world.shared.metrics.stalled.get(), 0);
    wait(&mut world, 2);
    assert_eq!(world.shared.metrics.stalled.get(), 1);
}

#[test]
fn a_stalled_stream_resumes_where_it_stood() {
    let mut world = halfway(&config());
    let written = world.names(0).len() - 1;
    let last = world.streams[0].events.last().unwrap().0.seq();
    wait(&mut world, 30);
    world.subscribe(0, &["a"], Resume::After(world.cursor(seq(last))));
    world.settle();
    assert_eq!(world.names(1).iter().filter(|name| **name == "message").count(), 22 - written);
}

directly!(
    a_stream_that_has_everything_waits_for_ever,
    a_slow_stream_that_moves_stays,
    a_stalled_stream_resumes_where_it_stood,
);
