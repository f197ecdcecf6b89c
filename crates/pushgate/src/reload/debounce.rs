use std::time::{Duration, Instant};

/// Makes one of many changes that come together: it is due once they have been quiet for a while, and after some time even
/// when they never are.
#[derive(Debug)]
pub(super) struct Debounce {
    quiet: Duration,
    at_most: Duration,
    /// The first and the last change.
    changes: Option<(Instant, Instant)>,
}

impl Debounce {
    pub(super) fn new(quiet: Duration, at_most: Duration) -> Self {
        Self { quiet, at_most, changes: None }
    }

    /// Something changed.
    pub(super) fn change(&mut self, now: Instant) {
        let first = self.changes.map_or(now, |(first, _)| first);
        self.changes = Some((first, now));
    }

    /// How long until it is due, when something changed.
    pub(super) fn due_in(&self, now: Instant) -> Option<Duration> {
        let (first, last) = self.changes?;
        let due = (last + self.quiet).min(first + self.at_most);
        Some(due.saturating_duration_since(now))
    }

    /// Whether it is due; then it begins anew.
    pub(super) fn take_due(&mut self, now: Instant) -> bool {
        let due = self.due_in(now).is_some_and(|left| left.is_zero());
        if due {
            self.changes = None;
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn changes_that_come_together_are_due_once() {
        let (mut debounce, start) = (Debounce::new(SECOND, 10 * SECOND), Instant::now());
        assert!(debounce.due_in(start).is_none() && !debounce.take_due(start));
        debounce.change(start);
        debounce.change(start + SECOND / 2);
        assert_eq!(debounce.due_in(start + SECOND), Some(SECOND / 2));
        assert!(!debounce.take_due(start + SECOND));
        assert!(debounce.take_due(start + 3 * SECOND / 2));
        assert!(!debounce.take_due(start + 9 * SECOND));
    }

    #[test]
    fn changes_that_never_end_are_due_all_the_same() {
        let (mut debounce, start) = (Debounce::new(SECOND, 10 * SECOND), Instant::now());
        let mut now = start;
        debounce.change(now);
        while !debounce.take_due(now) {
            now += SECOND / 10;
            debounce.change(now);
        }
        assert_eq!(now, start + 10 * SECOND);
    }
}
