use std::{
    sync::LazyLock,
    time::{Duration, Instant},
};

/// Times that are so far away may come a little later.
const FAR_AWAY: Duration = Duration::from_secs(4);
/// How much later, at most.
const GRAIN: Duration = Duration::from_millis(250);

/// Where the grain begins, the same for all connections.
static BASE: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Moves a time that is far away to the next quarter of a second, as all connections do: so a thread wakes once for the
/// heartbeats of many, and not for each. An idle gateway does little else than wake.
pub(super) fn coarse(at: Instant, now: Instant) -> Instant {
    if at.saturating_duration_since(now) < FAR_AWAY {
        return at;
    }
    let passed = at.saturating_duration_since(*BASE).as_millis();
    let over = passed % GRAIN.as_millis();
    let missing = (GRAIN.as_millis() - over) % GRAIN.as_millis();
    at + Duration::from_millis(missing as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_far_away_is_moved_and_only_a_little() {
        let now = *BASE + Duration::from_secs(100);
        for millis in [0, 1, 100, 3_999] {
            let near = now + Duration::from_millis(millis);
            assert_eq!(coarse(near, now), near);
        }
        for millis in 4_000..4_600 {
            let at = now + Duration::from_millis(millis);
            let moved = coarse(at, now);
            assert!(moved >= at && moved - at <= GRAIN, "{millis}");
            assert_eq!((moved - *BASE).as_millis() % GRAIN.as_millis(), 0, "{millis}");
        }
    }
}
