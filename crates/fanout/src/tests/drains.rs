//! A drain tells everybody at once, and lets them go one after the other.

use std::time::Duration;

use super::{tenant, world::World};
use crate::{FanoutConfig, Resume};

const STREAMS: usize = 1_000;

fn count_ended(world: &World) -> usize {
    world.streams.iter().filter(|stream| stream.ended).count()
}

fn poll_all(world: &mut World) {
    for index in 0..world.streams.len() {
        world.poll(index, usize::MAX);
    }
}

#[test]
fn streams_are_told_at_once_and_end_over_the_whole_time() {
    let mut world = World::new(&FanoutConfig::default(), 1);
    for _ in 0..STREAMS {
        world.subscribe(0, &["a"], Resume::Live);
    }
    world.settle();
    world.shared.queue.drain(Duration::from_secs(5));
    world.pass();
    poll_all(&mut world);
    assert!((0..STREAMS).all(|index| world.names(index) == ["open", "shutdown"]));
    let mut ended = vec![count_ended(&world)];
    for _ in 0..5 {
        for _ in 0..50 {
            world.beat(20);
            poll_all(&mut world);
        }
        ended.push(count_ended(&world));
    }
    // Evenly: a fifth each second. Five standard deviations are 63.
    for (second, pair) in ended.windows(2).enumerate() {
        let count = pair[1] - pair[0];
        assert!((200 - 63..=200 + 63).contains(&count), "{count} in second {second}");
    }
    assert_eq!(ended[5], STREAMS);
    assert_eq!(world.shared.metrics.subscribers.get(), 0);
}

#[test]
fn a_stream_goes_on_until_it_ends() {
    let mut world = World::new(&FanoutConfig::default(), 1);
    world.subscribe(0, &["a"], Resume::Live);
    world.settle();
    world.shared.queue.drain(Duration::from_secs(3600));
    world.pass();
    world.poll(0, usize::MAX);
    world.commit(&["a"]);
    world.pass();
    world.poll(0, usize::MAX);
    assert_eq!(world.names(0), ["open", "shutdown", "message"]);
    assert!(!world.streams[0].ended);
}

#[test]
fn whoever_comes_during_a_drain_is_told_and_ends_at_once() {
    let mut world = World::new(&FanoutConfig::default(), 1);
    world.shared.queue.drain(Duration::from_secs(3600));
    world.pass();
    world.subscribe(0, &["a"], Resume::Earliest);
    world.poll(0, usize::MAX);
    assert_eq!(world.names(0), ["shutdown"]);
    assert!(world.streams[0].ended);
    assert_eq!(world.shared.roster.count(&tenant("a")), 0);
}

#[test]
fn a_second_drain_makes_them_hurry() {
    let mut world = World::new(&FanoutConfig::default(), 1);
    for _ in 0..10 {
        world.subscribe(0, &["a"], Resume::Live);
    }
    world.settle();
    world.shared.queue.drain(Duration::from_secs(3600));
    world.pass();
    poll_all(&mut world);
    world.shared.queue.drain(Duration::ZERO);
    world.pass();
    poll_all(&mut world);
    assert_eq!(count_ended(&world), 10);
    assert!((0..10).all(|index| world.names(index) == ["open", "shutdown"]), "nobody is told twice");
}

directly!(
    streams_are_told_at_once_and_end_over_the_whole_time,
    a_stream_goes_on_until_it_ends,
    whoever_comes_during_a_drain_is_told_and_ends_at_once,
    a_second_drain_makes_them_hurry,
);
