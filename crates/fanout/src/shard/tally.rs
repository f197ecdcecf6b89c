use pushgate_model::Seq;

use crate::{FanoutMetrics, tail::Look};

/// Lags that are kept before they are told; in memory 8 bytes each.
const LAGS: usize = 256;

/// What one worker thread counted since it last told the shared counters.
#[derive(Debug)]
pub(crate) struct Tally {
    metrics: FanoutMetrics,
    deliveries: u64,
    replayed: u64,
    lags: Vec<f64>,
    /// The position of the last push whose lag is known.
    last: Seq,
    journal_failing: bool,
}

impl Tally {
    pub(crate) fn new(metrics: FanoutMetrics) -> Self {
        Self {
            metrics,
            deliveries: 0,
            replayed: 0,
            lags: Vec::with_capacity(LAGS),
            last: Seq::ZERO,
            journal_failing: false,
        }
    }

    /// A piece was handed over from the tail, at `wall` milliseconds of the wall clock. Streams of a tenant move together: its
    /// lag counts once for all that take the same one after the other.
    pub(crate) fn wrote(&mut self, piece: &Look<'_>, wall: u64) {
        self.deliveries += u64::from(piece.count);
        if self.last == piece.last {
            return;
        }
        self.last = piece.last;
        self.lags.push(wall.saturating_sub(piece.received_at.as_millis()) as f64 / 1_000.0);
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
