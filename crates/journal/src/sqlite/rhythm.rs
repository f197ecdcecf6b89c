//! When the writer waits a little before it commits.
//!
//! What a commit costs beside its pushes is the same for one and for a hundred. While pushes come from many sides and fast,
//! waiting for half a millisecond or one lets more of them share it, and takes less time than it saves.

use std::time::{Duration, Instant};

/// Pushes of a batch from which on the next one may wait. Who has fewer under way might wait for the answers to these.
const MANY: usize = 16;
/// The longest time from one push to the next, on average, at which it does.
const FAST: Duration = Duration::from_micros(125);
/// How long it waits; twice when more came meanwhile.
const SLICE: Duration = Duration::from_micros(500);

/// How fast pushes come.
#[derive(Debug, Default)]
pub(super) struct Rhythm {
    /// When the last batch was taken.
    taken: Option<Instant>,
    /// Whether it, and the time before it, were such that the next one should wait.
    fast: bool,
}

impl Rhythm {
    /// A batch of so many was taken.
    pub(super) fn taken(&mut self, pushes: usize, now: Instant) {
        let since = self.taken.replace(now).map(|before| now.saturating_duration_since(before));
        let many = u32::try_from(pushes).unwrap_or(u32::MAX);
        self.fast = pushes >= MANY && since.is_some_and(|since| since <= FAST.saturating_mul(many));
    }

    /// Waits, by `sleep`, for more than the `queued` pushes.
    pub(super) fn wait(&self, queued: impl Fn() -> usize, sleep: impl Fn(Duration)) {
        if !self.fast {
            return;
        }
        let before = queued();
        sleep(SLICE);
        if queued() > before {
            sleep(SLICE);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// How long a batch waits, after batches of so many pushes at so many microseconds after each other.
    fn waits(batches: &[(usize, u64)], queued: &[usize]) -> Duration {
        let (mut rhythm, mut now) = (Rhythm::default(), Instant::now());
        for (pushes, micros) in batches {
            now += Duration::from_micros(*micros);
            rhythm.taken(*pushes, now);
        }
        let (slept, looks) = (Cell::new(Duration::ZERO), Cell::new(0));
        let look = || {
            looks.set(looks.get() + 1);
            queued[looks.get() - 1]
        };
        rhythm.wait(look, |time| slept.set(slept.get() + time));
        slept.get()
    }

    #[test]
    fn a_batch_waits_only_when_many_come_fast() {
        assert_eq!(waits(&[], &[]), Duration::ZERO);
        assert_eq!(waits(&[(100, 0)], &[]), Duration::ZERO, "nothing is known of the time before");
        assert_eq!(waits(&[(100, 0), (100, 20_000)], &[]), Duration::ZERO, "slow");
        assert_eq!(waits(&[(100, 0), (15, 300)], &[]), Duration::ZERO, "few");
        assert_eq!(waits(&[(1, 0), (16, 2_000)], &[3, 9]), 2 * SLICE);
        assert_eq!(waits(&[(1, 0), (16, 2_001)], &[]), Duration::ZERO);
    }

    #[test]
    fn it_waits_no_longer_when_nothing_came() {
        assert_eq!(waits(&[(16, 0), (16, 500)], &[16, 16]), SLICE);
    }
}
