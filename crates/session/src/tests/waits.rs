use super::*;
use crate::waits::{Opened, Waits};

fn settle(id: &str, answer: Answer, by: Settlement) -> Effect {
    Effect::Settle { push_id: id.into(), answer, by }
}

fn confirmed(on_timeout: Option<Answer>) -> AnswerConfig {
    AnswerConfig { policy: AckPolicy::Confirmed, on_timeout, ..AnswerConfig::default() }
}

/// An open socket with a push x that waits at position 5.
fn waiting(on_timeout: Option<Answer>) -> (Rig, SocketId) {
    let (mut rig, socket) = Rig::open();
    rig.session.set_answers(confirmed(on_timeout));
    rig.waits(socket, "x", 5);
    assert_eq!(rig.asked(), [store("x", socket)]);
    (rig, socket)
}

/// Time passes, the service being heard every so often.
fn live(rig: &mut Rig, time: Duration) {
    let end = rig.now + time;
    while rig.now < end {
        rig.frame(Frame::Pong);
        rig.pass((end - rig.now).min(10 * SECOND));
    }
}

fn settlements(rig: &mut Rig) -> Vec<Effect> {
    rig.asked().into_iter().filter(|effect| matches!(effect, Effect::Settle { .. })).collect()
}

#[test]
fn a_durable_push_that_waits_is_not_answered() {
    let (rig, _) = waiting(None);
    let view = rig.session.view();
    assert_eq!((view.waits, view.in_flight), (1, 0), "nor does it hold the journal's room");
}

#[test]
fn the_first_word_is_the_answer() {
    for word in [Answer::Ack, Answer::Nack] {
        let (mut rig, _) = waiting(None);
        rig.word("x", word);
        rig.word("x", Answer::Ack);
        assert_eq!(rig.asked(), [answer("x", word)]);
        assert_eq!(rig.session.view().waits, 0);
    }
}

#[test]
fn a_word_about_a_push_that_does_not_wait_changes_nothing() {
    let (mut rig, _) = waiting(None);
    rig.word("y", Answer::Ack);
    assert_eq!(rig.asked(), []);
    assert_eq!(rig.session.view().waits, 1);
}

#[test]
fn a_repeat_joins_the_wait_and_is_answered_once() {
    let (mut rig, socket) = waiting(None);
    rig.push("x");
    rig.repeated(socket, "x", CommitOutcome::Awaits(at(5)));
    rig.asked();
    assert_eq!(rig.session.view().waits, 1);
    rig.word("x", Answer::Ack);
    assert_eq!(rig.asked(), [answer("x", Answer::Ack)]);
}

#[test]
fn the_answer_goes_to_the_newest_socket_by_which_the_push_came() {
    let (mut rig, first) = waiting(None);
    rig.ended(&Ending::Eof);
    let second = rig.next_socket();
    rig.push("x");
    rig.repeated(second, "x", CommitOutcome::Awaits(at(5)));
    rig.push("y");
    rig.repeated(first, "y", CommitOutcome::Awaits(at(6)));
    rig.asked();
    rig.word("x", Answer::Ack);
    rig.word("y", Answer::Ack);
    assert_eq!(rig.asked(), [answer("x", Answer::Ack), Effect::Ignored("stale_answer")]);
}

#[test]
fn a_late_commit_of_an_older_socket_does_not_take_the_wait_back() {
    let (mut rig, first) = waiting(None);
    rig.push("x");
    rig.ended(&Ending::Eof);
    let second = rig.next_socket();
    rig.push("x");
    rig.repeated(second, "x", CommitOutcome::Awaits(at(5)));
    rig.repeated(first, "x", CommitOutcome::Awaits(at(5)));
    rig.asked();
    rig.word("x", Answer::Nack);
    assert_eq!(rig.asked(), [answer("x", Answer::Nack)]);
}

#[test]
fn a_word_while_there_is_no_socket_ends_the_wait() {
    let (mut rig, _) = waiting(None);
    rig.ended(&Ending::Eof);
    assert_eq!(rig.session.view().waits, 1, "the end of a socket leaves waits open");
    rig.asked();
    rig.word("x", Answer::Ack);
    assert_eq!(rig.asked(), [Effect::Ignored("stale_answer")]);
    assert_eq!(rig.session.view().waits, 0);
}

#[test]
fn the_deadline_decides_when_nobody_speaks() {
    for word in [Answer::Ack, Answer::Nack] {
        let (mut rig, _) = waiting(Some(word));
        live(&mut rig, Duration::from_millis(29_999));
        assert_eq!(settlements(&mut rig), []);
        live(&mut rig, Duration::from_millis(1));
        assert_eq!(settlements(&mut rig), [settle("x", word, Settlement::Deadline)]);
        rig.settled("x", Some(word));
        assert_eq!(rig.asked(), [answer("x", word)]);
        live(&mut rig, 60 * SECOND);
        assert_eq!(settlements(&mut rig), []);
    }
}

