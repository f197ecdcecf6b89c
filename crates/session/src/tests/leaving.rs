use super::*;

const PAUSED: fn() -> Effect = || state(ConnectionState::Paused, Some("operator"));
const DRAINING: fn() -> Effect = || state(ConnectionState::Draining, None);
const REQUESTED: fn() -> Effect = || state(ConnectionState::Waiting, Some("requested"));

fn parting(reason: &str) -> Effect {
    ended(reason, Lane::AtOnce)
}

/// An open socket with a push x in flight.
fn busy() -> (Rig, SocketId) {
    let (mut rig, socket) = Rig::open();
    rig.push("x");
    rig.asked();
    (rig, socket)
}

/// Nothing is dialled, planned or held.
fn rests(rig: &mut Rig) -> bool {
    rig.session.on_due(&mut rig.effects);
    rig.session.on_dialling(&mut rig.effects);
    let view = rig.session.view();
    view.redial_at.is_none() && view.socket.is_none() && rig.asked().is_empty()
}

#[test]
fn a_drain_answers_what_is_in_flight_and_closes() {
    let (mut rig, socket) = busy();
    rig.drain();
    assert_eq!(rig.asked(), [DRAINING()]);
    assert!(!rig.reads());
    rig.committed(socket, "x", ACK);
    assert_eq!(rig.asked(), [answer("x", Answer::Ack), Effect::Close(1001), parting("draining")]);
    assert!(rests(&mut rig));
}

#[test]
fn a_drain_without_a_socket_never_dials_again() {
    let mut rig = Rig::new(1);
    rig.asked();
    rig.drain();
    assert_eq!(rig.asked(), [Effect::Halt, DRAINING()]);
    assert!(rests(&mut rig));
    let (mut rig, _) = busy();
    rig.drain();
    rig.asked();
    rig.ended(&Ending::Eof);
    assert_eq!(rig.asked(), [parting("eof")]);
    assert!(rests(&mut rig), "also when the socket ends meanwhile");
}

#[test]
fn a_socket_that_comes_after_the_drain_is_closed_at_once() {
    let mut rig = Rig::dialling();
    rig.asked();
    rig.drain();
    assert_eq!(rig.asked(), [Effect::Halt, parting("draining"), DRAINING()]);
    rig.upgrade();
    assert_eq!(rig.asked(), [Effect::Close(1001)]);
    assert!(rests(&mut rig));
    rig.session.start(rig.now, &mut rig.effects);
    rig.session.start_paused("operator", &mut rig.effects);
    assert_eq!(rig.effects, [], "nothing begins any more");
}

#[test]
fn nothing_is_asked_of_a_drained_session() {
    let (mut rig, _) = busy();
    rig.drain();
    rig.asked();
    rig.pause();
    rig.resume();
    rig.reconnect();
    rig.drain();
    assert_eq!(rig.asked(), []);
    rig.pass(3 * SECOND);
    assert_eq!(rig.asked(), [Effect::Close(1001), parting("draining")]);
    assert!(rests(&mut rig));
}

#[test]
fn a_pause_shows_at_once_and_leaves_the_socket_in_order() {
    let (mut rig, socket) = busy();
    rig.pause();
    assert_eq!(rig.asked(), [PAUSED()]);
    assert!(!rig.reads());
    rig.committed(socket, "x", ACK);
    assert_eq!(rig.asked(), [answer("x", Answer::Ack), Effect::Close(1001), parting("paused")]);
    assert!(rests(&mut rig));
}

#[test]
fn a_socket_that_is_left_is_not_proven_any_more() {
    let (mut rig, first) = busy();
    rig.ended(&Ending::Eof);
    rig.dial();
    rig.upgrade();
    rig.pause();
    rig.asked();
    rig.frame(Frame::Pong);
    assert_eq!(rig.asked(), [], "a frame that was read before");
    rig.committed(first, "x", ACK);
    assert_eq!(rig.asked(), [Effect::Ignored("stale_answer"), Effect::Close(1001), parting("paused")]);
}

