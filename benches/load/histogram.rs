use std::time::Duration;

/// Buckets of each power of two: a value is off by 1.6 % at most.
const STEPS: usize = 64;
/// Powers of two: up to 2^48 ns, three days.
const POWERS: usize = 43;

/// Counts durations in buckets that grow with them.
#[derive(Clone, Debug)]
pub(crate) struct Histogram {
    buckets: Vec<u64>,
    count: u64,
    max: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { buckets: vec![0; STEPS * POWERS], count: 0, max: 0 }
    }
}

impl Histogram {
    /// Counts a duration in nanoseconds.
    pub(crate) fn add(&mut self, nanos: u64) {
        self.buckets[bucket(nanos)] += 1;
        self.count += 1;
        self.max = self.max.max(nanos);
    }

    /// The longest.
    pub(crate) fn max(&self) -> Duration {
        Duration::from_nanos(self.max)
    }

    /// Adds what another counted.
    pub(crate) fn merge(&mut self, other: &Self) {
        for (bucket, count) in self.buckets.iter_mut().zip(&other.buckets) {
            *bucket += count;
        }
        self.count += other.count;
        self.max = self.max.max(other.max);
    }

    /// The duration that `percent` of all do not exceed; zero when there are none.
    pub(crate) fn percentile(&self, percent: u64) -> Duration {
        self.permille(percent * 10)
    }

    /// The duration that so many of a thousand do not exceed; zero when there are none.
    pub(crate) fn permille(&self, permille: u64) -> Duration {
        let wanted = (self.count * permille).div_ceil(1000);
        let mut passed = 0;
        for (index, count) in self.buckets.iter().enumerate() {
            passed += count;
            if passed >= wanted && passed > 0 {
                return Duration::from_nanos(upper_end(index).min(self.max));
            }
        }
        Duration::ZERO
    }
}

fn bucket(nanos: u64) -> usize {
    let power = (nanos | 63).ilog2() as usize - 5;
    let step = if power == 0 { nanos } else { (nanos >> (power - 1)) & 63 };
    (power * STEPS + step as usize).min(STEPS * POWERS - 1)
}

fn upper_end(index: usize) -> u64 {
    let (power, step) = (index / STEPS, (index % STEPS) as u64);
    if power == 0 { step } else { ((64 + step + 1) << (power - 1)) - 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_off_by_little() {
        let mut histogram = Histogram::default();
        for micros in 1..=100_000 {
            histogram.add(micros * 1000);
        }
        for percent in [1, 50, 99] {
            let off = histogram.percentile(percent).as_secs_f64() / (percent as f64 / 1000.0) - 1.0;
            assert!((0.0..0.017).contains(&off), "{percent}: {off}");
        }
        assert_eq!((histogram.percentile(100), histogram.max()), (Duration::from_millis(100), histogram.max()));
    }

    #[test]
    fn merged_histograms_count_as_one() {
        let (mut all, mut other) = (Histogram::default(), Histogram::default());
        (1..=50).for_each(|nanos| all.add(nanos));
        (51..=100).for_each(|nanos| other.add(nanos));
        all.merge(&other);
        assert_eq!((all.permille(500), all.max()), (Duration::from_nanos(50), Duration::from_nanos(100)));
    }

    #[test]
    fn every_value_lies_in_its_bucket() {
        for nanos in (0..200_u64).chain([1 << 20, (1 << 20) + 1, u64::from(u32::MAX)]) {
            let index = bucket(nanos);
            assert!(upper_end(index) >= nanos, "{nanos}");
            assert!(index == 0 || upper_end(index - 1) < nanos, "{nanos}");
        }
        assert_eq!(Histogram::default().percentile(99), Duration::ZERO);
    }
}
