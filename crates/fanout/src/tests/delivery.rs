//! What is told as delivered was written, and what was written is told, cheaply.

use proptest::prelude::*;
use pushgate_model::{Seq, TenantId};

use super::{
    seam::{Op, TENANTS, apply, op, tiny},
    seq, tenant,
    world::{Range, TestStream, World},
};
use crate::{FanoutConfig, Resume};

/// The pushes among these events of a stream.
fn written<'a>(stream: &'a TestStream, tenant: &'a TenantId, events: usize) -> impl Iterator<Item = Seq> + 'a {
    let events = stream.events[..events].iter().map(|(event, _)| event);
    let pushes = events.filter(|event| event.is_push() && event.data["tenant"] == tenant.as_str());
    pushes.map(|event| seq(event.seq()))
}

/// Every range that this stream's writes caused holds only pushes that it had handed out by then, or that are gone.
fn check_ranges(world: &World, stream: &TestStream) {
    for ((tenant, after, upto), events) in &stream.delivered {
        assert!(after < upto);
        let trimmed = world.trimmed.get(tenant).copied().unwrap_or_default();
        let within = |at: Seq| at > *after && at <= *upto;
        for (_, at) in world.commits.iter().filter(|(of, at)| of == tenant && within(*at) && *at > trimmed) {
            let was_written = written(stream, tenant, *events).any(|written| written == *at);
            assert!(was_written, "push {at} of {tenant} was told in ({after}, {upto}] and not written");
        }
    }
}

fn ranges(world: &World) -> Vec<Range> {
    let streams = world.streams.iter().flat_map(|stream| &stream.delivered);
    streams.map(|(range, _)| range.clone()).collect()
}

fn subscribed(streams: &[(usize, &[&str], Resume)], config: &FanoutConfig, shards: usize) -> World {
    let mut world = World::new(config, shards);
    world.dispatch(usize::MAX);
    for (shard, tenants, resume) in streams {
        world.subscribe(*shard, tenants, resume.clone());
    }
    world.settle();
    world
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_was_written_is_told(ops in prop::collection::vec(op(), 1..200)) {
        let mut world = World::new(&tiny(), 2);
        world.wall.store(1_000_000, std::sync::atomic::Ordering::Relaxed);
        let mut told = Vec::new();
        for op in &ops {
            if let Op::Drop { stream } = op && let Some(stream) = world.streams.get(*stream) {
                check_ranges(&world, stream);
                told.extend(stream.delivered.iter().map(|(range, _)| range.clone()));
            }
            apply(&mut world, op);
        }
        world.settle();
        told.extend(ranges(&world));
        for stream in &world.streams {
            check_ranges(&world, stream);
            for tenant in &stream.request.tenants {
                for at in written(stream, tenant, stream.events.len()) {
                    let is_told = told.iter().any(|(of, after, upto)| of == tenant && *after < at && at <= *upto);
                    prop_assert!(is_told, "push {at} of {tenant} was written and not told");
                }
            }
        }
    }

    #[test]
    fn nothing_is_told_that_was_not_written_though_tenants_go_and_return(
        ops in prop::collection::vec(prop_oneof![
            8 => op().prop_map(Ok),
            1 => (0..TENANTS.len()).prop_map(Err),
        ], 1..200)
    ) {
        let mut world = World::new(&tiny(), 2);
        world.wall.store(1_000_000, std::sync::atomic::Ordering::Relaxed);
        let mut removed = [false; TENANTS.len()];
        for op in &ops {
            match op {
                Ok(Op::Drop { .. }) => {}
                Ok(op) => apply(&mut world, op),
                Err(index) => {
                    removed[*index] = true;
                    world.remove(TENANTS[*index]);
                }
            }
        }
        world.settle();
        for stream in &world.streams {
            check_ranges(&world, stream);
            for farewell in stream.events.iter().filter(|(event, _)| event.name == "tenant-removed") {
                let id = farewell.0.data["tenant"].as_str().unwrap();
                prop_assert!(TENANTS.iter().zip(removed).any(|(tenant, removed)| *tenant == id && removed));
                let after = stream.events.iter().skip_while(|event| event.0.name != "tenant-removed" || event.0.data["tenant"] != id);
                prop_assert!(after.skip(1).all(|(event, _)| !event.is_push() || event.data["tenant"] != id));
            }
            let carried = stream.request.tenants.iter().filter(|tenant| {
                let gone = |event: &super::events::Event| event.name == "tenant-removed" && event.data["tenant"] == tenant.as_str();
                !stream.events.iter().any(|(event, _)| gone(event))
            });
            prop_assert_eq!(stream.ended, carried.count() == 0);
        }
    }
}

