//! What operators see of the streams.

use std::sync::Arc;

use pushgate_journal::testing::MemoryJournal;
use tokio::task::LocalSet;

use super::{
    gate::{Gate, Mode},
    seq, tenant,
    world::World,
};
use crate::{Fanout, FanoutConfig, Lease, NoDeliverySink, Peer, Resume, StreamSnapshot, Subscribe};

fn streams(world: &World, id: &str) -> Vec<StreamSnapshot> {
    let records = world.shared.roster.records(&tenant(id));
    records.iter().map(|record| record.snapshot(&world.shared.log.epoch)).collect()
}

#[test]
fn a_stream_is_listed_under_each_of_its_tenants_until_it_goes() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    LocalSet::new().block_on(&runtime, async {
        let (inlet, inbox) = Fanout::channel(1);
        let journal = Gate::new(MemoryJournal::new(Box::new(inlet)));
        let fanout = Fanout::start(FanoutConfig::default(), journal, inbox, Arc::new(NoDeliverySink));
        let shard = fanout.shard();
        let subscribe = |tenants: &[&str], agent: Option<&str>| {
            let tenants = tenants.iter().map(|id| tenant(id)).collect();
            let peer = Peer { address: "192.0.2.7".into(), user_agent: agent.map(Into::into) };
            shard.subscribe(Subscribe { tenants, resume: Resume::Live, peer, lease: Lease::default() })
        };
        let both = subscribe(&["a", "b", "a"], Some("curl/8"));
        let one = subscribe(&["b"], None);
        let listed = fanout.streams(&tenant("b"));
        assert_eq!(fanout.streams(&tenant("a")), listed[..1]);
        assert_eq!(fanout.streams(&tenant("c")), []);
        assert_eq!(listed[0].tenants, [tenant("a"), tenant("b")]);
        assert_eq!((listed[0].address.as_str(), listed[0].user_agent.as_deref()), ("192.0.2.7", Some("curl/8")));
        assert_eq!((listed[1].tenants.as_slice(), listed[1].user_agent.as_deref()), (&[tenant("b")] as &[_], None));
        assert!(listed[0].id < listed[1].id);
        drop(both);
        assert_eq!(fanout.streams(&tenant("a")), []);
        assert_eq!(fanout.streams(&tenant("b")), listed[1..]);
        drop(one);
        assert_eq!(fanout.streams(&tenant("b")), []);
        let later = subscribe(&["b"], None);
        assert!(fanout.streams(&tenant("b"))[0].id > listed[1].id, "an id names one stream for ever");
        drop(later);
    });
}

#[test]
fn a_listing_says_what_was_written_and_what_is_missing() {
    let mut world = World::new(&FanoutConfig::default(), 1);
    let head = world.head();
    world.subscribe(0, &["a", "b"], Resume::Live);
    world.settle();
    let idle = &streams(&world, "a")[0];
    assert_eq!((idle.cursor.seq, idle.lag), (head, 0));
    assert!(idle.bytes > 0);
    world.commit(&["c", "b", "a"]);
    world.commit(&["c"]);
    world.dispatch(usize::MAX);
    world.receive(0, usize::MAX);
    let waiting = &streams(&world, "a")[0];
    assert_eq!((waiting.cursor.seq, waiting.lag), (head, 3), "what is not its own does not count as missing");
    assert_eq!(world.poll(0, 1), 2);
    assert_eq!(&streams(&world, "a")[0], waiting, "handed out is not written");
    world.poll(0, 1);
    let done = &streams(&world, "a")[0];
    assert_eq!((done.cursor.seq, done.lag), (seq(head.get() + 3), 0));
    assert!(done.bytes > waiting.bytes);
}

#[test]
fn a_stream_that_waits_for_the_journal_is_behind() {
    let mut world = World::new(&FanoutConfig::default(), 1);
    world.dispatch(usize::MAX);
    // Of a, b, c, a, c, b.
    world.subscribe(0, &["b"], Resume::After(world.cursor(seq(2))));
    world.dispatch(usize::MAX);
    world.receive(0, usize::MAX);
    assert_eq!(world.poll(0, 2), 1, "it has opened");
    world.gate.set(Mode::HeldAfter);
    assert_eq!(world.poll(0, usize::MAX), 0);
    assert_eq!((streams(&world, "b")[0].cursor.seq, streams(&world, "b")[0].lag), (seq(2), 4));
    world.settle();
    assert_eq!((streams(&world, "b")[0].cursor.seq, streams(&world, "b")[0].lag), (seq(6), 0));
}

#[test]
fn a_replay_that_finds_nothing_is_not_behind() {
    let mut world = World::new(&FanoutConfig::default(), 1);
    world.dispatch(usize::MAX);
    // Of a, b, c, a, c, b.
    world.subscribe(0, &["a"], Resume::After(world.cursor(seq(4))));
    world.settle();
    assert_eq!((streams(&world, "a")[0].cursor.seq, streams(&world, "a")[0].lag), (seq(6), 0));
}

#[test]
fn a_removed_tenant_lists_no_stream_and_is_in_no_listing() {
    let mut world = World::new(&FanoutConfig::default(), 1);
    world.subscribe(0, &["a", "b"], Resume::Live);
    world.settle();
    world.remove("a");
    world.settle();
    assert_eq!(streams(&world, "a"), []);
    assert_eq!(streams(&world, "b")[0].tenants, [tenant("b")]);

    // Its name returns: new streams carry it, the one that stayed does not.
    world.subscribe(0, &["a"], Resume::Live);
    world.settle();
    world.commit(&["a", "b"]);
    world.settle();
    assert_eq!(streams(&world, "a").len(), 1);
    let pushes = |index: usize| {
        let events = world.streams[index].events.iter().map(|(event, _)| event);
        events.filter(|event| event.is_push()).map(|event| event.data["tenant"].clone()).collect::<Vec<_>>()
    };
    assert_eq!((pushes(0), pushes(1)), (vec!["b".into()], vec!["a".into()]));

    // It comes again, and has both.
    world.streams.remove(0);
    world.subscribe(0, &["a", "b"], Resume::Live);
    world.settle();
    world.commit(&["a", "b"]);
    world.settle();
    assert_eq!(world.streams[1].events.iter().filter(|(event, _)| event.is_push()).count(), 2);
    assert_eq!(streams(&world, "a").len(), 2);
}