#[test]
fn a_word_that_the_journal_recorded_first_stands_against_the_deadline() {
    let (mut rig, _) = waiting(Some(Answer::Nack));
    live(&mut rig, 30 * SECOND);
    rig.asked();
    rig.word("x", Answer::Ack);
    rig.settled("x", Some(Answer::Ack));
    assert_eq!(rig.asked(), [answer("x", Answer::Ack)]);
    let (mut rig, _) = waiting(Some(Answer::Nack));
    live(&mut rig, 30 * SECOND);
    rig.asked();
    rig.settled("x", Some(Answer::Ack));
    rig.word("x", Answer::Ack);
    assert_eq!(rig.asked(), [answer("x", Answer::Ack)], "in whichever order it is told");
}

#[test]
fn an_answer_that_could_not_be_recorded_is_not_given() {
    let (mut rig, _) = waiting(Some(Answer::Nack));
    live(&mut rig, 30 * SECOND);
    rig.asked();
    rig.settled("x", None);
    assert_eq!(rig.asked(), []);
    assert_eq!(rig.session.view().waits, 0);
}

#[test]
fn without_an_answer_for_it_the_deadline_just_ends_the_wait() {
    let (mut rig, socket) = waiting(None);
    live(&mut rig, 30 * SECOND);
    assert_eq!(settlements(&mut rig), []);
    assert_eq!(rig.session.view().waits, 0);
    rig.waits(socket, "x", 5);
    assert_eq!(rig.session.view().waits, 1, "and the repeat opens a new one");
}

#[test]
fn the_deadline_of_a_push_whose_socket_is_gone_just_ends_the_wait() {
    let (mut rig, _) = waiting(Some(Answer::Nack));
    rig.ended(&Ending::Eof);
    rig.next_socket();
    live(&mut rig, 30 * SECOND);
    assert_eq!(settlements(&mut rig), []);
    assert_eq!(rig.session.view().waits, 0);
}

#[test]
fn waits_end_in_time_while_there_is_no_socket() {
    let (mut rig, _) = waiting(Some(Answer::Nack));
    rig.ended(&Ending::Rejected { status: 404, retry_after: None });
    rig.pass(Duration::from_millis(29_999));
    assert_eq!(rig.session.view().waits, 1);
    rig.pass(Duration::from_millis(1));
    assert_eq!(rig.session.view().waits, 0);
    assert_eq!(settlements(&mut rig), []);
}

#[test]
fn a_wait_that_is_over_is_not_joined_though_its_tick_is_late() {
    let (mut rig, _) = waiting(Some(Answer::Nack));
    rig.ended(&Ending::Eof);
    let second = rig.next_socket();
    rig.now += 30 * SECOND;
    rig.waits(second, "x", 5);
    assert_eq!(rig.asked(), [store("x", second)]);
    live(&mut rig, 29 * SECOND);
    assert_eq!(settlements(&mut rig), [], "the new wait has a deadline of its own");
    live(&mut rig, SECOND);
    assert_eq!(settlements(&mut rig), [settle("x", Answer::Nack, Settlement::Deadline)]);
}

#[test]
fn a_repeat_keeps_the_first_deadline() {
    let (mut rig, socket) = waiting(Some(Answer::Nack));
    live(&mut rig, 20 * SECOND);
    rig.waits(socket, "x", 5);
    live(&mut rig, 10 * SECOND);
    assert_eq!(settlements(&mut rig), [settle("x", Answer::Nack, Settlement::Deadline)]);
}

#[test]
fn a_repeat_joins_while_the_answer_is_being_recorded() {
    let (mut rig, _) = waiting(Some(Answer::Nack));
    live(&mut rig, 30 * SECOND);
    rig.ended(&Ending::Eof);
    let second = rig.next_socket();
    rig.waits(second, "x", 5);
    live(&mut rig, 60 * SECOND);
    assert_eq!(settlements(&mut rig), [], "it is settled once");
    rig.settled("x", Some(Answer::Nack));
    assert_eq!(rig.asked(), [answer("x", Answer::Nack)], "on the newest socket");
}

#[test]
fn a_delivered_push_is_acked_once_that_is_recorded() {
    let (mut rig, _) = waiting(Some(Answer::Nack));
    rig.delivered(0, 4);
    rig.delivered(5, 9);
    rig.delivered(9, 2);
    assert_eq!(rig.asked(), [], "only what was written counts");
    rig.delivered(4, 5);
    rig.delivered(0, 9);
    assert_eq!(rig.asked(), [settle("x", Answer::Ack, Settlement::Delivered)], "once");
    live(&mut rig, 60 * SECOND);
    assert_eq!(settlements(&mut rig), [], "nor by the deadline");
    rig.settled("x", Some(Answer::Ack));
    assert_eq!(rig.asked(), [answer("x", Answer::Ack)]);
}

