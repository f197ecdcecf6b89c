//! Streams at rest are written to by their shard, and woken for what else there is.

use std::{cell::RefCell, io, rc::Rc, time::Duration};

use pushgate_model::{ConnectionState, Timestamp};

use super::{events::parse, seam::tiny, tenant, world::World};
use crate::{FanoutConfig, FrameSink, Lease, Resume};

/// Takes as many bytes as it has room for.
#[derive(Default)]
struct Pipe {
    taken: RefCell<Vec<u8>>,
    writes: RefCell<usize>,
    room: RefCell<Option<usize>>,
}

impl FrameSink for Pipe {
    fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        let mut room = self.room.borrow_mut();
        let taken = room.unwrap_or(usize::MAX).min(bytes.len());
        if taken == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        if let Some(room) = &mut *room {
            *room -= taken;
        }
        *self.writes.borrow_mut() += 1;
        self.taken.borrow_mut().extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }
}

impl Pipe {
    fn pushes(&self) -> usize {
        parse(&self.taken.borrow()).iter().filter(|event| event.is_push()).count()
    }
}

fn config() -> FanoutConfig {
    FanoutConfig { heartbeat: Duration::from_secs(15), ..FanoutConfig::default() }
}

/// A world whose only stream rests.
fn resting(config: &FanoutConfig, tenants: &[&str], lease: Lease) -> (World, Rc<Pipe>) {
    let mut world = World::new(config, 1);
    world.dispatch(usize::MAX);
    let pipe = Rc::new(Pipe::default());
    world.subscribe_to(0, (tenants, Resume::Live), lease, Some(Rc::clone(&pipe) as _));
    world.settle();
    assert!(!world.is_woken(0));
    (world, pipe)
}

#[test]
fn a_push_is_written_without_waking_anybody() {
    let (mut world, pipe) = resting(&config(), &["a"], Lease::default());
    let before = world.head();
    world.commit(&["a", "b", "a"]);
    world.pass();
    assert!(!world.is_woken(0));
    assert_eq!((pipe.pushes(), *pipe.writes.borrow()), (2, 1), "what comes together is one write");
    let told = world.take_told();
    assert_eq!(told, [(tenant("a"), before, world.head())], "it is delivered once the sink took it");
    world.beat(500);
    let stream = world.shared.roster.records(&tenant("a"))[0].snapshot(&world.shared.log.epoch);
    assert_eq!((stream.cursor.seq, stream.lag), (world.head(), 0));
    assert_eq!(stream.bytes, world.bytes(0) + pipe.taken.borrow().len() as u64);
}

#[test]
fn what_the_sink_did_not_take_is_yielded_first_and_delivered_once_it_is_written() {
    let (mut world, pipe) = resting(&config(), &["a"], Lease::default());
    *pipe.room.borrow_mut() = Some(10);
    world.commit(&["a"]);
    world.pass();
    assert!(world.is_woken(0));
    assert_eq!(pipe.taken.borrow().len(), 10);
    world.commit(&["a"]);
    world.pass();
    assert_eq!((pipe.taken.borrow().len(), world.take_told().len()), (10, 0), "nothing overtakes the rest of a piece");
    let left = world.piece(0);
    assert_eq!(world.take_told().len(), 0, "it may be dropped with these bytes in its hands");
    pipe.taken.borrow_mut().extend_from_slice(&left);
    let next = world.piece(0);
    assert_eq!(world.take_told().len(), 1);
    pipe.taken.borrow_mut().extend_from_slice(&next);
    assert_eq!(pipe.pushes(), 2);
}

#[test]
fn a_sink_that_takes_nothing_wakes_its_stream_which_has_the_push() {
    let (mut world, pipe) = resting(&config(), &["a"], Lease::default());
    *pipe.room.borrow_mut() = Some(0);
    world.commit(&["a"]);
    world.pass();
    assert!(world.is_woken(0) && pipe.taken.borrow().is_empty());
    assert!(parse(&world.piece(0))[0].is_push());
}

#[test]
fn heartbeats_are_written_without_waking_anybody() {
    let (mut world, pipe) = resting(&config(), &["a"], Lease::default());
    for _ in 0..31 {
        world.beat(500);
    }
    assert!(!world.is_woken(0));
    assert_eq!(*pipe.taken.borrow(), b":\n\n");
    *pipe.room.borrow_mut() = Some(1);
    for _ in 0..31 {
        world.beat(500);
    }
    assert!(world.is_woken(0), "a sink that is full is its stream's concern");
    assert_eq!(&world.piece(0)[..], b"\n\n");
}

