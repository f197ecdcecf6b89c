use crate::histogram::Histogram;

/// Groups of streams that are measured apart.
pub(crate) const GROUPS: usize = 2;

/// What all streams saw together.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    /// Pushes, by group.
    pub(crate) pushes: [u64; GROUPS],
    /// From the first sending of a push to its being read, by group.
    pub(crate) latency: [Histogram; GROUPS],
    /// Comments.
    pub(crate) comments: u64,
    /// Bytes on the wire.
    pub(crate) bytes: u64,
    /// When the first of the pushes was sent, in nanoseconds of `CLOCK_MONOTONIC`.
    pub(crate) first_sent: Option<u64>,
    /// When the last of them was read.
    pub(crate) last_read: u64,
    /// Streams that ended after they had begun.
    pub(crate) ended: u64,
    /// When each of them ended, in nanoseconds of `CLOCK_MONOTONIC`.
    pub(crate) ended_at: Vec<u64>,
    /// When each stream began.
    pub(crate) opened_at: Vec<u64>,
    /// Connects that were refused, or broke before there was an answer.
    pub(crate) unreachable: u64,
    /// From the order to come back to the first push that is live again, of each stream.
    pub(crate) live_after: Histogram,
    /// Streams that were refused, or sent what can't be read.
    pub(crate) refused: u64,
    /// Why, for the first of them.
    pub(crate) first_refusal: Option<String>,
}

impl Tally {
    pub(crate) fn push(&mut self, group: usize, now: u64, sent_at: Option<u64>) {
        self.pushes[group] += 1;
        self.last_read = now;
        if let Some(sent_at) = sent_at {
            self.latency[group].add(now.saturating_sub(sent_at));
            self.first_sent = Some(self.first_sent.map_or(sent_at, |first| first.min(sent_at)));
        }
    }

    pub(crate) fn strange(&mut self, why: &anyhow::Error) {
        self.refused += 1;
        self.first_refusal.get_or_insert_with(|| why.to_string());
    }
}
