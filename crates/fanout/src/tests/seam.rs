//! No gap, no duplicate, no reordering, whatever happens in whatever order.

use std::{sync::atomic::Ordering, time::Duration};

use proptest::prelude::*;
use pushgate_model::{ConnectionState, Cursor, Seq, TenantId, Timestamp};

use super::{
    gate::Mode,
    seq,
    world::{TestStream, World},
};
use crate::{FanoutConfig, Resume};

pub(super) const TENANTS: [&str; 3] = ["a", "b", "c"];
const STATES: [(ConnectionState, &str); 3] =
    [(ConnectionState::Backoff, "one"), (ConnectionState::Connected, "two"), (ConnectionState::Connected, "three")];

#[derive(Clone, Debug)]
pub(super) enum Op {
    Commit(Vec<usize>),
    Dispatch(usize),
    Receive { shard: usize, messages: usize },
    Trim { tenant: usize, back: u64 },
    Subscribe { shard: usize, tenants: usize, from: From },
    Poll { stream: usize, times: usize },
    Drop { stream: usize },
    Beat(u64),
    Gate(Mode),
    Publish { tenant: usize, state: usize },
}

#[derive(Clone, Copy, Debug)]
pub(super) enum From {
    Live,
    Earliest,
    Back(u64),
    Since(u64),
    Foreign,
    Ahead,
    Malformed,
}

pub(super) fn op() -> impl Strategy<Value = Op> {
    let from = prop_oneof![
        2 => Just(From::Live),
        2 => Just(From::Earliest),
        4 => (0..30_u64).prop_map(From::Back),
        2 => (0..30_u64).prop_map(From::Since),
        1 => Just(From::Foreign),
        1 => Just(From::Ahead),
        1 => Just(From::Malformed),
    ];
    let mode = prop_oneof![3 => Just(Mode::Open), 1 => Just(Mode::HeldAfter), 1 => Just(Mode::HeldBefore), 1 => Just(Mode::Failing)];
    prop_oneof![
        6 => prop::collection::vec(0..TENANTS.len(), 1..6).prop_map(Op::Commit),
        6 => (0..4_usize).prop_map(Op::Dispatch),
        5 => (0..2_usize, 1..5_usize).prop_map(|(shard, messages)| Op::Receive { shard, messages }),
        1 => (0..TENANTS.len(), 0..15_u64).prop_map(|(tenant, back)| Op::Trim { tenant, back }),
        3 => (0..2_usize, 1..8_usize, from).prop_map(|(shard, tenants, from)| Op::Subscribe { shard, tenants, from }),
        8 => (0..8_usize, 1..4_usize).prop_map(|(stream, times)| Op::Poll { stream, times }),
        1 => (0..8_usize).prop_map(|stream| Op::Drop { stream }),
        2 => (1..8_000_u64).prop_map(Op::Beat),
        1 => mode.prop_map(Op::Gate),
        1 => (0..TENANTS.len(), 0..STATES.len()).prop_map(|(tenant, state)| Op::Publish { tenant, state }),
    ]
}

/// All limits so small that each is met.
pub(super) fn tiny() -> FanoutConfig {
    FanoutConfig {
        heartbeat: Duration::from_secs(15),
        stall_timeout: Duration::from_secs(1_000_000),
        replay_rate: 0,
        tail_bytes: 2_500,
        tail_bytes_per_tenant: 1_000,
        inbox: 3,
        joined_write: 700,
        replay_bytes: 2_500,
        replay_page: 3,
        replay_page_bytes: 300,
    }
}

pub(super) fn apply(world: &mut World, op: &Op) {
    let head = world.head();
    let back = |by: u64| seq(head.get().saturating_sub(by));
    match op {
        Op::Commit(tenants) => world.commit(&tenants.iter().map(|&index| TENANTS[index]).collect::<Vec<_>>()),
        Op::Dispatch(batches) => world.dispatch(*batches),
        Op::Receive { shard, messages } => world.receive(*shard, *messages),
        Op::Trim { tenant, back: by } => world.trim(TENANTS[*tenant], back(*by)),
        Op::Subscribe { shard, tenants, from } => {
            let chosen = TENANTS.iter().zip(0..).filter(|(_, bit)| tenants & (1 << bit) != 0);
            let chosen: Vec<_> = chosen.map(|(id, _)| *id).collect();
            world.subscribe(*shard, &chosen, resume(world, *from));
        }
        Op::Poll { stream, times } => {
            world.poll(*stream, *times);
        }
        Op::Drop { stream } => {
            if *stream < world.streams.len() {
                check(world, &world.streams[*stream]);
                world.streams.remove(*stream);
            }
        }
        Op::Beat(millis) => world.beat(*millis),
        Op::Gate(mode) => world.gate.set(*mode),
        Op::Publish { tenant, state } => {
            let (state, reason) = STATES[*state];
            world.publish(TENANTS[*tenant], state, reason);
        }
    }
}

