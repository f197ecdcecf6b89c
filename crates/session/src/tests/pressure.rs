use super::*;

/// A session whose limit is met by four pushes, a to d.
fn full() -> (Rig, SocketId) {
    let (mut rig, socket) = Rig::open();
    for id in ["a", "b", "c", "d"] {
        assert!(rig.reads());
        rig.push(id);
    }
    rig.asked();
    (rig, socket)
}

#[test]
fn too_much_in_flight_stops_reading_for_a_while_and_then_sheds() {
    let (mut rig, _) = full();
    assert!(!rig.reads());
    rig.pass(7 * SECOND);
    assert!(rig.reads(), "after a third of the heartbeat");
    rig.asked();
    rig.push("e");
    assert_eq!(rig.asked(), [Effect::Ignored("shed")]);
}

#[test]
fn reading_resumes_below_half_of_the_limit() {
    let (mut rig, socket) = full();
    rig.committed(socket, "a", ACK);
    rig.committed(socket, "b", ACK);
    assert!(!rig.reads(), "half of the limit is still in use");
    rig.committed(socket, "c", ACK);
    assert!(rig.reads());
    rig.asked();
    rig.push("e");
    assert_eq!(rig.asked(), [store("e", socket)]);
}

#[test]
fn a_freed_slot_does_not_begin_another_hold() {
    let (mut rig, socket) = full();
    rig.pass(5 * SECOND);
    rig.committed(socket, "a", ACK);
    rig.pass(2 * SECOND);
    assert!(rig.reads(), "the hold counts from when the limit was met");
    rig.asked();
    rig.push("e");
    assert_eq!(rig.asked(), [Effect::Ignored("shed")]);
}

#[test]
fn shedding_shows_as_a_reason_from_the_end_of_the_hold_until_there_is_room() {
    let (mut rig, socket) = full();
    rig.pass(6 * SECOND);
    assert_eq!(states(&rig.asked()), [], "a hold alone shows nothing");
    rig.pass(SECOND);
    assert_eq!(states(&rig.asked()), [state(ConnectionState::Connected, Some("shedding"))]);
    rig.push("e");
    rig.committed(socket, "a", ACK);
    rig.committed(socket, "b", ACK);
    rig.pass(SECOND);
    assert_eq!(states(&rig.asked()), [], "once");
    rig.committed(socket, "c", ACK);
    assert_eq!(rig.asked().last(), Some(&state(ConnectionState::Connected, None)));
}

#[test]
fn a_frame_that_comes_before_the_tick_shows_the_shedding_too() {
    let (mut rig, _) = full();
    rig.now += 7 * SECOND;
    rig.push("e");
    assert_eq!(rig.asked(), [state(ConnectionState::Connected, Some("shedding")), Effect::Ignored("shed")]);
}

#[test]
fn a_short_hold_changes_no_state() {
    let (mut rig, socket) = full();
    for id in ["a", "b", "c", "d"] {
        rig.committed(socket, id, ACK);
    }
    rig.pass(20 * SECOND);
    assert_eq!(states(&rig.asked()), []);
}

#[test]
fn a_socket_that_is_proven_while_pushes_are_shed_says_so() {
    let (mut rig, _) = full();
    rig.pass(10 * SECOND);
    rig.ended(&Ending::Eof);
    rig.dial();
    rig.upgrade();
    rig.asked();
    rig.frame(Frame::Pong);
    assert_eq!(rig.asked(), [state(ConnectionState::Connected, Some("shedding"))]);
}

#[test]
fn a_gateway_without_room_counts_as_a_full_session() {
    let (mut rig, socket) = Rig::open();
    rig.set_room(Room::Short);
    assert!(!rig.reads());
    rig.pass(7 * SECOND);
    assert!(rig.reads());
    assert_eq!(states(&rig.asked()), [state(ConnectionState::Connected, Some("shedding"))]);
    rig.push("x");
    assert_eq!(rig.asked(), [Effect::Ignored("shed")]);
    rig.set_room(Room::Ample);
    rig.push("x");
    assert_eq!(rig.asked(), [state(ConnectionState::Connected, None), store("x", socket)]);
}

