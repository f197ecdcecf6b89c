use super::*;

#[test]
fn ack_waits_for_commit() {
    let (mut rig, socket) = Rig::open();
    rig.push("x");
    assert_eq!(rig.asked(), [store("x", socket)]);
    rig.pass(5 * SECOND);
    assert!(rig.asked().iter().all(|effect| !matches!(effect, Effect::Answer { .. })));
    rig.committed(socket, "x", ACK);
    assert_eq!(rig.asked(), [answer("x", Answer::Ack)]);
}

#[test]
fn a_repeat_is_answered_again() {
    let (mut rig, socket) = Rig::open();
    rig.push("x");
    rig.push("x");
    rig.committed(socket, "x", ACK);
    rig.repeated(socket, "x", ACK);
    let expected = [store("x", socket), store("x", socket), answer("x", Answer::Ack), answer("x", Answer::Ack)];
    assert_eq!(rig.asked(), expected);
}

#[test]
fn an_answer_belongs_to_the_socket_of_its_push() {
    let (mut rig, first) = Rig::open();
    rig.push("x");
    rig.ended(&Ending::Eof);
    rig.dial();
    let second = rig.upgrade();
    rig.asked();
    rig.committed(first, "x", ACK);
    assert_eq!(rig.asked(), [Effect::Ignored("stale_answer")]);
    rig.push("x");
    rig.repeated(second, "x", ACK);
    assert_eq!(rig.asked().last(), Some(&answer("x", Answer::Ack)));
}

#[test]
fn what_was_not_stored_stays_unanswered() {
    let muted = vec![Effect::Ignored("muted")];
    for (outcome, told) in [(CommitOutcome::Failed, vec![]), (CommitOutcome::Muted, muted)] {
        let (mut rig, socket) = Rig::open();
        rig.push("x");
        rig.asked();
        rig.committed(socket, "x", outcome);
        assert_eq!(rig.asked(), told);
        assert_eq!(rig.session.view().in_flight, 0);
    }
}

#[test]
fn broken_pushes_go_to_quarantine_and_are_answered_when_their_id_is_known() {
    let broken = Bytes::from_static(b"\x0a\x09\x0a\x02id\x1a\x03\xff\xff\xff");
    let (mut rig, socket) = Rig::open();
    rig.frame(Frame::Binary(broken.clone()));
    let entry = Quarantine { raw: broken.clone(), push_id: Some("id".into()), reason: "malformed", size: 11 };
    assert_eq!(rig.asked(), [Effect::Quarantine { entry, socket, bytes: 11 }]);
    rig.committed(socket, "id", CommitOutcome::Quarantined);
    assert_eq!(rig.asked(), [answer("id", Answer::Nack)]);
    rig.frame(Frame::Oversized { head: broken.clone(), len: 5000 });
    let entry = Quarantine { raw: broken, push_id: Some("id".into()), reason: "too_large", size: 5000 };
    assert_eq!(rig.asked(), [Effect::Quarantine { entry, socket, bytes: 11 }]);
    rig.commit(Committed { socket, push_id: None, bytes: 11, fresh: false, outcome: CommitOutcome::Quarantined });
    assert_eq!(rig.asked(), []);
}

#[test]
fn rubbish_is_ignored_and_counted() {
    let (mut rig, _) = Rig::open();
    rig.frame(Frame::Text);
    rig.frame(Frame::Binary(Bytes::new()));
    assert_eq!(rig.asked(), [Effect::Ignored("text"), Effect::Ignored("unknown")]);
}

#[test]
fn a_ping_is_answered_at_once_with_its_payload() {
    let (mut rig, _) = Rig::open();
    for id in ["a", "b", "c", "d"] {
        rig.push(id);
    }
    rig.asked();
    rig.frame(Frame::Ping(Bytes::from_static(b"p")));
    assert_eq!(rig.asked(), [Effect::Pong(Bytes::from_static(b"p"))], "also while the journal is slow");
}

#[test]
fn connected_means_heard() {
    let mut rig = Rig::dialling();
    assert_eq!(rig.asked(), [state(ConnectionState::Waiting, None), state(ConnectionState::Connecting, None)]);
    rig.upgrade();
    assert_eq!(rig.asked(), [Effect::Ping], "calls for a sign of life");
    rig.frame(Frame::Pong);
    assert_eq!(rig.asked(), [state(ConnectionState::Connected, None)]);
    rig.frame(Frame::Pong);
    assert_eq!(rig.asked(), []);
}