fn resume(world: &World, from: From) -> Resume {
    let head = world.head().get();
    match from {
        From::Live => Resume::Live,
        From::Earliest => Resume::Earliest,
        From::Back(by) => Resume::After(world.cursor(seq(head.saturating_sub(by)))),
        From::Since(back) => Resume::Since(Timestamp::from_millis(head.saturating_sub(back))),
        From::Foreign => Resume::After(Cursor { epoch: "foreign".parse().unwrap(), seq: seq(3) }),
        From::Ahead => Resume::After(world.cursor(seq(head + 3))),
        From::Malformed => Resume::Malformed("x".into()),
    }
}

/// What has been written so far is right: in order, only once, nothing left out between two pushes. Says the last
/// position, and up to where it was told that pushes are gone.
fn check(world: &World, stream: &TestStream) -> Option<(Seq, Seq)> {
    let mut told = Seq::ZERO;
    let mut last = None;
    for (event, trimmed) in &stream.events {
        match event.name.as_str() {
            "gap" => told = *trimmed,
            "open" => {
                assert_eq!(last, None, "a stream opens once");
                last = Some(seq(event.seq()));
                check_start(world, stream, seq(event.seq()));
                if asks_for_all(&stream.request.resume) {
                    told = *trimmed;
                }
            }
            "message" => {
                let before = last.expect("open comes before the first push");
                let this = seq(event.seq());
                assert!(this > before, "{this} after {before}");
                check_between(world, stream, (before, this), told);
                assert_eq!(event.data["seq"], this.get());
                last = Some(this);
            }
            "upstream" => {}
            other => panic!("unexpected event {other}"),
        }
    }
    last.map(|last| (last, told))
}

fn asks_for_all(resume: &Resume) -> bool {
    matches!(resume, Resume::Earliest) || matches!(resume, Resume::After(cursor) if cursor.epoch.as_str() == "foreign")
}

fn check_start(world: &World, stream: &TestStream, position: Seq) {
    let reason =
        stream.events.iter().find(|(event, _)| event.name == "gap").map(|(event, _)| event.data["reason"].clone());
    let first_is_gap = stream.events[0].0.name == "gap";
    let asked_from = match &stream.request.resume {
        Resume::Live => Some(stream.head),
        Resume::Malformed(_) => {
            assert_eq!(reason.unwrap(), "malformed");
            Some(stream.head)
        }
        Resume::After(cursor) if cursor.epoch.as_str() == "foreign" => {
            assert_eq!(reason.unwrap(), "unknown");
            None
        }
        Resume::After(cursor) if cursor.seq > stream.head => {
            assert_eq!(reason.unwrap(), "ahead");
            Some(stream.head)
        }
        Resume::After(cursor) => Some(cursor.seq),
        // A push's time is its position.
        Resume::Since(time) => Some(seq(time.as_millis().saturating_sub(1))),
        Resume::Earliest => None,
    };
    if let Resume::Since(_) = &stream.request.resume {
        let reason = stream.events.first().map(|(event, _)| &event.data["reason"]).filter(|_| first_is_gap);
        assert!(reason.is_none_or(|reason| reason == "expired"));
        if !first_is_gap {
            check_between(world, stream, (asked_from.unwrap_or_default(), position.next().unwrap()), Seq::ZERO);
        }
    } else if let (Some(asked), false) = (asked_from, first_is_gap) {
        assert_eq!(position, asked);
    }
    // What is still kept was not jumped over.
    check_between(world, stream, (asked_from.unwrap_or_default().min(position), position.next().unwrap()), Seq::MAX);
}