#[test]
fn a_pause_with_nothing_in_flight_closes_at_once() {
    let (mut rig, _) = Rig::open();
    rig.pause();
    assert_eq!(rig.asked(), [PAUSED(), Effect::Close(1001), parting("paused")]);
    assert!(rests(&mut rig));
}

#[test]
fn a_slow_journal_delays_leaving_by_three_seconds_at_most() {
    for leave in [Rig::pause, Rig::reconnect, Rig::drain] {
        let (mut rig, _) = busy();
        leave(&mut rig);
        rig.asked();
        rig.pass(Duration::from_millis(2999));
        assert!(!rig.asked().contains(&Effect::Close(1001)));
        leave(&mut rig);
        rig.pass(Duration::from_millis(1));
        assert!(rig.asked().contains(&Effect::Close(1001)), "counted from the first time that it was asked for");
        assert_eq!(rig.session.view().socket, None);
    }
}

#[test]
fn a_commit_after_leaving_is_too_late_to_be_answered() {
    let (mut rig, socket) = busy();
    rig.pause();
    rig.pass(3 * SECOND);
    rig.asked();
    rig.committed(socket, "x", ACK);
    assert_eq!(rig.asked(), [Effect::Ignored("stale_answer")]);
}

#[test]
fn leaving_does_not_wait_for_subscribers() {
    let (mut rig, socket) = Rig::open();
    rig.waits(socket, "x", 5);
    rig.asked();
    rig.drain();
    assert_eq!(rig.asked(), [DRAINING(), Effect::Close(1001), parting("draining")]);
}

#[test]
fn a_pause_cancels_a_planned_dial_and_one_under_way() {
    let mut rig = Rig::dialling();
    rig.ended(&Ending::Eof);
    rig.asked();
    rig.pause();
    assert_eq!(rig.asked(), [Effect::Halt, PAUSED()]);
    assert!(rests(&mut rig));
    let mut rig = Rig::dialling();
    rig.asked();
    rig.pause();
    assert_eq!(rig.asked(), [Effect::Halt, parting("paused"), PAUSED()]);
    rig.ended(&Ending::ConnectTimeout);
    assert!(rests(&mut rig), "whatever becomes of the dial");
}

#[test]
fn a_second_pause_changes_the_reason_only() {
    let mut rig = Rig::new(1);
    rig.pause();
    rig.asked();
    rig.pause();
    rig.session.pause("disabled", rig.now, &mut rig.effects);
    assert_eq!(rig.asked(), [state(ConnectionState::Paused, Some("disabled"))]);
    assert!(rests(&mut rig));
}

#[test]
fn a_session_may_begin_paused() {
    let mut rig = Rig { session: Session::new(config(), 1), now: Instant::now(), effects: Vec::new() };
    rig.session.start_paused("disabled", &mut rig.effects);
    assert_eq!(rig.asked(), [state(ConnectionState::Paused, Some("disabled"))]);
    rig.session.start(rig.now, &mut rig.effects);
    rig.reconnect();
    assert!(rests(&mut rig));
    rig.resume();
    assert_eq!(rig.asked(), [state(ConnectionState::Waiting, None)]);
    assert_eq!(rig.wait(), Duration::ZERO);
}

#[test]
fn a_resume_dials_at_once_and_forgets_what_went_wrong() {
    let mut rig = Rig::dialling();
    for _ in 0..5 {
        rig.ended(&Ending::Rejected { status: 401, retry_after: None });
        rig.dial();
    }
    rig.pause();
    rig.asked();
    rig.resume();
    assert_eq!(rig.asked(), [state(ConnectionState::Waiting, None)]);
    assert_eq!((rig.wait(), rig.session.view().attempt), (Duration::ZERO, 0));
    rig.dial();
    rig.ended(&Ending::Rejected { status: 401, retry_after: None });
    assert!(rig.wait() <= SECOND, "also how often the credential was refused");
}

#[test]
fn a_resume_without_a_pause_changes_nothing() {
    let (mut rig, _) = Rig::open();
    rig.resume();
    assert_eq!(rig.asked(), []);
    assert!(rig.reads());
}