#[test]
fn news_and_the_end_of_a_lease_wake_it_and_nothing_follows_the_end() {
    let (mut world, pipe) = resting(&config(), &["a"], Lease::default());
    world.publish("a", ConnectionState::Connected, "news");
    world.pass();
    assert!(world.is_woken(0));

    let lease = Lease { expires_at: Some(Timestamp::from_millis(60_000)), ..Lease::default() };
    let (mut world, _) = resting(&config(), &["a"], lease.clone());
    world.wall.store(60_000, std::sync::atomic::Ordering::Relaxed);
    world.commit(&["a"]);
    world.pass();
    world.settle();
    assert_eq!(world.names(0), ["open", "auth-expired"]);

    let (mut world, revoked) = resting(&config(), &["a"], lease.clone());
    lease.revocation.revoke();
    world.commit(&["a"]);
    world.pass();
    assert!(world.is_woken(0) && revoked.taken.borrow().is_empty() && pipe.taken.borrow().is_empty());
}

#[test]
fn a_stream_whose_tail_begins_later_reads_the_journal() {
    let (mut world, pipe) = resting(&FanoutConfig { joined_write: 700, ..tiny() }, &["a"], Lease::default());
    for _ in 0..30 {
        world.commit(&["a"]);
    }
    world.dispatch(usize::MAX);
    world.settle();
    assert_eq!(world.names(0).len() - 1 + pipe.pushes(), 30);
    assert_eq!(world.shared.metrics.replays.get(), 1);
}

#[test]
fn streams_of_several_tenants_are_woken() {
    let (mut world, pipe) = resting(&config(), &["a", "b"], Lease::default());
    world.commit(&["a", "b"]);
    world.pass();
    assert!(world.is_woken(0) && pipe.taken.borrow().is_empty());
    world.settle();
    assert_eq!(world.names(0), ["open", "message", "message"]);
}

#[test]
fn thousands_are_written_to_in_turns_and_what_comes_meanwhile_is_joined() {
    let mut world = World::new(&config(), 1);
    world.dispatch(usize::MAX);
    let pipes: Vec<_> = (0..600).map(|_| Rc::new(Pipe::default())).collect();
    for pipe in &pipes {
        world.subscribe_to(0, (&["a"], Resume::Live), Lease::default(), Some(Rc::clone(pipe) as _));
    }
    world.settle();
    world.commit(&["a"]);
    world.dispatch(usize::MAX);
    assert!(world.receive_and_serve(0, 1), "the first turn leaves some");
    let served = |pipes: &[Rc<Pipe>]| pipes.iter().filter(|pipe| !pipe.taken.borrow().is_empty()).count();
    assert_eq!(served(&pipes), 256);
    world.commit(&["a"]);
    world.pass();
    assert!(pipes.iter().all(|pipe| pipe.pushes() == 2));
    let writes: usize = pipes.iter().map(|pipe| *pipe.writes.borrow()).sum();
    assert_eq!(writes, 600 + 256, "those that waited got both together");
}

/// Notes whose turn it was.
struct Turn {
    of: usize,
    turns: Rc<RefCell<Vec<usize>>>,
}

impl FrameSink for Turn {
    fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        self.turns.borrow_mut().push(self.of);
        Ok(bytes.len())
    }
}

#[test]
fn streams_that_are_pieces_behind_take_each_piece_together() {
    let mut world = World::new(&FanoutConfig { joined_write: 1, ..config() }, 1);
    world.dispatch(usize::MAX);
    let turns = Rc::<RefCell<Vec<usize>>>::default();
    for of in 0..3 {
        let sink = Rc::new(Turn { of, turns: Rc::clone(&turns) });
        world.subscribe_to(0, (&["a"], Resume::Live), Lease::default(), Some(sink as _));
    }
    world.settle();
    turns.borrow_mut().clear();
    world.commit(&["a", "a", "a"]);
    world.pass();
    assert_eq!(*turns.borrow(), [0, 1, 2, 0, 1, 2, 0, 1, 2], "a tail keeps one joined piece");
}

/// Takes one piece, of the next its beginning, and then nothing.
#[derive(Default)]
struct OneAndABit(RefCell<usize>);

impl FrameSink for OneAndABit {
    fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        let mut writes = self.0.borrow_mut();
        *writes += 1;
        match *writes {
            1 => Ok(bytes.len()),
            2 => Ok(1),
            _ => Err(io::ErrorKind::WouldBlock.into()),
        }
    }
}

#[test]
fn a_piece_that_the_sink_took_is_delivered_though_it_did_not_take_all_of_the_next() {
    let mut world = World::new(&FanoutConfig { joined_write: 1, ..config() }, 1);
    world.dispatch(usize::MAX);
    let sink = Rc::new(OneAndABit::default());
    world.subscribe_to(0, (&["a"], Resume::Live), Lease::default(), Some(Rc::clone(&sink) as _));
    world.settle();
    let before = world.head();
    world.commit(&["a", "a"]);
    world.pass();
    assert_eq!(*sink.0.borrow(), 2);
    let first = super::seq(before.get() + 1);
    assert_eq!(world.take_told(), [(tenant("a"), before, first)], "its stream may end before it took the rest");
}