/// Of all pushes between two positions each was trimmed, and that was told.
fn check_between(world: &World, stream: &TestStream, (after, before): (Seq, Seq), told: Seq) {
    for (tenant, at) in between(world, stream, after, before) {
        let trimmed = world.trimmed.get(tenant).copied().unwrap_or_default();
        assert!(at <= trimmed, "push {at} of {tenant} was left out though it is kept");
        assert!(at <= told, "push {at} of {tenant} was trimmed and nobody told");
    }
}

fn between<'a>(
    world: &'a World,
    stream: &TestStream,
    after: Seq,
    before: Seq,
) -> impl Iterator<Item = (&'a TenantId, Seq)> {
    let tenants = stream.request.tenants.clone();
    let commits = world.commits.iter().filter(move |(tenant, _)| tenants.contains(tenant));
    commits.map(|(tenant, at)| (tenant, *at)).filter(move |(_, at)| *at > after && *at < before)
}

fn check_settled(world: &World, stream: &TestStream) {
    let (last, told) = check(world, stream).expect("a settled stream has opened");
    assert!(!stream.ended);
    check_between(world, stream, (last, Seq::MAX), told);
    for tenant in &stream.request.tenants {
        let known = stream.events.iter().rev().find_map(|(event, _)| match event.name.as_str() {
            "upstream" if event.data["tenant"] == tenant.as_str() => Some(event.data["reason"].clone()),
            "open" => Some(event.data["tenants"][tenant.as_str()]["reason"].clone()),
            _ => None,
        });
        let expected = world.published(tenant).and_then(|status| status.reason.as_deref());
        assert_eq!(known.unwrap().as_str(), expected, "the last state of {tenant} was told");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn streams_have_no_gap_no_duplicate_and_one_order(ops in prop::collection::vec(op(), 1..200)) {
        let mut world = World::new(&tiny(), 2);
        world.wall.store(1_000_000, Ordering::Relaxed);
        for op in &ops {
            apply(&mut world, op);
        }
        world.settle();
        for stream in &world.streams {
            check_settled(&world, stream);
        }
        // What was committed while all stood still arrives live.
        world.commit(&TENANTS);
        world.settle();
        for stream in &world.streams {
            check_settled(&world, stream);
            prop_assert!(stream.events.last().is_some_and(|(event, _)| event.is_push()));
        }
        // Nothing is left when the last stream has gone.
        world.streams.clear();
        world.beat(6_000);
        world.settle();
        prop_assert_eq!(world.shared.metrics.tail_bytes.get(), 0);
        prop_assert_eq!(world.shared.metrics.subscribers.get(), 0);
    }
}

#[test]
fn what_was_under_way_for_an_earlier_channel_does_not_reach_its_successor() {
    let mut world = World::new(&tiny(), 1);
    world.subscribe(0, &["a"], Resume::Live);
    world.settle();
    world.publish("a", ConnectionState::Backoff, "one");
    world.dispatch(usize::MAX);
    world.streams.clear();
    world.beat(10_000);
    world.subscribe(0, &["b"], Resume::Live);
    world.receive(0, usize::MAX);
    world.poll(0, usize::MAX);
    assert!(world.streams[0].events.is_empty(), "dispatch has not answered for b yet");
    world.settle();
    check_settled(&world, &world.streams[0]);
}

#[test]
fn a_tenant_that_lost_nothing_keeps_its_tail_through_an_overflow() {
    let mut world = World::new(&tiny(), 1);
    world.subscribe(0, &["a"], Resume::Live);
    world.subscribe(0, &["b"], Resume::Live);
    world.settle();
    for _ in 0..10 {
        world.commit(&["a"]);
    }
    world.dispatch(usize::MAX);
    assert!(world.shared.metrics.inbox_overflows.get() > 0);
    world.settle();
    world.commit(&["b"]);
    world.settle();
    assert_eq!(world.shared.metrics.replays.get(), 1, "only the stream of a had to read the journal");
    for stream in &world.streams {
        check_settled(&world, stream);
    }
}

#[test]
fn many_streams_of_one_tenant_write_the_same_bytes_once() {
    let mut world = World::new(&FanoutConfig::default(), 1);
    for _ in 0..3 {
        world.subscribe(0, &["a"], Resume::Live);
    }
    world.settle();
    world.commit(&["a", "a"]);
    world.dispatch(usize::MAX);
    world.receive(0, usize::MAX);
    let pieces: Vec<_> = (0..3).map(|index| world.piece(index)).collect();
    assert!(pieces.iter().all(|piece| piece.as_ptr() == pieces[0].as_ptr()));
}

#[test]
fn what_was_told_is_not_told_again() {
    let gaps = |world: &World, index: usize| {
        world.streams[index].events.iter().filter(|(event, _)| event.name == "gap").count()
    };
    let mut world = World::new(&FanoutConfig { replay_page: 1, ..tiny() }, 1);
    world.dispatch(usize::MAX);
    // Of a, b, c, a, c, b both of a are gone; the first of b is older than the second of a.
    world.trim("a", seq(4));
    world.subscribe(0, &["a", "b"], Resume::Earliest);
    world.subscribe(0, &["a", "b"], Resume::After(world.cursor(seq(1))));
    world.settle();
    assert_eq!((gaps(&world, 0), gaps(&world, 1)), (0, 1));

    // Retention overtakes a stream between two of its pages.
    for _ in 0..5 {
        world.commit(&["a", "b"]);
    }
    world.dispatch(usize::MAX);
    world.subscribe(0, &["a", "b"], Resume::After(world.cursor(seq(6))));
    world.dispatch(usize::MAX);
    world.receive(0, usize::MAX);
    assert!(world.poll(2, 3) > 1, "it has opened and written a push");
    world.trim("a", seq(11));
    world.settle();
    assert_eq!(gaps(&world, 2), 1);
    check_settled(&world, &world.streams[2]);
}

#[test]
fn many_replays_get_small_pages_and_all_arrive() {
    let mut world = World::new(&tiny(), 1);
    for _ in 0..20 {
        world.commit(&["a"]);
    }
    world.dispatch(usize::MAX);
    world.gate.set(Mode::HeldAfter);
    for _ in 0..50 {
        world.subscribe(0, &["a"], Resume::Earliest);
    }
    world.settle();
    for stream in &world.streams {
        check_settled(&world, stream);
    }
}

#[test]
fn a_tenant_named_twice_counts_once() {
    let mut world = World::new(&tiny(), 1);
    world.subscribe(0, &["a", "b", "a"], Resume::Earliest);
    world.settle();
    world.commit(&["a", "b"]);
    world.settle();
    check_settled(&world, &world.streams[0]);
}

#[test]
fn after_the_farewell_of_a_tenant_none_of_its_pushes_follows() {
    let mut world = World::new(&tiny(), 1);
    world.dispatch(usize::MAX);
    world.subscribe(0, &["a", "b"], Resume::After(world.cursor(Seq::ZERO)));
    world.dispatch(usize::MAX);
    world.receive(0, usize::MAX);
    assert_eq!(world.poll(0, 2), 1, "it has opened");
    world.gate.set(Mode::HeldAfter);
    assert_eq!(world.poll(0, usize::MAX), 0, "it waits for a page that has pushes of both");
    world.remove("a");
    world.settle();
    let events: Vec<_> = world.streams[0].events.iter().map(|(event, _)| event).collect();
    let farewell = events.iter().position(|event| event.name == "tenant-removed").unwrap();
    let after = &events[farewell + 1..];
    assert!(!after.is_empty() && after.iter().all(|event| event.data["tenant"] == "b"), "{after:?}");
}

#[test]
fn a_name_that_returns_after_a_removal_has_its_history() {
    let mut world = World::new(&tiny(), 1);
    world.subscribe(0, &["a"], Resume::Live);
    world.settle();
    for _ in 0..3 {
        world.commit(&["a"]);
        world.settle();
    }
    world.remove("a");
    world.settle();
    assert!(world.streams[0].ended);
    world.subscribe(0, &["a"], Resume::After(world.cursor(seq(world.head().get() - 2))));
    world.settle();
    check_settled(&world, &world.streams[1]);
}

directly!(
    streams_have_no_gap_no_duplicate_and_one_order,
    what_was_under_way_for_an_earlier_channel_does_not_reach_its_successor,
    a_tenant_that_lost_nothing_keeps_its_tail_through_an_overflow,
    what_was_told_is_not_told_again,
    many_replays_get_small_pages_and_all_arrive,
    a_tenant_named_twice_counts_once,
    after_the_farewell_of_a_tenant_none_of_its_pushes_follows,
    a_name_that_returns_after_a_removal_has_its_history,
);
