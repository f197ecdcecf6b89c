use pushgate_model::Answer;

use crate::AnsweredBy;

/// What is recorded about the answer of a kept push, and the one place that says what changes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Recorded {
    /// Nobody decided yet. Such a push is never trimmed.
    Due,
    /// The policy, a subscriber, or a deadline that acks decided: it stands.
    Given(Answer),
    /// A deadline's NACK: the next repeat takes it back.
    NackByDeadline,
}

impl Recorded {
    /// The answer that the service gets, if one is recorded.
    pub(crate) fn answer(self) -> Option<Answer> {
        match self {
            Self::Due => None,
            Self::Given(answer) => Some(answer),
            Self::NackByDeadline => Some(Answer::Nack),
        }
    }

    /// What is recorded once the push came again and brought `answer`.
    pub(crate) fn repeated(self, answer: Option<Answer>) -> Self {
        match self {
            Self::Given(_) => self,
            Self::Due | Self::NackByDeadline => answer.into(),
        }
    }

    /// What is recorded once somebody decided.
    ///
    /// # Errors
    /// The answer that was recorded before: it stands.
    pub(crate) fn decided(self, answer: Answer, by: AnsweredBy) -> Result<Self, Answer> {
        match (self.answer(), by) {
            (Some(recorded), _) => Err(recorded),
            (None, AnsweredBy::Deadline) if answer == Answer::Nack => Ok(Self::NackByDeadline),
            (None, _) => Ok(Self::Given(answer)),
        }
    }
}

impl From<Option<Answer>> for Recorded {
    fn from(answer: Option<Answer>) -> Self {
        answer.map_or(Self::Due, Self::Given)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACK: Recorded = Recorded::Given(Answer::Ack);
    const NACK: Recorded = Recorded::Given(Answer::Nack);

    #[test]
    fn a_repeat_changes_only_what_nobody_decided() {
        for brought in [None, Some(Answer::Ack), Some(Answer::Nack)] {
            assert_eq!(ACK.repeated(brought), ACK);
            assert_eq!(NACK.repeated(brought), NACK);
            assert_eq!(Recorded::Due.repeated(brought), brought.into());
            assert_eq!(Recorded::NackByDeadline.repeated(brought), brought.into());
        }
    }

    #[test]
    fn the_first_decision_stands() {
        for by in [AnsweredBy::Subscriber, AnsweredBy::Deadline] {
            assert_eq!(Recorded::Due.decided(Answer::Ack, by), Ok(ACK));
            assert_eq!(ACK.decided(Answer::Nack, by), Err(Answer::Ack));
            assert_eq!(NACK.decided(Answer::Ack, by), Err(Answer::Nack));
            assert_eq!(Recorded::NackByDeadline.decided(Answer::Ack, by), Err(Answer::Nack));
        }
    }

    #[test]
    fn only_a_deadlines_nack_can_be_taken_back() {
        assert_eq!(Recorded::Due.decided(Answer::Nack, AnsweredBy::Subscriber), Ok(NACK));
        assert_eq!(Recorded::Due.decided(Answer::Nack, AnsweredBy::Deadline), Ok(Recorded::NackByDeadline));
    }
}
