use std::collections::HashMap;

use super::{Wish, at};
use crate::{CommitOutcome, Settlement};
use pushgate_model::{Answer, PushId, Seq};

/// The truth about answers, in small: what it says, it says to the session in the same order.
#[derive(Default)]
pub(super) struct Journal {
    pushes: HashMap<PushId, Record>,
}

struct Record {
    seq: Seq,
    /// Nothing while due.
    answer: Option<Answer>,
    /// A NACK that nobody but the deadline decided: a repeat undoes it.
    by_deadline: bool,
}

impl Journal {
    /// Stores a push. What becomes of it, and whether it is new.
    pub(super) fn push(&mut self, push_id: &PushId, wish: Wish) -> (CommitOutcome, bool) {
        let wished = match wish {
            Wish::Answer(answer) => Some(answer),
            Wish::Await => None,
            Wish::Mute | Wish::Fail => return (CommitOutcome::Failed, false),
        };
        let next = at(self.pushes.len() as u64 + 1);
        let fresh = !self.pushes.contains_key(push_id);
        let record =
            self.pushes.entry(push_id.clone()).or_insert(Record { seq: next, answer: None, by_deadline: false });
        if record.answer.is_none() || record.by_deadline {
            record.answer = wished;
            record.by_deadline = false;
        }
        (record.answer.map_or(CommitOutcome::Awaits(record.seq), CommitOutcome::Answered), fresh)
    }

    /// Records a subscriber's word: whether it is the first.
    pub(super) fn word(&mut self, push_id: &PushId, word: Answer) -> bool {
        match self.pushes.get_mut(push_id) {
            Some(record) if record.answer.is_none() => {
                record.answer = Some(word);
                true
            }
            _ => false,
        }
    }

    /// Records what was settled. What stands then.
    pub(super) fn settle(&mut self, push_id: &PushId, answer: Answer, by: Settlement) -> Option<Answer> {
        let record = self.pushes.get_mut(push_id)?;
        if record.answer.is_none() {
            record.answer = Some(answer);
            record.by_deadline = by == Settlement::Deadline && answer == Answer::Nack;
        }
        record.answer
    }

    pub(super) fn answer(&self, push_id: &PushId) -> Option<Answer> {
        self.pushes.get(push_id).and_then(|record| record.answer)
    }

    pub(super) fn seq(&self, push_id: &PushId) -> Option<Seq> {
        self.pushes.get(push_id).map(|record| record.seq)
    }
}
