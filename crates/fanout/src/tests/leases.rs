//! A lease ends its stream: told before, told at the end, and nothing after.

use std::sync::atomic::Ordering;

use pushgate_model::Timestamp;

use super::{gate::Mode, seam::tiny, tenant, world::World};
use crate::{FanoutConfig, Lease, Resume, Revocation};

fn until(millis: u64) -> Lease {
    Lease { expires_at: Some(Timestamp::from_millis(millis)), ..Lease::default() }
}

fn world() -> World {
    World::new(&FanoutConfig::default(), 1)
}

/// Time passes, on the wall as well, and whoever is woken is polled.
fn pass(world: &mut World, millis: u64) {
    world.wall.fetch_add(millis, Ordering::Relaxed);
    world.beat(millis);
    for index in 0..world.streams.len() {
        world.poll(index, usize::MAX);
    }
}

#[test]
fn an_idle_stream_is_told_half_a_minute_before_and_ends_at_its_time() {
    let mut world = world();
    world.subscribe_for(0, &["a"], Resume::Live, until(60_000));
    world.settle();
    for _ in 0..59 {
        pass(&mut world, 500);
    }
    assert_eq!(world.names(0), ["open"], "at 29.5 s");
    pass(&mut world, 500);
    assert_eq!(world.names(0), ["open", "auth-expiring"]);
    assert_eq!(world.streams[0].events[1].0.data["expires_at"], "1970-01-01T00:01:00.000Z");
    for _ in 0..59 {
        pass(&mut world, 500);
    }
    assert_eq!(world.names(0).len(), 2, "told once, and at 59.5 s not over");
    pass(&mut world, 500);
    assert_eq!(world.names(0), ["open", "auth-expiring", "auth-expired"]);
    assert_eq!(world.streams[0].events[2].0.data["expires_at"], "1970-01-01T00:01:00.000Z");
    assert!(world.streams[0].ended);
    assert_eq!(world.shared.metrics.leases_expired.get(), 1);
    assert_eq!(world.shared.roster.count(&tenant("a")), 0);
}

#[test]
fn a_short_lease_is_told_right_after_open() {
    let mut world = world();
    world.dispatch(usize::MAX);
    world.subscribe_for(0, &["a"], Resume::Earliest, until(10_000));
    world.pass();
    world.poll(0, usize::MAX);
    assert_eq!(world.names(0)[..3], ["open", "auth-expiring", "message"]);
}

#[test]
fn a_lease_that_ended_before_gets_nothing_but_the_word() {
    let mut world = world();
    world.wall.store(10_000, Ordering::Relaxed);
    world.subscribe_for(0, &["a"], Resume::Earliest, until(10_000));
    let first = world.piece(0);
    assert_eq!(first, "event: auth-expired\ndata: {\"expires_at\":\"1970-01-01T00:00:10.000Z\"}\n\n");
    world.settle();
    assert!(world.streams[0].ended && world.streams[0].events.is_empty());
}

#[test]
fn no_push_follows_the_end_between_two_beats() {
    let mut world = World::new(&tiny(), 1);
    for _ in 0..20 {
        world.commit(&["a"]);
    }
    world.dispatch(usize::MAX);
    // One replays and stands in the middle of a page, one is live; the shard's clock does not know yet.
    world.subscribe_for(0, &["a"], Resume::Earliest, until(100_000));
    world.subscribe_for(0, &["a"], Resume::Live, until(100_000));
    world.pass();
    world.poll(0, 3);
    world.poll(1, usize::MAX);
    let before: Vec<_> = (0..2).map(|index| world.names(index).len()).collect();
    world.wall.store(100_000, Ordering::Relaxed);
    world.commit(&["a"]);
    world.pass();
    for (index, before) in before.into_iter().enumerate() {
        world.poll(index, usize::MAX);
        assert_eq!(world.names(index)[before..], ["auth-expired"], "stream {index}");
    }
}

#[test]
fn a_stream_that_never_opened_ends_at_its_time_without_a_warning() {
    let mut world = world();
    world.gate.set(Mode::HeldBefore);
    world.subscribe_for(0, &["a"], Resume::Live, until(40_000));
    world.pass();
    for _ in 0..79 {
        pass(&mut world, 500);
    }
    assert!(world.names(0).is_empty());
    pass(&mut world, 500);
    assert_eq!(world.names(0), ["auth-expired"]);
}

#[test]
fn a_wall_clock_that_is_set_decides() {
    let mut world = world();
    world.subscribe_for(0, &["a"], Resume::Live, until(100_000));
    world.settle();
    world.beat(500_000);
    world.poll(0, usize::MAX);
    assert_eq!(world.names(0), ["open"], "only the shard's clock went on");
    world.wall.store(200_000, Ordering::Relaxed);
    world.beat(500);
    world.poll(0, usize::MAX);
    assert_eq!(world.names(0), ["open", "auth-expired"]);
}

#[test]
fn revoking_ends_those_that_rest_on_it_and_leaves_others() {
    let mut world = world();
    let revocation = Revocation::default();
    let leased = || Lease { revocation: revocation.clone(), ..Lease::default() };
    world.subscribe_for(0, &["a"], Resume::Live, leased());
    world.subscribe_for(0, &["a"], Resume::Live, Lease::default());
    world.settle();
    revocation.revoke();
    assert_eq!(world.poll(0, usize::MAX), 0, "an idle stream has no occasion to look");
    world.shared.queue.recheck();
    world.commit(&["a"]);
    world.pass();
    world.poll(0, usize::MAX);
    world.poll(1, usize::MAX);
    assert_eq!(world.names(0), ["open", "auth-expired"]);
    assert_eq!(world.streams[0].events[1].0.data, serde_json::json!({"reason": "revoked"}));
    assert!(world.streams[0].ended);
    assert_eq!(world.names(1), ["open", "message"]);
    assert_eq!((world.shared.metrics.leases_revoked.get(), world.shared.roster.count(&tenant("a"))), (1, 1));
}

#[test]
fn a_recheck_reaches_a_shard_that_was_behind() {
    let mut world = World::new(&tiny(), 1);
    let revocation = Revocation::default();
    world.subscribe_for(0, &["a"], Resume::Live, Lease { revocation: revocation.clone(), ..Lease::default() });
    world.settle();
    for _ in 0..10 {
        world.commit(&["b", "c", "a"]);
        world.dispatch(usize::MAX);
    }
    assert!(world.shared.metrics.inbox_overflows.get() > 0);
    revocation.revoke();
    world.shared.queue.recheck();
    world.dispatch(usize::MAX);
    world.settle();
    assert_eq!(world.names(0).last(), Some(&"auth-expired"));
}

directly!(
    an_idle_stream_is_told_half_a_minute_before_and_ends_at_its_time,
    a_short_lease_is_told_right_after_open,
    no_push_follows_the_end_between_two_beats,
    a_wall_clock_that_is_set_decides,
    revoking_ends_those_that_rest_on_it_and_leaves_others,
    a_recheck_reaches_a_shard_that_was_behind,
);