#[test]
fn a_delivery_settles_every_wait_in_its_range() {
    let (mut rig, socket) = Rig::open();
    for (id, seq) in [("a", 3), ("b", 7), ("c", 8), ("d", 12)] {
        rig.waits(socket, id, seq);
    }
    rig.asked();
    rig.delivered(3, 8);
    let expected = ["b", "c"].map(|id| settle(id, Answer::Ack, Settlement::Delivered));
    assert_eq!(rig.asked(), expected);
}

#[test]
fn a_delivery_counts_while_there_is_no_socket() {
    let (mut rig, _) = waiting(Some(Answer::Nack));
    rig.ended(&Ending::Eof);
    rig.asked();
    rig.delivered(0, 5);
    assert_eq!(rig.asked(), [settle("x", Answer::Ack, Settlement::Delivered)], "the repeat gets it");
}

#[test]
fn a_changed_policy_leaves_deadlines_and_changes_what_happens_at_them() {
    let (mut rig, socket) = waiting(Some(Answer::Nack));
    live(&mut rig, 10 * SECOND);
    let timeout = 5 * SECOND;
    rig.session.set_answers(AnswerConfig { timeout, ..confirmed(Some(Answer::Ack)) });
    rig.waits(socket, "y", 6);
    live(&mut rig, 5 * SECOND);
    assert_eq!(settlements(&mut rig), [settle("y", Answer::Ack, Settlement::Deadline)]);
    live(&mut rig, 15 * SECOND);
    assert_eq!(settlements(&mut rig), [settle("x", Answer::Ack, Settlement::Deadline)]);
}

#[test]
fn a_repeat_that_is_answered_by_policy_ends_the_wait() {
    let (mut rig, socket) = waiting(Some(Answer::Nack));
    rig.push("x");
    rig.repeated(socket, "x", ACK);
    assert_eq!(rig.asked(), [store("x", socket), answer("x", Answer::Ack)]);
    live(&mut rig, 60 * SECOND);
    assert_eq!(settlements(&mut rig), []);
}

#[test]
fn quarantine_is_answered_as_the_tenant_wants() {
    for word in [Answer::Ack, Answer::Nack] {
        let (mut rig, socket) = Rig::open();
        rig.session.set_answers(AnswerConfig { on_quarantine: word, ..AnswerConfig::default() });
        rig.committed(socket, "x", CommitOutcome::Quarantined);
        assert_eq!(rig.asked(), [answer("x", word)]);
    }
}

#[test]
fn a_wait_without_end_needs_no_special_number() {
    let (mut rig, socket) = Rig::open();
    rig.session.set_answers(AnswerConfig { timeout: Duration::MAX, ..confirmed(None) });
    rig.waits(socket, "x", 1);
    assert_eq!(rig.session.view().waits, 1);
}

#[test]
fn there_are_only_so_many_waits() {
    let (mut rig, socket) = Rig::open();
    for seq in 0..MAX_WAITS as u64 {
        rig.committed(socket, &seq.to_string(), CommitOutcome::Awaits(at(seq)));
    }
    rig.asked();
    rig.committed(socket, "more", CommitOutcome::Awaits(at(70_000)));
    rig.committed(socket, "7", CommitOutcome::Awaits(at(7)));
    assert_eq!(rig.asked(), [Effect::Ignored("waits_full")], "a repeat still joins");
    assert_eq!(rig.session.view().waits, MAX_WAITS);
    rig.word("7", Answer::Ack);
    rig.committed(socket, "more", CommitOutcome::Awaits(at(70_000)));
    assert_eq!(rig.asked(), [answer("7", Answer::Ack)]);
}

#[test]
fn a_push_that_was_stored_anew_waits_at_its_new_position() {
    let mut waits = Waits::default();
    let (x, now) = (PushId::from("x"), Instant::now());
    assert_eq!(waits.open(x.clone(), at(5), SocketId(1), now), Opened::Waits);
    assert_eq!(waits.open(x.clone(), at(9), SocketId(2), now + SECOND), Opened::Waits);
    assert_eq!((waits.len(), waits.next_deadline()), (1, Some(now + SECOND)));
    assert_eq!(waits.settle(at(0), at(8)), []);
    assert_eq!(waits.settle(at(8), at(9)), std::slice::from_ref(&x));
    assert_eq!(waits.next_deadline(), None);
    assert_eq!(waits.close(&x), Some(SocketId(2)));
    assert_eq!((waits.len(), waits.close(&x)), (0, None));
}
