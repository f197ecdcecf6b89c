use std::{
    collections::HashMap,
    net::IpAddr,
    time::{Duration, Instant},
};

/// Addresses that are remembered in each of the two tables. When one is full, who is not in it goes uncounted until the next
/// second: whoever has so many addresses is not stopped by a limit on each, and must not be able to shut others out.
const ADDRESSES: usize = 65_536;

/// The time in which every bucket fills up, whatever its rate is, because it holds what comes in one second.
const FULL_AFTER: Duration = Duration::from_secs(1);

/// How often each address may come: a bucket that fills at the rate and holds as much as comes in one second.
///
/// A bucket that nobody took from for a second is full, which is the same as none. So there are two tables that change
/// places once a second, and what is only in the older one by then can be forgotten without a look at it.
#[derive(Debug, Default)]
pub(crate) struct Rate {
    newer: HashMap<IpAddr, Bucket>,
    older: HashMap<IpAddr, Bucket>,
    turned: Option<Instant>,
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    /// How much is in it.
    level: f64,
    /// When that was so.
    at: Instant,
}

impl Rate {
    /// Whether an address may come once more, now, when it may `per_second`.
    pub(crate) fn take(&mut self, address: IpAddr, per_second: usize, now: Instant) -> bool {
        self.turn(now);
        let full = per_second as f64;
        let known = self.newer.get(&address).or_else(|| self.older.get(&address)).copied();
        let mut bucket = known.unwrap_or(Bucket { level: full, at: now });
        let filled = now.saturating_duration_since(bucket.at).as_secs_f64() * full;
        bucket = Bucket { level: (bucket.level + filled).min(full), at: now };
        let may = bucket.level >= 1.0;
        if may {
            bucket.level -= 1.0;
        }
        if self.newer.len() < ADDRESSES || self.newer.contains_key(&address) {
            self.newer.insert(address, bucket);
        }
        may
    }

    fn turn(&mut self, now: Instant) {
        let since = now.saturating_duration_since(*self.turned.get_or_insert(now));
        if since >= FULL_AFTER {
            self.older = std::mem::take(&mut self.newer);
            self.turned = Some(now);
        }
        if since >= 2 * FULL_AFTER {
            self.older.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADDRESS: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    /// How many of so many attempts at one moment succeed.
    fn taken(rate: &mut Rate, attempts: usize, per_second: usize, now: Instant) -> usize {
        (0..attempts).filter(|_| rate.take(ADDRESS, per_second, now)).count()
    }

    #[test]
    fn a_second_s_worth_may_come_at_once_and_then_at_the_rate() {
        let (mut rate, start) = (Rate::default(), Instant::now());
        let at = |millis| start + Duration::from_millis(millis);
        assert_eq!(taken(&mut rate, 20, 10, at(0)), 10);
        assert_eq!(taken(&mut rate, 20, 10, at(99)), 0);
        assert_eq!(taken(&mut rate, 20, 10, at(500)), 5);
        assert_eq!(taken(&mut rate, 20, 10, at(999)), 4, "what was refused took nothing");
        assert_eq!(taken(&mut rate, 20, 10, at(10_000)), 10, "no more than a second's worth is saved up");
    }

    #[test]
    fn a_turn_of_the_tables_forgives_nobody() {
        let (mut rate, start) = (Rate::default(), Instant::now());
        let mut all = 0;
        for tenth in 0..=100 {
            all += taken(&mut rate, 5, 4, start + Duration::from_millis(100 * tenth));
        }
        assert!((43..=44).contains(&all), "4 at once and 4 a second for 10 s: {all}");
    }

    #[test]
    fn a_flood_of_addresses_is_bounded_and_shuts_nobody_out() {
        let (mut rate, start) = (Rate::default(), Instant::now());
        for n in 0..ADDRESSES as u32 + 1_000 {
            assert!(rate.take(IpAddr::V4(n.into()), 1, start));
        }
        assert_eq!(rate.newer.len(), ADDRESSES);
        assert!(!rate.take(IpAddr::V4(0.into()), 1, start), "those that are known are still counted");
        assert!(rate.take(ADDRESS, 1, start) && rate.take(ADDRESS, 1, start), "others are not");
        let later = start + FULL_AFTER;
        assert!(rate.take(ADDRESS, 1, later) && !rate.take(ADDRESS, 1, later));
        rate.take(ADDRESS, 1, later + 2 * FULL_AFTER);
        assert_eq!((rate.newer.len(), rate.older.len()), (1, 0));
    }
}
