use std::time::Duration;

/// Login services publish a new key well before they sign with it.
const REFRESH: Duration = Duration::from_secs(15 * 60);
/// The first pause after a failure.
const FIRST: Duration = Duration::from_secs(5);
/// The longest pause after failures.
const LONGEST: Duration = Duration::from_secs(5 * 60);
/// The part of a pause that is random, so that many gateways do not come together.
const JITTER: f64 = 0.2;

/// How long to wait until the keys are fetched again when nobody asks for them. Never longer than its bounds.
#[derive(Debug, Default)]
pub(super) struct Pace {
    failures: u32,
}

impl Pace {
    /// Whether the last fetch failed.
    pub(super) fn was_failing(&self) -> bool {
        self.failures > 0
    }

    /// The keys came.
    pub(super) fn succeeded(&mut self) -> Duration {
        self.failures = 0;
        jittered(REFRESH)
    }

    /// They did not.
    pub(super) fn failed(&mut self) -> Duration {
        let pause = FIRST.saturating_mul(1 << self.failures.min(16)).min(LONGEST);
        self.failures = self.failures.saturating_add(1);
        jittered(pause)
    }
}

fn jittered(pause: Duration) -> Duration {
    pause.mul_f64(1.0 - JITTER * fastrand::f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_near(pause: Duration, bound: Duration) -> bool {
        (bound.mul_f64(1.0 - JITTER)..=bound).contains(&pause)
    }

    #[test]
    fn pauses_grow_with_failures_and_end_with_a_success() {
        let mut pace = Pace::default();
        assert!(!pace.was_failing());
        for seconds in [5, 10, 20, 40, 80, 160, 300, 300] {
            assert!(is_near(pace.failed(), Duration::from_secs(seconds)), "{seconds}");
            assert!(pace.was_failing());
        }
        assert!(is_near(pace.succeeded(), REFRESH));
        assert!(!pace.was_failing());
        assert!(is_near(pace.failed(), FIRST));
    }

    #[test]
    fn years_of_failures_overflow_nothing() {
        let mut pace = Pace { failures: u32::MAX };
        assert!(is_near(pace.failed(), LONGEST));
    }

    #[test]
    fn pauses_differ() {
        let pauses: std::collections::BTreeSet<_> = (0..50).map(|_| jittered(REFRESH)).collect();
        assert!(pauses.len() > 1);
    }
}
