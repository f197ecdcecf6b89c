use bytes::Bytes;
use pushgate_model::{Answer, Push, PushId, Seq, TenantId, Timestamp};
use tokio::sync::mpsc;

/// One thing to make durable, and where its outcome goes.
#[derive(Debug)]
pub struct Append {
    /// Whose it is.
    pub tenant: TenantId,
    /// What it is.
    pub entry: Entry,
    /// When it reached the gateway.
    pub received_at: Timestamp,
    /// Given back with the outcome: the socket by which it came.
    pub tag: u64,
    /// Gets the outcome by `try_send`. The caller gives it a capacity that holds all that it has in flight; an outcome
    /// for a full or closed queue is dropped, and the service sends that push again.
    pub reply: mpsc::Sender<Appended>,
}

/// What is appended.
#[derive(Debug)]
pub enum Entry {
    /// A push for subscribers.
    Push {
        /// What the service sent.
        push: Push,
        /// The answer that will be given once it is durable; nothing when a subscriber decides. It also takes the place of
        /// an answer that is still due, or was a deadline's NACK, when the push is known already.
        answer: Option<Answer>,
    },
    /// Bytes that can't be accepted, for an operator.
    Quarantine(QuarantineEntry),
    /// What a stored push whose answer is due is answered.
    Answer {
        /// The push.
        push_id: PushId,
        /// Its answer.
        answer: Answer,
        /// Who decided.
        by: AnsweredBy,
    },
}

/// Who decided what a push is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AnsweredBy {
    /// A subscriber's word, or a push that was written to one. It stands for ever: a repeat gets the same answer.
    Subscriber,
    /// Nobody spoke in time. A NACK of this kind is taken back when the push comes again: its answer is due anew.
    Deadline,
}

/// Bytes that can't be accepted as a push.
#[derive(Clone, Debug)]
pub struct QuarantineEntry {
    /// The bytes, cut to what is kept.
    pub raw: Bytes,
    /// The push id, when it could be scanned.
    pub push_id: Option<PushId>,
    /// Why, as a machine-readable word.
    pub reason: &'static str,
    /// How long the whole message was, in bytes.
    pub size: u64,
}

impl Append {
    /// The id of the push; nothing for a quarantined one without.
    pub fn push_id(&self) -> Option<&PushId> {
        match &self.entry {
            Entry::Push { push, .. } => Some(&push.id),
            Entry::Quarantine(entry) => entry.push_id.as_ref(),
            Entry::Answer { push_id, .. } => Some(push_id),
        }
    }

    /// Bytes that this holds in the queue.
    pub fn size(&self) -> usize {
        match &self.entry {
            Entry::Push { push, .. } => push.size(),
            Entry::Quarantine(entry) => entry.raw.len(),
            Entry::Answer { push_id, .. } => push_id.as_str().len(),
        }
    }
}

/// What became of an [`Append`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Appended {
    /// As given.
    pub tag: u64,
    /// The id of the push; nothing for a quarantined one without.
    pub push_id: Option<PushId>,
    /// As [`Append::size`] said.
    pub size: usize,
    /// What became of it.
    pub outcome: AppendOutcome,
}

/// What became of an [`Append`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AppendOutcome {
    /// Durable now, at this position.
    Stored(Seq),
    /// Durable before.
    Duplicate {
        /// Its position; its push may have been trimmed since.
        seq: Seq,
        /// The answer that it gets: the recorded one, or the one that [`Entry::Push`] brought where none stood. Nothing
        /// while a subscriber is still to decide.
        answer: Option<Answer>,
    },
    /// Durable in quarantine; `repeats` counts identical bytes of this tenant, 1 for the first.
    Quarantined {
        /// How often these bytes came, this time included.
        repeats: u64,
    },
    /// The answer is durable now.
    Answered(Answer),
    /// The push had this answer before; it stands.
    AlreadyAnswered(Answer),
    /// There is no such push, or it was trimmed.
    UnknownPush,
    /// It could not be written. Nothing was stored.
    Failed,
}