#[test]
fn room_is_no_use_to_a_session_that_is_full_itself() {
    let (mut rig, _) = full();
    rig.set_room(Room::Short);
    rig.set_room(Room::Ample);
    assert!(!rig.reads());
}

#[test]
fn a_tick_comes_when_reading_goes_on() {
    for seed in 0..20 {
        let mut rig = Rig::new(seed);
        rig.dial();
        rig.prove();
        for id in ["a", "b", "c", "d"] {
            rig.push(id);
        }
        let full = rig.now;
        while !rig.reads() {
            let at = rig.armed().expect("a tick is due");
            rig.tick(at);
        }
        assert_eq!(rig.now, full + 20 * SECOND / 3);
    }
}

#[test]
fn what_an_older_socket_left_in_flight_still_counts_until_its_commit() {
    let (mut rig, first) = full();
    rig.ended(&Ending::Eof);
    rig.next_socket();
    assert_eq!(rig.session.view().in_flight, 4);
    rig.push("e");
    assert_eq!(rig.asked(), [Effect::Ignored("shed")]);
    for id in ["a", "b", "c"] {
        rig.committed(first, id, ACK);
    }
    assert_eq!(rig.session.view().in_flight, 1);
    rig.push("e");
    assert_eq!(rig.session.view().in_flight, 2);
}

#[test]
fn bytes_in_flight_count_too() {
    let (mut rig, socket) = Rig::open();
    let long = "x".repeat(200);
    rig.push(&long);
    assert!(!rig.reads());
    rig.committed(socket, &long, ACK);
    assert!(rig.reads());
    rig.push(&"x".repeat(49));
    rig.push(&"y".repeat(49));
    assert!(!rig.reads(), "two of fifty meet the limit of a hundred");
    rig.committed(socket, &"x".repeat(49), ACK);
    assert!(!rig.reads(), "fifty are not below half of it");
}

#[test]
fn a_limit_of_one_push_still_lets_each_push_through() {
    let mut config = config();
    config.in_flight = InFlightConfig { pushes: 1, bytes: 1 };
    let mut rig = Rig::with(config, 1);
    let socket = rig.next_socket();
    for id in ["a", "b", "c"] {
        rig.push(id);
        assert!(!rig.reads());
        rig.committed(socket, id, ACK);
        assert!(rig.reads());
        assert_eq!(rig.asked(), [store(id, socket), answer(id, Answer::Ack)]);
    }
}

fn states(effects: &[Effect]) -> Vec<Effect> {
    effects.iter().filter(|effect| matches!(effect, Effect::State { .. })).cloned().collect()
}

#[test]
fn a_failing_journal_is_shown_while_connected_and_no_longer() {
    let (mut rig, _) = Rig::open();
    let connected = |reason: Option<&str>| Effect::State {
        state: ConnectionState::Connected,
        reason: reason.map(ToOwned::to_owned),
    };
    rig.session.set_store(Store::Failing, rig.now, &mut rig.effects);
    assert_eq!(rig.asked(), [connected(Some("journal_failing"))]);
    rig.session.set_store(Store::Failing, rig.now, &mut rig.effects);
    assert_eq!(rig.asked(), []);
    rig.session.set_store(Store::Writable, rig.now, &mut rig.effects);
    assert_eq!(rig.asked(), [connected(None)]);
    rig.ended(&Ending::Eof);
    rig.asked();
    rig.session.set_store(Store::Failing, rig.now, &mut rig.effects);
    assert_eq!(rig.asked(), [], "a line that is away says why it is away");
    rig.dial();
    rig.upgrade();
    rig.frame(Frame::Pong);
    assert!(rig.asked().contains(&connected(Some("journal_failing"))));
}
