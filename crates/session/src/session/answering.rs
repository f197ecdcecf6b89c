use std::time::{Duration, Instant};

use pushgate_model::{Answer, PushId, Seq};
use pushgate_protocol::encode_answer;

use super::{Phase, Session};
use crate::{CommitOutcome, Committed, Effect, Settlement, SocketId, waits::Opened};

/// Stands for "never": a deadline so far away can be added to every time.
const LONGEST_WAIT: Duration = Duration::from_secs(365 * 86_400);

/// What the service is answered, and when.
impl Session {
    /// The journal's word about a push: the only way to an ACK that needs no subscriber.
    pub fn on_committed(&mut self, committed: Committed, now: Instant, effects: &mut Vec<Effect>) {
        let Committed { socket, push_id, bytes, fresh, outcome } = committed;
        self.in_flight.remove(bytes, now);
        // A repeat must not join a wait that is over.
        self.expire_waits(now, effects);
        match (outcome, push_id) {
            (CommitOutcome::Answered(answer), Some(push_id)) => {
                // Decided by another way meanwhile: by policy, once that was changed.
                self.waits.close(&push_id);
                self.answer(push_id, answer, socket, effects);
            }
            (CommitOutcome::Awaits(seq), Some(push_id)) => {
                let deadline = now + self.config.answers.timeout.min(LONGEST_WAIT);
                if self.waits.open(push_id, seq, socket, deadline) == Opened::Full {
                    effects.push(Effect::Ignored("waits_full"));
                }
            }
            (CommitOutcome::Muted, _) => effects.push(Effect::Ignored("muted")),
            (CommitOutcome::Quarantined, Some(push_id)) => {
                self.answer(push_id, self.config.answers.on_quarantine, socket, effects);
            }
            _ => {}
        }
        if fresh && matches!(outcome, CommitOutcome::Answered(_) | CommitOutcome::Awaits(_)) {
            self.progress(socket);
        }
        self.show_pressure(now, effects);
        self.finish_leaving(now, effects);
        self.arm(now, effects);
    }

    /// A push became durable by this socket for the first time: however the socket ends, it was of some use. A push that
    /// cuts the line each time it is sent must not keep the tenant's other pushes waiting for ever longer.
    fn progress(&mut self, socket: SocketId) {
        match &mut self.phase {
            Phase::Open(open) if open.socket == socket => open.progressed = true,
            // The newest socket, cut before its commit: what comes next is what counts.
            _ if socket.0 == self.last_socket => self.backoff.progressed(),
            _ => {}
        }
    }

    /// An answer belongs to the socket by which its push came; when that one is gone, the service sends it again.
    fn answer(&self, push_id: PushId, answer: Answer, socket: SocketId, effects: &mut Vec<Effect>) {
        if self.socket() == Some(socket) {
            let frame = encode_answer(&push_id, answer);
            effects.push(Effect::Answer { push_id, answer, frame });
        } else {
            effects.push(Effect::Ignored("stale_answer"));
        }
    }

    /// Pushes were written to a subscriber: all kept ones above `after`, up to and with `upto`. Those that wait are acked
    /// once the journal has recorded it.
    pub fn on_delivered(&mut self, after: Seq, upto: Seq, effects: &mut Vec<Effect>) {
        let settle = |push_id| Effect::Settle { push_id, answer: Answer::Ack, by: Settlement::Delivered };
        effects.extend(self.waits.settle(after, upto).into_iter().map(settle));
    }

    /// A subscriber's word about a push; the journal has recorded it.
    pub fn on_word(&mut self, push_id: &PushId, answer: Answer, effects: &mut Vec<Effect>) {
        if let Some(socket) = self.waits.close(push_id) {
            self.answer(push_id.clone(), answer, socket, effects);
        }
    }

    /// The journal's word about an [`Effect::Settle`]: the answer that stands now, also when another one came first;
    /// nothing when it could not be recorded, so that the push stays unanswered and the service sends it again.
    pub fn on_settled(&mut self, push_id: &PushId, answer: Option<Answer>, effects: &mut Vec<Effect>) {
        if let (Some(socket), Some(answer)) = (self.waits.close(push_id), answer) {
            self.answer(push_id.clone(), answer, socket, effects);
        }
    }

    /// Settles what nobody spoke about in time. Where nothing is to be answered, or on no socket any more, the wait just
    /// ends: the service sends the push again, and the repeat opens a new one.
    pub(super) fn expire_waits(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        while let Some((push_id, socket)) = self.waits.pop_overdue(now) {
            match self.config.answers.on_timeout {
                Some(answer) if self.socket() == Some(socket) => {
                    effects.push(Effect::Settle { push_id, answer, by: Settlement::Deadline });
                }
                _ => {
                    self.waits.close(&push_id);
                }
            }
        }
    }
}
