//! A session that gets the frames, and a journal that answers it when it likes.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use proptest::prelude::*;
use pushgate_model::{Answer, PushId};
use pushgate_protocol::{ClientFrame, MAX_ANSWERED_ID, decode_client};
use pushgate_session::{
    AnswerConfig, BackoffConfig, CommitOutcome, Committed, Effect, Frame, HeartbeatConfig, InFlightConfig, Session,
    SessionConfig,
};

use super::HEAD;

const SECOND: Duration = Duration::from_secs(1);
const IN_FLIGHT: InFlightConfig = InFlightConfig { pushes: 4, bytes: 3000 };
/// A frame asks for one thing, and for what follows from its being the first or the last.
const MAX_EFFECTS: usize = 8;

/// Watches a session from outside.
pub(super) struct Judge {
    session: Session,
    max: usize,
    now: Instant,
    /// Given to the journal, without its word.
    given: VecDeque<Committed>,
    /// What the journal does after each frame, over and over.
    words: std::iter::Cycle<std::vec::IntoIter<u8>>,
    left: bool,
}

impl Judge {
    pub(super) fn new(max: usize, words: Vec<u8>) -> Self {
        let config = SessionConfig {
            max_message: max,
            heartbeat: HeartbeatConfig { every: 20 * SECOND, dead_after: 60 * SECOND },
            backoff: BackoffConfig { initial: SECOND, max: 60 * SECOND, healthy_after: 60 * SECOND },
            in_flight: IN_FLIGHT,
            answers: AnswerConfig::default(),
        };
        let (mut session, now, mut effects) = (Session::new(config, 1), Instant::now(), Vec::new());
        session.start(now, &mut effects);
        session.on_due(&mut effects);
        session.on_dialling(&mut effects);
        session.on_upgraded(now, &mut effects);
        Self { session, max, now, given: VecDeque::new(), words: words.into_iter().cycle(), left: false }
    }

    /// What comes after the session left its socket is not read.
    pub(super) fn on_frame(&mut self, frame: Frame) -> Result<(), TestCaseError> {
        if self.left {
            return Ok(());
        }
        let word = self.words.next().unwrap_or_default();
        if !self.session.wants_read(self.now) {
            // Either the journal goes on, or the time is over after which frames are read and shed.
            if word & 1 == 0 { self.commit(word)? } else { self.now += 7 * SECOND }
        }
        let mut effects = Vec::new();
        self.session.on_frame(frame, self.now, &mut effects);
        prop_assert!(effects.len() <= MAX_EFFECTS, "{:?}", effects);
        self.look(effects)?;
        for n in 0..word >> 5 {
            self.commit(word >> n)?;
        }
        self.judge_view()
    }

    /// The journal has its last words; nothing stays in flight.
    pub(super) fn finish(&mut self) -> Result<(), TestCaseError> {
        while !self.given.is_empty() {
            self.commit(0)?;
        }
        let view = self.session.view();
        prop_assert_eq!((view.in_flight, view.in_flight_bytes), (0, 0));
        Ok(())
    }

    fn look(&mut self, effects: Vec<Effect>) -> Result<(), TestCaseError> {
        for effect in effects {
            match effect {
                Effect::Store { push, socket, bytes } => {
                    prop_assert!(bytes <= self.max && bytes == push.size());
                    let (push_id, outcome) = (Some(push.id), CommitOutcome::Failed);
                    self.give(Committed { socket, push_id, bytes, fresh: false, outcome })?;
                }
                Effect::Quarantine { entry, socket, bytes } => {
                    prop_assert!(entry.raw.len() <= self.max.max(HEAD) && bytes == entry.raw.len());
                    prop_assert!(entry.size >= entry.raw.len() as u64);
                    let outcome = CommitOutcome::Quarantined;
                    self.give(Committed { socket, push_id: entry.push_id, bytes, fresh: false, outcome })?;
                }
                Effect::Answer { push_id, answer, frame } => {
                    let expected = ClientFrame::Answer { push_id, answer };
                    prop_assert_eq!(decode_client(&frame, frame.len()), Ok(expected));
                }
                Effect::Close(_) | Effect::Drop => self.left = true,
                _ => {}
            }
        }
        Ok(())
    }

    fn give(&mut self, committed: Committed) -> Result<(), TestCaseError> {
        let id = committed.push_id.as_ref().map(PushId::as_str);
        prop_assert!(id.is_none_or(|id| (1..=MAX_ANSWERED_ID).contains(&id.len())));
        self.given.push_back(committed);
        Ok(())
    }

    /// The journal's word about the push that waits longest.
    fn commit(&mut self, word: u8) -> Result<(), TestCaseError> {
        let Some(mut committed) = self.given.pop_front() else { return Ok(()) };
        if committed.outcome != CommitOutcome::Quarantined && word & 4 == 0 {
            committed.outcome = CommitOutcome::Answered(Answer::Ack);
            committed.fresh = word & 8 == 0;
        }
        let owed = committed.push_id.is_some() && committed.outcome != CommitOutcome::Failed && !self.left;
        let mut effects = Vec::new();
        self.session.on_committed(committed, self.now, &mut effects);
        let answers = effects.iter().filter(|effect| matches!(effect, Effect::Answer { .. })).count();
        prop_assert_eq!(answers, usize::from(owed));
        self.look(effects)
    }

    fn judge_view(&self) -> Result<(), TestCaseError> {
        let view = self.session.view();
        prop_assert_eq!(view.in_flight, self.given.len());
        prop_assert!(view.in_flight <= IN_FLIGHT.pushes);
        prop_assert!(view.in_flight_bytes < IN_FLIGHT.bytes + self.max.max(HEAD), "the limit and one push");
        Ok(())
    }
}