#[test]
fn a_resume_while_the_socket_is_left_becomes_a_reconnect() {
    let (mut rig, socket) = busy();
    rig.pause();
    rig.asked();
    rig.resume();
    assert_eq!(rig.asked(), [state(ConnectionState::Waiting, None)]);
    assert!(!rig.reads());
    rig.frame(Frame::Pong);
    rig.pass(Duration::from_millis(2500));
    assert!(rig.asked().iter().all(|effect| *effect == Effect::Ping), "it is not connected any more");
    rig.committed(socket, "x", ACK);
    let expected = [answer("x", Answer::Ack), Effect::Close(1001), parting("requested"), REQUESTED()];
    assert_eq!(rig.asked(), expected);
    assert_eq!(rig.wait(), Duration::ZERO);
}

#[test]
fn a_reconnect_leaves_the_socket_in_order_and_dials_at_once() {
    let (mut rig, socket) = busy();
    rig.reconnect();
    assert_eq!(rig.asked(), [], "connected until it has left");
    assert!(!rig.reads());
    rig.committed(socket, "x", ACK);
    let expected = [answer("x", Answer::Ack), Effect::Close(1001), parting("requested"), REQUESTED()];
    assert_eq!(rig.asked(), expected);
    assert_eq!((rig.wait(), rig.session.view().attempt), (Duration::ZERO, 0));
}

#[test]
fn a_reconnect_is_no_failure_when_the_socket_ends_by_itself_meanwhile() {
    let (mut rig, _) = busy();
    rig.reconnect();
    rig.ended(&Ending::Eof);
    assert_eq!(rig.asked(), [parting("eof"), REQUESTED()]);
    assert_eq!((rig.wait(), rig.session.view().attempt), (Duration::ZERO, 0));
}

#[test]
fn a_reconnect_from_any_lane_dials_at_once_and_forgets_what_went_wrong() {
    let slow = Ending::Rejected { status: 401, retry_after: None };
    let mut rig = Rig::dialling();
    for _ in 0..5 {
        rig.ended(&slow);
        rig.dial();
    }
    rig.ended(&slow);
    assert!(rig.wait() > 1000 * SECOND);
    rig.asked();
    rig.reconnect();
    assert_eq!(rig.asked(), [REQUESTED()], "no dial had begun");
    assert_eq!((rig.wait(), rig.session.view().attempt), (Duration::ZERO, 0));
    for _ in 0..3 {
        rig.dial();
        rig.ended(&slow);
    }
    assert!(rig.wait() <= 330 * SECOND, "the lane begins anew");
}

#[test]
fn a_reconnect_begins_a_dial_under_way_again() {
    let mut rig = Rig::dialling();
    rig.asked();
    rig.reconnect();
    assert_eq!(rig.asked(), [parting("requested"), REQUESTED()]);
    assert_eq!(rig.wait(), Duration::ZERO);
    rig.upgrade();
    assert_eq!(rig.asked(), [Effect::Close(1001)], "of the old dial nothing is wanted");
    assert_eq!(rig.wait(), Duration::ZERO);
}

#[test]
fn a_reconnect_while_paused_changes_nothing() {
    let (mut rig, _) = busy();
    rig.pause();
    rig.asked();
    rig.reconnect();
    assert_eq!(rig.asked(), []);
    rig.pass(3 * SECOND);
    rig.asked();
    rig.reconnect();
    assert!(rests(&mut rig));
}

#[test]
fn what_was_asked_for_last_follows() {
    let (mut rig, _) = busy();
    rig.reconnect();
    rig.pause();
    assert_eq!(rig.asked(), [PAUSED()]);
    rig.pass(3 * SECOND);
    assert_eq!(rig.asked(), [Effect::Close(1001), parting("paused")]);
    assert!(rests(&mut rig));
}

#[test]
fn the_service_may_die_while_it_is_left() {
    let (mut rig, _) = busy();
    rig.pass(59 * SECOND);
    rig.pause();
    rig.asked();
    rig.pass(SECOND);
    let asked = rig.asked();
    assert_eq!(asked[asked.len() - 2..], [Effect::Drop, parting("dead_peer")]);
    assert!(rests(&mut rig));
}
