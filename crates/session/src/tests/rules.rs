use super::*;

#[test]
fn ack_waits_for_commit() {
    let (mut rig, socket) = Rig::open();
    rig.push("x");
    assert_eq!(rig.asked(), [store("x", socket)]);
    rig.pass(5 * SECOND);
    assert!(rig.asked().iter().all(|effect| !matches!(effect, Effect::Answer { .. })));
    rig.committed(socket, "x", CommitOutcome::Stored);
    assert_eq!(rig.asked(), [answer("x", Answer::Ack)]);
}

#[test]
fn a_repeat_is_answered_again() {
    let (mut rig, socket) = Rig::open();
    rig.push("x");
    rig.push("x");
    rig.committed(socket, "x", CommitOutcome::Stored);
    rig.committed(socket, "x", CommitOutcome::Duplicate);
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
    rig.committed(first, "x", CommitOutcome::Stored);
    assert_eq!(rig.asked(), [Effect::Ignored("stale_answer")]);
    rig.push("x");
    rig.committed(second, "x", CommitOutcome::Duplicate);
    assert_eq!(rig.asked().last(), Some(&answer("x", Answer::Ack)));
}

#[test]
fn what_was_not_stored_stays_unanswered() {
    for outcome in [CommitOutcome::Failed, CommitOutcome::Muted] {
        let (mut rig, socket) = Rig::open();
        rig.push("x");
        rig.asked();
        rig.committed(socket, "x", outcome);
        assert_eq!(rig.asked(), []);
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
    let nameless = Committed { socket, push_id: None, bytes: 11, outcome: CommitOutcome::Quarantined };
    rig.session.on_committed(nameless, &mut rig.effects);
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
fn too_much_in_flight_stops_reading_for_a_while_and_then_sheds() {
    let (mut rig, socket) = Rig::open();
    for id in ["a", "b", "c", "d"] {
        assert!(rig.session.wants_read(rig.now));
        rig.push(id);
    }
    assert!(!rig.session.wants_read(rig.now));
    rig.pass(7 * SECOND);
    assert!(rig.session.wants_read(rig.now), "after a third of the heartbeat");
    rig.asked();
    rig.push("e");
    assert_eq!(rig.asked(), [Effect::Ignored("shed")]);
    rig.committed(socket, "a", CommitOutcome::Stored);
    assert!(rig.session.wants_read(rig.now));
    rig.asked();
    rig.push("e");
    assert_eq!(rig.asked(), [store("e", socket)]);
}

#[test]
fn a_tick_comes_when_reading_goes_on() {
    for seed in 0..20 {
        let mut rig = Rig::new(seed);
        rig.dial();
        rig.upgrade();
        rig.frame(Frame::Pong);
        for id in ["a", "b", "c", "d"] {
            rig.push(id);
        }
        let full = rig.now;
        while !rig.session.wants_read(rig.now) {
            let at = rig.armed().expect("a tick is due");
            rig.tick(at);
        }
        assert_eq!(rig.now, full + 20 * SECOND / 3);
    }
}

#[test]
fn what_an_older_socket_left_in_flight_still_counts_until_its_commit() {
    let (mut rig, first) = Rig::open();
    for id in ["a", "b", "c", "d"] {
        rig.push(id);
    }
    rig.ended(&Ending::Eof);
    rig.dial();
    rig.upgrade();
    assert_eq!(rig.session.view().in_flight, 4);
    rig.asked();
    rig.push("e");
    assert_eq!(rig.asked().last(), Some(&Effect::Ignored("shed")));
    rig.committed(first, "a", CommitOutcome::Stored);
    assert_eq!(rig.session.view().in_flight, 3);
    rig.push("e");
    assert_eq!(rig.session.view().in_flight, 4);
}

#[test]
fn bytes_in_flight_count_too() {
    let (mut rig, _) = Rig::open();
    rig.push(&"x".repeat(200));
    assert!(!rig.session.wants_read(rig.now));
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
    rig.frame(Frame::Close(Some(1013)));
    assert_eq!(rig.asked(), [Effect::Close(1013), state(ConnectionState::Backoff, Some("closed_1013"))]);
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
    assert_eq!(asked[asked.len() - 2..], [Effect::Drop, state(ConnectionState::Backoff, Some("dead_peer"))]);
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
        rig.frame(Frame::Close(code));
        assert_eq!(rig.asked()[0], Effect::Close(echo));
        assert!(rig.wait() <= SECOND, "no code is slow");
        assert_eq!(rig.session.view().socket, None);
        rig.ended(&Ending::Eof);
        assert_eq!(rig.session.view().attempt, 1, "the session had moved on");
    }
}

#[test]
fn attempts_count_until_a_connection_was_good_for_long_enough() {
    let mut rig = Rig::dialling();
    for attempt in 1..=3 {
        rig.ended(&Ending::ConnectTimeout);
        assert_eq!(rig.session.view().attempt, attempt);
        rig.dial();
    }
    rig.upgrade();
    rig.frame(Frame::Pong);
    assert_eq!(rig.session.view().attempt, 3, "a connection proves nothing yet");
    rig.pass(59 * SECOND);
    rig.ended(&Ending::Eof);
    assert_eq!(rig.session.view().attempt, 4);
    assert!(rig.wait() >= 4 * SECOND);
    rig.dial();
    rig.upgrade();
    for _ in 0..7 {
        rig.frame(Frame::Pong);
        rig.pass(10 * SECOND);
    }
    assert_eq!(rig.session.view().attempt, 0);
    rig.ended(&Ending::Eof);
    assert!(rig.wait() <= SECOND);
}

#[test]
fn the_delay_doubles_up_to_the_longest() {
    let mut rig = Rig::dialling();
    for attempt in 0..12u32 {
        rig.ended(&Ending::Eof);
        let whole = (SECOND * 2u32.pow(attempt)).min(60 * SECOND);
        assert!(rig.wait() >= whole / 2 && rig.wait() <= whole, "{attempt}: {:?}", rig.wait());
        rig.dial();
    }
}

fn rejected(status: u16, retry_after: Option<Duration>) -> Ending {
    Ending::Rejected { status, retry_after }
}

#[test]
fn a_refused_credential_becomes_slow_the_third_time() {
    let mut rig = Rig::dialling();
    for _ in 0..2 {
        rig.ended(&rejected(401, None));
        assert!(rig.wait() <= 2 * SECOND);
        rig.dial();
    }
    for (least, most) in [(300, 330), (600, 660), (1200, 1320), (2400, 2640), (3272, 3600), (3272, 3600)] {
        rig.asked();
        rig.ended(&rejected(403, None));
        assert_eq!(rig.asked()[0], state(ConnectionState::AuthFailed, Some("http_403")));
        assert!(rig.wait() >= least * SECOND && rig.wait() <= most * SECOND, "{:?}", rig.wait());
        rig.dial();
    }
    rig.upgrade();
    rig.ended(&Ending::Eof);
    rig.dial();
    rig.ended(&rejected(401, None));
    assert!(rig.wait() <= 60 * SECOND, "an upgrade has cleared the record");
}

#[test]
fn retry_after_is_obeyed_and_capped() {
    for (asked, least, most) in [(30, 30, 33), (0, 0, 2), (100_000, 900, 990)] {
        let mut rig = Rig::dialling();
        rig.ended(&rejected(429, Some(asked * SECOND)));
        assert!(rig.wait() >= least * SECOND && rig.wait() <= most * SECOND, "{:?}", rig.wait());
    }
}

#[test]
fn a_rate_limit_that_names_no_time_keeps_to_the_longest_delay() {
    let mut rig = Rig::dialling();
    for _ in 0..100 {
        rig.ended(&rejected(429, None));
        assert!(rig.wait() <= 60 * SECOND, "{:?}", rig.wait());
        rig.dial();
    }
}

#[test]
fn tenants_at_the_end_of_a_slow_lane_do_not_march_in_step() {
    let waits: std::collections::HashSet<Duration> = (0..10)
        .map(|seed| {
            let mut rig = Rig::new(seed);
            for _ in 0..8 {
                rig.dial();
                rig.ended(&rejected(404, None));
            }
            rig.wait()
        })
        .collect();
    assert_eq!(waits.len(), 10);
}

#[test]
fn a_redial_that_was_asked_for_comes_at_once_and_is_no_failure() {
    let (mut rig, _) = Rig::open();
    rig.ended(&Ending::Requested);
    assert_eq!(rig.asked(), [state(ConnectionState::Waiting, Some("requested"))]);
    assert_eq!((rig.wait(), rig.session.view().attempt), (Duration::ZERO, 0));
}

#[test]
fn what_looks_misconfigured_is_tried_slowly() {
    let mut rig = Rig::dialling();
    for (least, most) in [(60, 66), (120, 132), (240, 264), (480, 528), (545, 600)] {
        rig.ended(&rejected(404, None));
        assert!(rig.wait() >= least * SECOND && rig.wait() <= most * SECOND, "{:?}", rig.wait());
        rig.dial();
    }
}

#[test]
fn a_drain_answers_what_is_in_flight_and_closes() {
    let (mut rig, socket) = Rig::open();
    rig.push("x");
    rig.asked();
    rig.session.drain(&mut rig.effects);
    assert_eq!(rig.asked(), [state(ConnectionState::Draining, None)]);
    assert!(!rig.session.wants_read(rig.now));
    rig.committed(socket, "x", CommitOutcome::Stored);
    assert_eq!(rig.asked(), [answer("x", Answer::Ack), Effect::Close(1001)]);
    assert_eq!(rig.session.view().redial_at, None);
}

#[test]
fn a_drain_without_a_socket_never_dials_again() {
    let mut rig = Rig::new(1);
    rig.asked();
    rig.session.drain(&mut rig.effects);
    assert_eq!(rig.asked(), [state(ConnectionState::Draining, None)]);
    assert_eq!(rig.session.view().redial_at, None);
    let (mut rig, _) = Rig::open();
    rig.push("x");
    rig.session.drain(&mut rig.effects);
    rig.ended(&Ending::Eof);
    assert_eq!(rig.session.view().redial_at, None, "also when the socket ends meanwhile");
}

#[test]
fn a_socket_that_comes_after_the_drain_is_closed_at_once() {
    let mut rig = Rig::dialling();
    rig.session.drain(&mut rig.effects);
    rig.asked();
    rig.upgrade();
    assert_eq!(rig.asked(), [Effect::Close(1001)]);
    assert_eq!(rig.session.view().socket, None);
    rig.session.on_dialling(&mut rig.effects);
    rig.session.start(rig.now, &mut rig.effects);
    assert_eq!(rig.effects, [], "nothing begins any more");
}
