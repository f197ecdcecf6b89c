use std::time::{Duration, Instant};

use crate::InFlightConfig;

/// The part of `heartbeat.every` for which nothing is read while too much waits for the journal.
const HOLD: u32 = 3;

/// What waits for the journal.
#[derive(Debug)]
pub(crate) struct InFlight {
    limit: InFlightConfig,
    hold: Duration,
    pushes: usize,
    bytes: usize,
    full_since: Option<Instant>,
}

impl InFlight {
    pub(crate) fn new(limit: InFlightConfig, every: Duration) -> Self {
        Self { limit, hold: every / HOLD, pushes: 0, bytes: 0, full_since: None }
    }

    pub(crate) fn pushes(&self) -> usize {
        self.pushes
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn is_full(&self) -> bool {
        self.full_since.is_some()
    }

    /// While full: reading rests until then, at most.
    pub(crate) fn holds_until(&self) -> Option<Instant> {
        self.full_since.map(|since| since + self.hold)
    }

    pub(crate) fn add(&mut self, bytes: usize, now: Instant) {
        self.pushes += 1;
        self.bytes += bytes;
        if self.over() {
            self.full_since.get_or_insert(now);
        }
    }

    pub(crate) fn remove(&mut self, bytes: usize) {
        self.pushes = self.pushes.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(bytes);
        if !self.over() {
            self.full_since = None;
        }
    }

    fn over(&self) -> bool {
        self.pushes >= self.limit.pushes || self.bytes >= self.limit.bytes
    }
}
