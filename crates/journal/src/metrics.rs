use prometheus_client::metrics::{counter::Counter, gauge::Gauge, histogram::Histogram};

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
