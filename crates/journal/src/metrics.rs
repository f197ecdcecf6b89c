use prometheus_client::metrics::{
    counter::Counter,
    gauge::Gauge,
    histogram::{Histogram, exponential_buckets},
};

use crate::AppendOutcome;

/// What the journal counts. Clones share the counters; names are given where they are shown.
#[derive(Clone, Debug)]
pub struct JournalMetrics {
    /// Commits that succeeded.
    pub commits: Counter,
    /// Commits that failed.
    pub commit_failures: Counter,
    /// Pushes, quarantined ones and answers in a commit.
    pub batch_pushes: Histogram,
    /// Seconds that a commit took, fsync included.
    pub commit_seconds: Histogram,
    /// Pushes stored for the first time.
    pub stored: Counter,
    /// Pushes that were known already.
    pub duplicates: Counter,
    /// Quarantined pushes, repeats included.
    pub quarantined: Counter,
    /// Answers that were recorded after their push: a subscriber's word, a delivery, a deadline.
    pub answered: Counter,
    /// Pushes that retention removed.
    pub trimmed: Counter,
    /// Pushes, quarantined ones and answers that wait for the writer.
    pub queued: Gauge,
    /// Bytes of all kept pushes.
    pub bytes: Gauge,
}

impl JournalMetrics {
    /// Metrics that have counted nothing yet.
    pub fn new() -> Self {
        Self {
            commits: Counter::default(),
            commit_failures: Counter::default(),
            // 1 to 16,384: a batch has 2,048 at most.
            batch_pushes: Histogram::new(exponential_buckets(1.0, 4.0, 8)),
            // 0.25 ms (no fsync) to 4 s (a disk in trouble).
            commit_seconds: Histogram::new(exponential_buckets(0.000_25, 2.0, 15)),
            stored: Counter::default(),
            duplicates: Counter::default(),
            quarantined: Counter::default(),
            answered: Counter::default(),
            trimmed: Counter::default(),
            queued: Gauge::default(),
            bytes: Gauge::default(),
        }
    }

    /// Counts what became of an append.
    pub(crate) fn count(&self, outcome: AppendOutcome) {
        match outcome {
            AppendOutcome::Stored(_) => self.stored.inc(),
            AppendOutcome::Duplicate { .. } => self.duplicates.inc(),
            AppendOutcome::Quarantined { .. } => self.quarantined.inc(),
            AppendOutcome::Answered(_) => self.answered.inc(),
            AppendOutcome::AlreadyAnswered(_) | AppendOutcome::UnknownPush | AppendOutcome::Failed => 0,
        };
    }
}

impl Default for JournalMetrics {
    fn default() -> Self {
        Self::new()
    }
}
