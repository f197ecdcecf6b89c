use super::*;

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
        let slow = state(ConnectionState::AuthFailed, Some("http_403"));
        assert_eq!(rig.asked(), [ended("http_403", Lane::Auth), slow]);
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
    let waiting = state(ConnectionState::Waiting, Some("requested"));
    assert_eq!(rig.asked(), [ended("requested", Lane::AtOnce), waiting]);
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
fn the_reason_of_a_redial_stays_until_the_dial_begins() {
    let (mut rig, _) = Rig::open();
    rig.ended(&Ending::Requested);
    rig.asked();
    rig.dial();
    assert_eq!(rig.asked(), [state(ConnectionState::Connecting, None)]);
}

#[test]
fn a_failed_dial_is_summed_up_with_the_words_of_the_library() {
    let mut rig = Rig::dialling();
    rig.asked();
    rig.ended(&Ending::Connect("refused\n".to_owned()));
    let detail = Some("refused ".to_owned());
    let summary = Ended { reason: "connect".to_owned(), detail, lane: Lane::Backoff, close: None };
    assert_eq!(rig.asked(), [Effect::Ended(summary), state(ConnectionState::Backoff, Some("connect"))]);
}

#[test]
fn a_peer_that_fell_silent_was_no_good_connection() {
    let mut config = config();
    config.heartbeat.dead_after = 90 * SECOND;
    for heard in [false, true] {
        let mut rig = Rig::with(config.clone(), 1);
        for attempt in 1..=5 {
            rig.dial();
            rig.upgrade();
            if heard {
                rig.frame(Frame::Pong);
            }
            while rig.session.view().socket.is_some() {
                let at = rig.armed().expect("a tick is due");
                rig.tick(at.max(rig.now));
            }
            assert_eq!(rig.session.view().attempt, attempt, "however long its death took");
        }
    }
}

#[test]
fn a_peer_that_never_spoke_was_no_good_connection_however_it_ends() {
    let mut config = config();
    config.heartbeat.dead_after = 90 * SECOND;
    let mut rig = Rig::with(config, 1);
    for attempt in 1..=3 {
        rig.dial();
        rig.upgrade();
        rig.pass(80 * SECOND);
        rig.ended(&Ending::Eof);
        assert_eq!(rig.session.view().attempt, attempt);
    }
}

#[test]
fn a_peer_that_was_heard_late_enough_begins_anew_when_it_dies() {
    let mut rig = Rig::dialling();
    for _ in 0..3 {
        rig.ended(&Ending::Eof);
        rig.dial();
    }
    rig.prove();
    rig.pass(50 * SECOND);
    rig.frame(Frame::Pong);
    rig.pass(10 * SECOND);
    assert_eq!(rig.session.view().attempt, 3, "time alone makes nothing good");
    rig.frame(Frame::Pong);
    assert_eq!(rig.session.view().attempt, 0);
    rig.pass(60 * SECOND);
    assert_eq!(rig.session.view().attempt, 1);
}

/// Sockets that are cut after each of them brought this, as if it were a poison push that makes the service do so.
fn cut_again_and_again(mut bring: impl FnMut(&mut Rig, SocketId, u32)) -> Rig {
    let mut rig = Rig::new(3);
    for round in 1..=8 {
        let socket = rig.next_socket();
        bring(&mut rig, socket, round);
        rig.ended(&Ending::Eof);
    }
    rig
}

#[test]
fn a_socket_that_made_progress_counts_as_the_first_failure() {
    for outcome in [ACK, CommitOutcome::Awaits(at(1))] {
        let rig = cut_again_and_again(|rig, socket, round| {
            let id = round.to_string();
            rig.push(&id);
            rig.committed(socket, &id, outcome);
        });
        assert_eq!(rig.session.view().attempt, 1);
        assert!(rig.wait() >= SECOND && rig.wait() <= 3 * SECOND / 2, "{:?}", rig.wait());
    }
}

#[test]
fn repeats_and_quarantine_are_no_progress() {
    let repeats = cut_again_and_again(|rig, socket, _| {
        rig.push("x");
        rig.repeated(socket, "x", ACK);
    });
    assert_eq!(repeats.session.view().attempt, 8);
    let quarantine = cut_again_and_again(|rig, socket, _| {
        rig.push("x");
        rig.committed(socket, "x", CommitOutcome::Quarantined);
    });
    assert_eq!(quarantine.session.view().attempt, 8);
}

#[test]
fn progress_that_is_known_only_after_the_cut_counts_too() {
    let mut rig = cut_again_and_again(|_, _, _| {});
    let socket = rig.next_socket();
    rig.push("x");
    rig.ended(&Ending::Eof);
    assert_eq!(rig.session.view().attempt, 9);
    rig.committed(socket, "x", ACK);
    assert_eq!(rig.session.view().attempt, 1);
}
