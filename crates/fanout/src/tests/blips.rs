//! What streams are told of a connection that comes and goes.

use pushgate_model::ConnectionState::{Backoff, Connected, Connecting, Waiting};

use super::world::World;
use crate::{FanoutConfig, Resume};

/// Lets so much time pass, and then what is due happen.
fn pass(world: &mut World, millis: u64) {
    world.beat(millis);
    world.dispatch(usize::MAX);
    world.receive(0, usize::MAX);
    for index in 0..world.streams.len() {
        world.poll(index, usize::MAX);
    }
}

/// The states that a stream was told, `open` included.
fn told(world: &World, index: usize) -> Vec<String> {
    let events = world.streams[index].events.iter().map(|(event, _)| event);
    let states = events.filter_map(|event| match event.name.as_str() {
        "open" => Some(&event.data["tenants"]["a"]["state"]),
        "upstream" => Some(&event.data["state"]),
        _ => None,
    });
    states.map(|state| state.as_str().unwrap().to_owned()).collect()
}

fn connected() -> World {
    let mut world = World::new(&FanoutConfig::default(), 1);
    world.publish("a", Connected, "up");
    world.subscribe(0, &["a"], Resume::Live);
    pass(&mut world, 0);
    assert_eq!(told(&world, 0), ["connected"]);
    world
}

#[test]
fn a_break_that_heals_within_a_second_is_told_to_nobody() {
    let mut world = connected();
    world.publish("a", Backoff, "eof");
    pass(&mut world, 0);
    world.subscribe(0, &["a"], Resume::Live);
    pass(&mut world, 500);
    world.publish("a", Connecting, "dial");
    pass(&mut world, 400);
    world.publish("a", Connected, "up");
    pass(&mut world, 0);
    pass(&mut world, 3_000);
    assert_eq!(told(&world, 0), ["connected"]);
    assert_eq!(told(&world, 1), ["connected"], "who comes meanwhile gets what the others know");
}

#[test]
fn a_break_that_lasts_is_told_once_and_its_end_at_once() {
    let mut world = connected();
    world.publish("a", Backoff, "eof");
    pass(&mut world, 0);
    world.publish("a", Connecting, "dial");
    pass(&mut world, 999);
    assert_eq!(told(&world, 0), ["connected"]);
    pass(&mut world, 500);
    assert_eq!(told(&world, 0), ["connected", "backoff"], "two seconds have not passed");
    world.publish("a", Connected, "up");
    pass(&mut world, 0);
    assert_eq!(told(&world, 0), ["connected", "backoff", "connected"]);
}

#[test]
fn the_first_status_is_told_at_once() {
    let mut world = World::new(&FanoutConfig::default(), 1);
    world.subscribe(0, &["a"], Resume::Live);
    pass(&mut world, 0);
    world.publish("a", Backoff, "eof");
    pass(&mut world, 0);
    assert_eq!(told(&world, 0), ["waiting", "backoff"]);
}

#[test]
fn a_removal_drops_what_was_to_be_told() {
    let mut world = connected();
    world.publish("a", Backoff, "eof");
    pass(&mut world, 0);
    world.remove("a");
    pass(&mut world, 0);
    assert!(world.streams[0].ended);
    // The name returns, and is a new tenant.
    world.subscribe(0, &["a"], Resume::Live);
    pass(&mut world, 0);
    pass(&mut world, 3_000);
    assert_eq!(told(&world, 1), ["waiting"]);
    world.publish("a", Waiting, "gate");
    pass(&mut world, 0);
    assert_eq!(told(&world, 1), ["waiting", "waiting"]);
}

directly!(
    a_break_that_heals_within_a_second_is_told_to_nobody,
    a_break_that_lasts_is_told_once_and_its_end_at_once,
    the_first_status_is_told_at_once,
    a_removal_drops_what_was_to_be_told,
);
