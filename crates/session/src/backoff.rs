use std::time::Duration;

use fastrand::Rng;

use crate::{BackoffConfig, Lane};

/// First pause of the lane for refused credentials, and its longest.
const AUTH: (Duration, Duration) = (Duration::from_secs(300), Duration::from_secs(3600));
/// First pause of the lane for what looks misconfigured, and its longest.
const MISCONFIGURED: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(600));
/// The longest `Retry-After` that is believed.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(900);
/// Slow lanes add up to this part of the pause, so that tenants that failed together do not come back together.
const SPREAD: f64 = 0.1;

/// How often dialling failed, and how long to wait now.
#[derive(Debug)]
pub(crate) struct Backoff {
    config: BackoffConfig,
    rng: Rng,
    attempt: u32,
    /// Endings in a row in the present slow lane.
    slow: Option<(Lane, u32)>,
}

impl Backoff {
    pub(crate) fn new(config: BackoffConfig, rng: Rng) -> Self {
        Self { config, rng, attempt: 0, slow: None }
    }

    /// Failed attempts since the last good connection.
    pub(crate) fn attempt(&self) -> u32 {
        self.attempt
    }

    /// How long a connection must be good before attempts count from zero.
    pub(crate) fn healthy_after(&self) -> Duration {
        self.config.healthy_after
    }

    /// Counts from zero: a connection has been good for `healthy_after`, or an operator asked for a new one.
    pub(crate) fn reset(&mut self) {
        self.attempt = 0;
        self.slow = None;
    }

    /// A socket ended early, yet a push became durable by it: what cuts the line does not keep the other pushes from
    /// coming. Counts as the first failure.
    pub(crate) fn progressed(&mut self) {
        self.attempt = self.attempt.min(1);
    }

    /// A dial failed, or a connection ended before it was good for long enough.
    pub(crate) fn failed(&mut self) {
        self.attempt = self.attempt.saturating_add(1);
    }

    /// How long to wait before the next dial.
    pub(crate) fn delay(&mut self, lane: Lane, retry_after: Option<Duration>) -> Duration {
        match lane {
            Lane::Backoff => {
                self.slow = None;
                self.exponential()
            }
            Lane::RateLimited => {
                let asked = retry_after.unwrap_or_default().min(LONGEST_RETRY_AFTER);
                self.spread(asked).max(self.exponential())
            }
            Lane::Auth => self.slow_lane(lane, AUTH),
            Lane::Misconfigured => self.slow_lane(lane, MISCONFIGURED),
            Lane::AtOnce => Duration::ZERO,
        }
    }

    /// How long to wait after a socket that ended early, yet made progress: at least `initial`, so that a push that
    /// cuts every socket can't make us spin, and half as much more at most.
    pub(crate) fn delay_after_progress(&mut self) -> Duration {
        self.slow = None;
        self.config.initial.mul_f64(1.0 + self.rng.f64() / 2.0).min(self.config.max)
    }

    /// Equal jitter: between half of the delay and all of it, so that nobody spins and nobody marches in step. The
    /// delay doubles with each attempt and never exceeds `max`, jitter included.
    fn exponential(&mut self) -> Duration {
        let doublings = self.attempt.saturating_sub(1).min(30);
        let whole = self.config.initial.saturating_mul(1 << doublings).min(self.config.max);
        whole.mul_f64(0.5 + self.rng.f64() / 2.0).min(whole)
    }

    fn slow_lane(&mut self, lane: Lane, (first, longest): (Duration, Duration)) -> Duration {
        let before = match self.slow {
            Some((present, count)) if present == lane => count,
            _ => 0,
        };
        self.slow = Some((lane, before.saturating_add(1)));
        // Leaves room for the spread: those at the end of the lane must not come back together either.
        let pause = first.saturating_mul(1 << before.min(16)).min(longest.div_f64(1.0 + SPREAD));
        self.spread(pause).min(longest)
    }

    fn spread(&mut self, pause: Duration) -> Duration {
        pause.mul_f64(1.0 + SPREAD * self.rng.f64())
    }

    /// `whole`, moved by up to 20 % either way.
    pub(crate) fn around(&mut self, whole: Duration) -> Duration {
        whole.mul_f64(0.8 + 0.4 * self.rng.f64())
    }

    /// Any part of `whole`.
    pub(crate) fn part_of(&mut self, whole: Duration) -> Duration {
        whole.mul_f64(self.rng.f64())
    }
}
