use prometheus_client::metrics::{
    counter::Counter,
    gauge::Gauge,
    histogram::{Histogram, exponential_buckets},
};

/// What the fan-out counts. Clones share the counters; names are given where they are shown.
///
/// The worker threads add what they counted at each beat of their clock (at most half a second), not at each write:
/// a counter that all threads touch at every delivery would cost more than the delivery.
#[derive(Clone, Debug)]
pub struct FanoutMetrics {
    /// Live streams.
    pub subscribers: Gauge,
    /// Pushes handed to streams, from the tail or the journal.
    pub deliveries: Counter,
    /// Of these, pushes that came from the journal.
    pub replayed: Counter,
    /// Times that a stream began to read from the journal.
    pub replays: Counter,
    /// `gap` events: unknown epoch.
    pub gaps_unknown: Counter,
    /// `gap` events: trimmed before it was read.
    pub gaps_expired: Counter,
    /// `gap` events: a cursor ahead of the log.
    pub gaps_ahead: Counter,
    /// `gap` events: not a cursor.
    pub gaps_malformed: Counter,
    /// Seconds from a push's arrival at the gateway to its hand-over to live streams, once for those of a thread that write it together.
    pub lag_seconds: Histogram,
    /// Bytes of frames in the tails of all threads.
    pub tail_bytes: Gauge,
    /// Streams that took no bytes for `stall_timeout` and were given up.
    pub stalled: Counter,
    /// Streams whose lease ran out.
    pub leases_expired: Counter,
    /// Streams whose lease was revoked.
    pub leases_revoked: Counter,
    /// Batches that a thread's full inbox refused; its streams read the journal instead.
    pub inbox_overflows: Counter,
}

impl Default for FanoutMetrics {
    fn default() -> Self {
        Self {
            subscribers: Gauge::default(),
            deliveries: Counter::default(),
            replayed: Counter::default(),
            replays: Counter::default(),
            gaps_unknown: Counter::default(),
            gaps_expired: Counter::default(),
            gaps_ahead: Counter::default(),
            gaps_malformed: Counter::default(),
            // 1 ms, the resolution of a push's time of arrival, to 16 s.
            lag_seconds: Histogram::new(exponential_buckets(0.001, 2.0, 15)),
            tail_bytes: Gauge::default(),
            stalled: Counter::default(),
            leases_expired: Counter::default(),
            leases_revoked: Counter::default(),
            inbox_overflows: Counter::default(),
        }
    }
}
