/// What a stream may read from the journal: so many bytes a second, and those of a second at once.
///
/// It keeps one number: the time up to which what it read is paid for, at the agreed rate. Being a second ahead is
/// allowed; what was not used long ago is not saved up.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Meter {
    /// In microseconds of the shard's clock.
    paid_until: u64,
}

/// How far ahead a stream may be, in microseconds.
const BURST: u64 = 1_000_000;

impl Meter {
    /// So many bytes were read at `now`, in milliseconds. A rate of 0 is no limit.
    pub(crate) fn read(&mut self, now: u64, bytes: usize, rate: usize) {
        if rate > 0 {
            let cost = (bytes as u64).saturating_mul(1_000_000) / rate as u64;
            self.paid_until = self.paid_until.max(now * 1_000).saturating_add(cost);
        }
    }

    /// Until when to wait before more is read, in milliseconds; nothing when it may be now.
    pub(crate) fn wait(self, now: u64) -> Option<u64> {
        let until = self.paid_until.saturating_sub(BURST).div_ceil(1_000);
        (until > now).then_some(until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_is_read_at_once_and_then_the_rate_holds() {
        let mut meter = Meter::default();
        let (mut now, mut read) = (5_000, 0);
        while now < 65_000 {
            if let Some(until) = meter.wait(now) {
                // The shard's clock beats every 500 ms.
                now = until.next_multiple_of(500);
            } else {
                meter.read(now, 300, 10_000);
                read += 300;
            }
        }
        assert!((600_000..=611_000).contains(&read), "{read} bytes in a minute at 10,000 a second");
    }

    #[test]
    fn what_was_not_used_is_not_saved_up() {
        let mut meter = Meter::default();
        meter.read(0, 1_000, 1_000);
        meter.read(600_000, 2_000, 1_000);
        assert_eq!(meter.wait(600_000), Some(601_000));
    }

    #[test]
    fn without_a_rate_nobody_waits() {
        let mut meter = Meter::default();
        meter.read(0, usize::MAX, 0);
        assert_eq!(meter.wait(0), None);
    }
}