#[test]
fn a_push_is_told_at_the_poll_after_it_was_handed_out() {
    let mut world = subscribed(&[(0, &["a"], Resume::Live)], &FanoutConfig::default(), 1);
    let before = world.head();
    world.commit(&["a"]);
    world.dispatch(usize::MAX);
    world.receive(0, usize::MAX);
    assert_eq!(world.poll(0, 1), 1);
    assert_eq!(ranges(&world), [], "the response may be dropped with these bytes in its hands");
    assert_eq!(world.poll(0, 1), 0);
    assert_eq!(ranges(&world), [(tenant("a"), before, world.head())]);
}

#[test]
fn ranges_of_a_stream_follow_one_another_and_begin_where_it_starts() {
    let mut world = World::new(&FanoutConfig::default(), 1);
    world.dispatch(usize::MAX);
    // Of a, b, c, a, c, b.
    world.subscribe(0, &["a"], Resume::After(world.cursor(seq(1))));
    world.subscribe(0, &["b"], Resume::Live);
    world.settle();
    assert_eq!(ranges(&world), [(tenant("a"), seq(1), seq(6))], "a stream that starts live has written nothing");
    world.commit(&["c"]);
    world.commit(&["a"]);
    world.settle();
    assert_eq!(ranges(&world)[1..], [(tenant("a"), seq(6), seq(8))]);
}

#[test]
fn a_thousand_streams_tell_a_push_once_a_thread() {
    let streams: Vec<_> = (0..1_000).map(|n| (n % 2, &["a"] as &[&str], Resume::Live)).collect();
    let mut world = subscribed(&streams, &FanoutConfig::default(), 2);
    world.commit(&["a"]);
    world.commit(&["a"]);
    world.dispatch(usize::MAX);
    world.receive(0, usize::MAX);
    world.receive(1, usize::MAX);
    for index in 0..streams.len() {
        assert_eq!(world.poll(index, usize::MAX), 2);
    }
    assert_eq!(ranges(&world).len(), 2);
}

#[test]
fn a_replay_after_a_while_tells_it_again() {
    let mut world = subscribed(&[(0, &["a"], Resume::Earliest)], &FanoutConfig::default(), 1);
    assert_eq!(ranges(&world).len(), 1);
    world.beat(600);
    world.subscribe(0, &["a"], Resume::Earliest);
    world.settle();
    assert_eq!(ranges(&world).len(), 2, "whoever was told may have lost it meanwhile");
}

#[test]
fn pushes_of_a_name_that_returned_are_not_told_by_a_stream_of_the_old_one() {
    let mut world = subscribed(&[(0, &["a", "b"], Resume::Live)], &FanoutConfig::default(), 1);
    let before = world.head().get();
    world.commit(&["a"]);
    world.dispatch(usize::MAX);
    world.remove("a");
    world.dispatch(usize::MAX);
    world.commit(&["a"]);
    world.commit(&["b"]);
    world.dispatch(usize::MAX);
    world.receive(0, usize::MAX);
    world.poll(0, usize::MAX);
    let of_a: Vec<_> = ranges(&world).into_iter().filter(|(of, ..)| *of == tenant("a")).collect();
    assert_eq!(of_a, [(tenant("a"), seq(before), seq(before + 1))]);
    check_ranges(&world, &world.streams[0]);
}

directly!(
    what_was_written_is_told,
    nothing_is_told_that_was_not_written_though_tenants_go_and_return,
    ranges_of_a_stream_follow_one_another_and_begin_where_it_starts,
    a_replay_after_a_while_tells_it_again,
    pushes_of_a_name_that_returned_are_not_told_by_a_stream_of_the_old_one,
);
