//! How much of the journal a stream may ask for.

use std::time::Duration;

use pushgate_model::ConnectionState;

use super::{gate::Mode, seam::tiny, world::World};
use crate::{FanoutConfig, Resume};

/// A log of so many pushes of `a`, and a stream that wants them all.
fn replaying(config: &FanoutConfig, pushes: usize) -> World {
    let mut world = World::new(config, 1);
    for _ in 0..pushes {
        world.commit(&["a"]);
    }
    world.dispatch(usize::MAX);
    world.subscribe(0, &["a"], Resume::Earliest);
    world.pass();
    world
}

#[test]
fn a_replay_keeps_to_its_rate_and_drops_nothing() {
    let rate = 5_000;
    let mut world = replaying(&FanoutConfig { replay_rate: rate, replay_page_bytes: 2_000, ..tiny() }, 500);
    let (mut bytes, mut seconds) = (0, 0);
    loop {
        let before = world.bytes(0);
        for _ in 0..2 {
            world.beat(500);
            world.poll(0, usize::MAX);
        }
        bytes = world.bytes(0).max(bytes);
        // A page that was begun is written.
        assert!(world.bytes(0) - before <= 2 * rate as u64 + 6_000, "{} in a second", world.bytes(0) - before);
        seconds += 1;
        // Live pushes meanwhile come in their order.
        if seconds == 3 {
            world.commit(&["a"]);
            world.pass();
        }
        if world.streams[0].events.last().is_some_and(|(event, _)| event.is_push() && event.seq() == world.head().get())
        {
            break;
        }
    }
    let expected = bytes / rate as u64;
    assert!((expected - 2..=expected + 2).contains(&seconds), "{seconds} s for {bytes} bytes");
    let seqs: Vec<_> =
        world.streams[0].events.iter().filter(|(event, _)| event.is_push()).map(|(e, _)| e.seq()).collect();
    assert_eq!(seqs.len(), 503);
    assert!(seqs.is_sorted());
}

#[test]
fn a_stream_that_waits_for_its_rate_gets_heartbeats() {
    let config = FanoutConfig { replay_rate: 1, replay_page: 1, heartbeat: Duration::from_secs(15), ..tiny() };
    let mut world = replaying(&config, 20);
    world.poll(0, usize::MAX);
    let before = world.bytes(0);
    for _ in 0..40 {
        world.beat(500);
        world.poll(0, usize::MAX);
    }
    assert_eq!(world.bytes(0) - before, ":\n\n".len() as u64, "one comment in 20 s");
}

#[test]
fn the_next_page_is_read_only_after_the_last_was_taken() {
    let mut world = replaying(&FanoutConfig { joined_write: 1, ..tiny() }, 20);
    world.poll(0, 2);
    assert_eq!((world.names(0), world.gate.reads()), (vec!["open"], 0));
    // Two pushes, a write each.
    for _ in 0..2 {
        assert_eq!(world.poll(0, 1), 1);
        world.beat(5_000);
        assert_eq!(world.gate.reads(), 1);
    }
    assert_eq!(world.poll(0, 1), 1);
    assert_eq!(world.gate.reads(), 2);
}

#[test]
fn a_stream_that_is_behind_is_woken_by_news_and_not_by_each_push() {
    // One waits for a page, the other one for its rate.
    for (mode, replay_rate) in [(Mode::HeldBefore, 0), (Mode::Open, 500)] {
        let mut world = replaying(&FanoutConfig { replay_rate, ..tiny() }, 20);
        world.poll(0, 1);
        world.poll(0, 1);
        assert_eq!(world.names(0), ["open"]);
        world.gate.set(mode);
        world.poll(0, usize::MAX);
        assert!(!world.is_woken(0));
        world.commit(&["a"]);
        world.pass();
        assert!(!world.is_woken(0), "{mode:?}: woken for a push that it can't write yet");
        world.publish("a", ConnectionState::Connected, "x");
        world.pass();
        world.poll(0, usize::MAX);
        assert_eq!(world.names(0).last(), Some(&"upstream"), "{mode:?}");
        world.settle();
        let last = world.streams[0].events.iter().rev().find(|(event, _)| event.is_push());
        assert_eq!(last.unwrap().0.seq(), world.head().get(), "{mode:?}");
    }
}
