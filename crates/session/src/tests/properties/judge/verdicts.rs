use proptest::prelude::*;

use super::{Aim, Judge, Verdict};
use crate::tests::*;

/// What a session asked for and shows, held against what the world knows.
impl Judge {
    pub(super) fn judge_answer(&mut self, push_id: PushId, answer: Answer) -> Verdict {
        let socket = self.socket().ok_or_else(|| TestCaseError::fail("an answer without a socket"))?;
        let recorded = self.journal.answer(&push_id);
        prop_assert!(answer == Answer::Nack || recorded == Some(Answer::Ack), "an ACK that is not durable");
        let came = self.unanswered.get_mut(&(socket, push_id.clone())).filter(|came| **came > 0);
        *came.ok_or_else(|| TestCaseError::fail("more answers than pushes"))? -= 1;
        let due = self.due.get_mut(&(socket, push_id, answer)).filter(|due| **due > 0);
        *due.ok_or_else(|| TestCaseError::fail("an answer before its time"))? -= 1;
        Ok(())
    }

    pub(super) fn judge_settle(&mut self, push_id: PushId, answer: Answer, by: Settlement) -> Verdict {
        prop_assert!(!self.recording.iter().any(|(other, ..)| *other == push_id), "settled twice");
        let settled = (push_id, answer, by);
        let place = self.expected.iter().position(|expected| *expected == settled);
        self.expected.swap_remove(place.ok_or_else(|| TestCaseError::fail(format!("{settled:?} too early")))?);
        self.recording.push(settled);
        Ok(())
    }

    pub(super) fn judge_state(
        &mut self,
        state: ConnectionState,
        reason: Option<String>,
        ended: Option<&str>,
    ) -> Verdict {
        use ConnectionState::{Connected, Connecting, Draining, Paused, Waiting};
        match (self.aim, state) {
            (Aim::Paused, Paused) | (Aim::Drained, Draining) | (Aim::Line, Waiting) => {}
            (Aim::Line, Connecting) => prop_assert!(self.dialling),
            (Aim::Line, Connected) => {
                prop_assert!(self.open.is_some());
                prop_assert!(reason.is_none() || reason.as_deref() == Some("shedding"));
            }
            (Aim::Line, _) => prop_assert_eq!(ended, reason.as_deref(), "no summary came before"),
            _ => return Err(TestCaseError::fail(format!("{state:?} is not what was asked for"))),
        }
        let shown = Some((state, reason));
        prop_assert!(self.shown != shown, "{shown:?} twice");
        self.shown = shown;
        Ok(())
    }

    pub(super) fn judge_wait(&self, wait: Duration, progressed: bool) -> Verdict {
        let state = self.shown.as_ref().map(|(state, _)| *state);
        let attempt = self.rig.session.view().attempt;
        let whole = (SECOND * 2u32.pow(attempt.saturating_sub(1).min(10))).min(60 * SECOND);
        let (least, most) = match state {
            Some(ConnectionState::Backoff) if progressed => (SECOND, 3 * SECOND / 2),
            Some(ConnectionState::Backoff) => (whole / 2, whole),
            Some(ConnectionState::RateLimited) => (whole / 2, 990 * SECOND),
            Some(ConnectionState::AuthFailed) => (300 * SECOND, 3600 * SECOND),
            Some(ConnectionState::Misconfigured) => (60 * SECOND, 600 * SECOND),
            Some(ConnectionState::Waiting) => (Duration::ZERO, Duration::ZERO),
            other => return Err(TestCaseError::fail(format!("a redial after {other:?}"))),
        };
        prop_assert!(wait >= least && wait <= most, "{:?} after {:?}, attempt {}", wait, state, attempt);
        Ok(())
    }

    /// Attempts grow one by one, and are forgotten only by a connection that lived for long enough, by progress or by
    /// an operator.
    pub(super) fn judge_attempts(&mut self) -> Verdict {
        let attempt = self.rig.session.view().attempt;
        if attempt < self.attempt {
            prop_assert!(attempt <= 1 && self.forgets, "{} attempts were forgotten", self.attempt);
        }
        prop_assert!(attempt <= self.attempt + 1);
        self.attempt = attempt;
        self.forgets = false;
        Ok(())
    }

    pub(super) fn judge_view(&self) -> Verdict {
        let view = self.rig.session.view();
        let limit = config().in_flight;
        prop_assert_eq!(view.in_flight, self.given.len());
        prop_assert_eq!(view.in_flight_bytes, self.given.iter().map(|given| given.bytes).sum::<usize>());
        prop_assert!(view.in_flight <= limit.pushes);
        let others = self.given.last().map_or(0, |last| view.in_flight_bytes - last.bytes);
        prop_assert!(others < limit.bytes, "the limit and one push");
        prop_assert_eq!(view.waits, self.waits.len());
        prop_assert_eq!(view.socket, self.socket());
        prop_assert_eq!(view.redial_at, self.planned);
        let to_come = self.dialling || self.open.is_some();
        prop_assert_eq!(
            view.redial_at.is_some(),
            self.aim == Aim::Line && !to_come,
            "nothing or two things are to come"
        );
        prop_assert!(self.aim == Aim::Line || !self.dialling, "a dial that nobody wants");
        if self.room == Room::Ample && view.in_flight * 2 < limit.pushes && view.in_flight_bytes * 2 < limit.bytes {
            let leaving = self.open.as_ref().is_some_and(|open| open.leaving_by.is_some());
            prop_assert!(leaving || self.rig.reads(), "there is room, and nothing is read");
            let sheds = self.shown.as_ref().is_some_and(|(_, reason)| reason.as_deref() == Some("shedding"));
            prop_assert!(!sheds, "there is room, and pushes are shed");
        }
        Ok(())
    }

    /// Whatever is due has a tick that comes in time.
    pub(super) fn judge_ticks(&self) -> Verdict {
        let armed_by = |due: Instant| self.rig.armed().is_some_and(|at| at <= due);
        let idle = self.waits.values().filter(|wait| !wait.settling);
        prop_assert!(idle.map(|wait| wait.deadline).all(armed_by), "nobody will say that a wait is over");
        if let Some(open) = &self.open {
            prop_assert!(armed_by(self.rig.now + config().heartbeat.dead_after), "an open socket without a tick");
            let rests = open.leaving_by.is_none() && !self.rig.reads();
            let hold = self.rig.now + config().heartbeat.every / 3;
            prop_assert!(!rests || armed_by(hold), "nobody will say that reading goes on");
            prop_assert!(open.leaving_by.is_none_or(armed_by), "nobody will say that leaving takes too long");
            let done = open.leaving_by.is_some() && self.given.is_empty();
            prop_assert!(!done, "there is nothing to wait for");
        }
        Ok(())
    }
}
