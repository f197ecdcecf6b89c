use std::time::SystemTime;

use pushgate_model::Timestamp;

use crate::FanoutMetrics;

/// Lags that are kept before they are told; in memory 8 bytes each.
const LAGS: usize = 256;

/// What one worker thread counted since it last told the shared counters.
#[derive(Debug)]
pub(crate) struct Tally {
    metrics: FanoutMetrics,
    deliveries: u64,
    replayed: u64,
    lags: Vec<f64>,
    journal_failing: bool,
}

impl Tally {
    pub(crate) fn new(metrics: FanoutMetrics) -> Self {
        Self { metrics, deliveries: 0, replayed: 0, lags: Vec::with_capacity(LAGS), journal_failing: false }
    }

    /// Pushes were handed over from the tail, the first of them of this age.
    pub(crate) fn live(&mut self, count: u32, received_at: Timestamp) {
        self.deliveries += u64::from(count);
        let millis = Timestamp::from(SystemTime::now()).as_millis().saturating_sub(received_at.as_millis());
        self.lags.push(millis as f64 / 1_000.0);
        if self.lags.len() >= LAGS {
            self.tell_lags();
        }
    }

    /// Pushes were handed over from the journal.
    pub(crate) fn replayed(&mut self, count: u32) {
        self.deliveries += u64::from(count);
        self.replayed += u64::from(count);
    }

    /// The journal could not be read. Logged once until it can.
    pub(crate) fn journal_failed(&mut self, error: &dyn std::fmt::Display) {
        if !self.journal_failing {
            self.journal_failing = true;
            tracing::warn!(%error, "the journal can't be read, streams wait");
        }
    }

    pub(crate) fn journal_read(&mut self) {
        if self.journal_failing {
            self.journal_failing = false;
            tracing::info!("the journal can be read again, streams go on");
        }
    }

    pub(crate) fn tell(&mut self) {
        self.metrics.deliveries.inc_by(self.deliveries);
        self.metrics.replayed.inc_by(self.replayed);
        (self.deliveries, self.replayed) = (0, 0);
        self.tell_lags();
    }

    fn tell_lags(&mut self) {
        for lag in self.lags.drain(..) {
            self.metrics.lag_seconds.observe(lag);
        }
    }
}
