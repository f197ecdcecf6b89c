use std::time::{Duration, Instant};

use pushgate_model::ConnectionState;

use super::{Aim, Phase, Session};
use crate::{Effect, Ended, Ending, Lane, close::GOING_AWAY};

/// How long the answers to what is in flight are waited for when a socket is left in order.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(3);

/// Leaving in order, for an operator. One way for all: with a socket, read no more, answer what is in flight (for 3 s
/// at most, and not for what waits for a subscriber), then [`Effect::Close`] 1001; then what was asked for last.
/// Without one, at once.
impl Session {
    /// An operator switches the tenant off, for `reason`: shown at once. What is planned is cancelled, a socket is left
    /// in order, and nothing is dialled until [`Session::resume`]. While paused only the reason may change.
    pub fn pause(&mut self, reason: &'static str, now: Instant, effects: &mut Vec<Effect>) {
        if self.aim == Aim::Drained {
            return;
        }
        if self.aim == Aim::Line {
            self.aim = Aim::Paused;
            self.halt(effects);
        }
        self.enter(ConnectionState::Paused, Some(reason), effects);
        self.begin_leaving(now, effects);
    }

    /// Ends a pause: dials at once, and counts attempts and refusals from zero. A socket that is still being left is
    /// left to its end first. Without a pause, nothing.
    pub fn resume(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        if self.aim != Aim::Paused {
            return;
        }
        self.aim = Aim::Line;
        self.forgive();
        self.enter(ConnectionState::Waiting, None, effects);
        if matches!(self.phase, Phase::Apart) {
            self.redial_at(now, effects);
        }
    }

    /// An operator asks for a new socket, or what is dialled with changed: dials at once, and counts attempts and
    /// refusals from zero. A socket is left in order first; a dial under way is begun again. Nothing while paused.
    pub fn reconnect(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        if self.aim != Aim::Line {
            return;
        }
        match self.phase {
            Phase::Apart => {}
            Phase::Waiting(_) => {
                self.forgive();
                self.dial_as_requested(now, effects);
            }
            Phase::Dialling => {
                self.forgive();
                self.left(&Ending::Requested, now, effects);
            }
            Phase::Open(_) => {
                self.forgive();
                self.begin_leaving(now, effects);
            }
        }
    }

    /// The gateway stops: shown at once. What is planned is cancelled, a socket is left in order, and nothing is dialled
    /// any more, whatever is asked for later.
    pub fn drain(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        if self.aim != Aim::Drained {
            self.aim = Aim::Drained;
            self.halt(effects);
            self.enter(ConnectionState::Draining, None, effects);
            self.begin_leaving(now, effects);
        }
    }

    /// Neither what is planned nor what is under way is wanted any more.
    fn halt(&mut self, effects: &mut Vec<Effect>) {
        match self.phase {
            Phase::Apart | Phase::Open(_) => {}
            Phase::Waiting(_) => {
                self.phase = Phase::Apart;
                effects.push(Effect::Halt);
            }
            Phase::Dialling => {
                self.phase = Phase::Apart;
                effects.push(Effect::Halt);
                effects.push(Effect::Ended(self.parting(&Ending::Requested)));
            }
        }
    }

    /// Whatever went wrong before does not count any more.
    fn forgive(&mut self) {
        self.backoff.reset();
        self.refusals = 0;
    }

    /// Begins to leave the socket, if there is one; when that has begun before, its time goes on.
    fn begin_leaving(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        if let Phase::Open(open) = &mut self.phase {
            open.leaving_by.get_or_insert(now + LEAVE_TIMEOUT);
            self.finish_leaving(now, effects);
            self.arm(now, effects);
        }
    }

    /// Closes a socket that is being left, once nothing is in flight or its time is over.
    pub(super) fn finish_leaving(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        let Phase::Open(open) = &self.phase else { return };
        if open.leaving_by.is_some_and(|by| self.in_flight.pushes() == 0 || now >= by) {
            effects.push(Effect::Close(GOING_AWAY));
            self.end(&Ending::Requested, now, effects);
        }
    }

    /// What was to be left is no more, by us or by itself: no failure, and what was asked for follows.
    pub(super) fn left(&mut self, ending: &Ending, now: Instant, effects: &mut Vec<Effect>) {
        self.phase = Phase::Apart;
        effects.push(Effect::Ended(self.parting(ending)));
        if self.aim == Aim::Line {
            self.dial_as_requested(now, effects);
        }
    }

    fn dial_as_requested(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        self.enter(ConnectionState::Waiting, Some("requested"), effects);
        self.redial_at(now, effects);
    }

    /// The summary of what an operator's wish has ended, or what ended by itself while it was being left.
    fn parting(&self, ending: &Ending) -> Ended {
        let reason = match (ending, self.aim) {
            (Ending::Requested, Aim::Paused) => "paused".to_owned(),
            (Ending::Requested, Aim::Drained) => "draining".to_owned(),
            (ending, _) => crate::classify::classify(ending, self.refusals).reason,
        };
        Ended::new(ending, reason, Lane::AtOnce)
    }
}
