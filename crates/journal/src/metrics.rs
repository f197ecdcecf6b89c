use prometheus_client::metrics::{
    counter::Counter,
    gauge::Gauge,
    histogram::{Histogram, exponential_buckets},
};

/// What the journal counts. Clones share the counters; names are given where they are shown.
#[derive(Clone, Debug)]
pub struct JournalMetrics {
    /// Commits that succeeded.
    pub commits: Counter,
    /// Commits that failed.
    pub commit_failures: Counter,
    /// Pushes in a commit.
    pub batch_pushes: Histogram,
    /// Seconds that a commit took, fsync included.
    pub commit_seconds: Histogram,
    /// Pushes stored for the first time.
    pub stored: Counter,
    /// Pushes that were known already.
    pub duplicates: Counter,
    /// Quarantined pushes, repeats included.
    pub quarantined: Counter,
    /// Pushes that retention removed.
    pub trimmed: Counter,
    /// Pushes that wait for the writer.
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
            // 1 to 16,384: the default length of the queue.
            batch_pushes: Histogram::new(exponential_buckets(1.0, 4.0, 8)),
            // 0.25 ms (no fsync) to 4 s (a disk in trouble).
            commit_seconds: Histogram::new(exponential_buckets(0.000_25, 2.0, 15)),
            stored: Counter::default(),
            duplicates: Counter::default(),
            quarantined: Counter::default(),
            trimmed: Counter::default(),
            queued: Gauge::default(),
            bytes: Gauge::default(),
        }
    }
}

impl Default for JournalMetrics {
    fn default() -> Self {
        Self::new()
    }
}
