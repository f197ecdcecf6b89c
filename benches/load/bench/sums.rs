use std::time::Duration;

use crate::histogram::Histogram;

/// What a crowd counted in a phase.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sums {
    /// Pushes that came for the first time on their stream.
    pub(crate) deliveries: u64,
    /// Pushes that came again.
    pub(crate) duplicates: u64,
    /// Pushes that came behind a later one.
    pub(crate) reordered: u64,
    /// From a push's stamp to its being read, of every delivery.
    pub(crate) latency: Histogram,
    /// The same of the last subscriber that read it, of every push.
    pub(crate) complete: Histogram,
    /// The earliest stamp, in nanoseconds of `CLOCK_MONOTONIC`.
    pub(crate) first_sent: Option<u64>,
    /// When the last delivery was read.
    pub(crate) last_read: u64,
    /// Bytes of all streams, chunk headers included.
    pub(crate) bytes: u64,
    /// Reads that brought something.
    pub(crate) reads: u64,
    /// CPU that the crowd's threads used.
    pub(crate) cpu: Duration,
}

impl Sums {
    /// Adds those of another thread.
    pub(crate) fn add(&mut self, other: &Self) {
        self.deliveries += other.deliveries;
        self.duplicates += other.duplicates;
        self.reordered += other.reordered;
        self.latency.merge(&other.latency);
        self.complete.merge(&other.complete);
        self.first_sent = [self.first_sent, other.first_sent].into_iter().flatten().min();
        self.last_read = self.last_read.max(other.last_read);
        self.bytes += other.bytes;
        self.reads += other.reads;
        self.cpu += other.cpu;
    }

    /// From the first stamp to the last delivery, in seconds.
    pub(crate) fn seconds(&self) -> f64 {
        let first = self.first_sent.unwrap_or(self.last_read);
        (self.last_read.saturating_sub(first) as f64 / 1e9).max(1e-3)
    }
}