#[test]
fn a_socket_that_is_closed_at_once_was_never_connected() {
    let mut rig = Rig::dialling();
    rig.upgrade();
    rig.asked();
    rig.frame(Frame::Close(close(Some(1013))));
    let mut summary = Ended { reason: "closed_1013".to_owned(), detail: None, lane: Lane::Backoff, close: None };
    summary.close = Some(close(Some(1013)));
    let backoff = state(ConnectionState::Backoff, Some("closed_1013"));
    assert_eq!(rig.asked(), [Effect::Close(1013), Effect::Ended(summary), backoff]);
}

#[test]
fn connected_means_alive_for_two_seconds_at_least() {
    let mut rig = Rig::dialling();
    rig.upgrade();
    rig.pass(Duration::from_millis(1999));
    assert!(!rig.asked().contains(&state(ConnectionState::Connected, None)));
    rig.pass(Duration::from_millis(1));
    assert_eq!(rig.asked(), [state(ConnectionState::Connected, None)]);
}

#[test]
fn pings_go_out_every_so_often_give_or_take_a_fifth() {
    let mut phases = Vec::new();
    for seed in 0..50 {
        let mut rig = Rig::new(seed);
        rig.dial();
        rig.upgrade();
        let mut last = rig.now;
        for ping in 0..10 {
            rig.asked();
            while !rig.effects.contains(&Effect::Ping) {
                let at = rig.armed().expect("a tick is due");
                rig.pass(at - rig.now);
            }
            let since = rig.now - last;
            if ping == 0 {
                phases.push(since);
            } else {
                assert!(since >= 16 * SECOND && since <= 24 * SECOND, "{since:?}");
            }
            last = rig.now;
            rig.frame(Frame::Pong);
        }
    }
    phases.sort();
    assert!(phases[0] < 5 * SECOND && phases[49] > 15 * SECOND && phases[49] <= 20 * SECOND, "at a random phase");
}

#[test]
fn silence_is_death_counted_from_the_upgrade() {
    let mut rig = Rig::dialling();
    rig.upgrade();
    rig.pass(Duration::from_millis(59_999));
    assert!(!rig.effects.contains(&Effect::Drop));
    rig.pass(Duration::from_millis(1));
    let asked = rig.asked();
    let backoff = state(ConnectionState::Backoff, Some("dead_peer"));
    assert_eq!(asked[asked.len() - 3..], [Effect::Drop, ended("dead_peer", Lane::Backoff), backoff]);
    assert!(rig.wait() <= SECOND);
}

#[test]
fn any_frame_is_a_sign_of_life() {
    let frames = [Frame::Pong, Frame::Text, Frame::Binary(push("x")), Frame::Ping(Bytes::new())];
    for frame in frames {
        let (mut rig, _) = Rig::open();
        rig.pass(50 * SECOND);
        rig.frame(frame.clone());
        rig.pass(59 * SECOND);
        assert!(!rig.effects.contains(&Effect::Drop), "{frame:?}");
    }
}

#[test]
fn a_process_that_stood_still_does_not_blame_the_peer() {
    let (mut rig, _) = Rig::open();
    rig.now += 300 * SECOND;
    rig.session.on_tick(rig.now, &mut rig.effects);
    assert!(!rig.effects.contains(&Effect::Drop));
    rig.pass(20 * SECOND);
    assert!(rig.effects.contains(&Effect::Drop), "but only one heartbeat longer");
}

#[test]
fn a_close_is_echoed_and_redialled() {
    let table = [(Some(1000), 1000), (Some(4321), 4321), (None, 1000), (Some(1006), 1000), (Some(5), 1000)];
    for (code, echo) in table {
        let (mut rig, _) = Rig::open();
        rig.frame(Frame::Close(close(code)));
        assert_eq!(rig.asked()[0], Effect::Close(echo));
        assert!(rig.wait() <= SECOND, "no code is slow");
        assert_eq!(rig.session.view().socket, None);
        rig.ended(&Ending::Eof);
        assert_eq!(rig.session.view().attempt, 1, "the session had moved on");
    }
}
