use std::collections::VecDeque;

/// How many seconds are remembered.
const REMEMBERED: usize = 600;

/// What is counted by the second.
#[derive(Clone, Copy)]
pub(crate) enum Event {
    Attempt,
    Connect,
    Refusal,
}

/// Handshakes by second, as a plot of an outage needs them. Seconds in which nothing happened take no room.
#[derive(Default)]
pub(crate) struct Seconds {
    counts: VecDeque<(u64, [u64; 3])>,
}

impl Seconds {
    pub(crate) fn count(&mut self, event: Event, second: u64) {
        // A thread that was late counts into the newest second.
        if self.counts.back().is_none_or(|(last, _)| *last < second) {
            self.counts.push_back((second, [0; 3]));
        }
        if let Some((_, counts)) = self.counts.back_mut() {
            counts[event as usize] += 1;
        }
        if self.counts.len() > REMEMBERED {
            self.counts.pop_front();
        }
    }

    /// The counts of the last seconds up to and with `second`, oldest first: attempts, connects, refusals.
    pub(crate) fn last(&self, second: u64) -> [Vec<u64>; 3] {
        let mut lasts = std::array::from_fn(|_| vec![0; REMEMBERED]);
        for (at, counts) in &self.counts {
            let ago = usize::try_from(second.saturating_sub(*at)).unwrap_or(usize::MAX);
            let Some(index) = ago.checked_add(1).and_then(|ago| REMEMBERED.checked_sub(ago)) else { continue };
            for (last, count) in lasts.iter_mut().zip(counts) {
                last[index] += count;
            }
        }
        lasts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_counted_by_second_and_old_ones_leave() {
        let mut seconds = Seconds::default();
        for (event, second) in [(Event::Attempt, 0), (Event::Connect, 0), (Event::Refusal, 5), (Event::Attempt, 603)] {
            seconds.count(event, second);
        }
        let [attempts, connects, refusals] = seconds.last(604);
        assert_eq!((attempts.len(), attempts[REMEMBERED - 2], attempts.iter().sum::<u64>()), (REMEMBERED, 1, 1));
        assert_eq!((connects.iter().sum::<u64>(), refusals[0]), (0, 1));
    }

    #[test]
    fn a_late_thread_counts_into_the_newest_second() {
        let mut seconds = Seconds::default();
        seconds.count(Event::Connect, 7);
        seconds.count(Event::Connect, 6);
        assert_eq!(seconds.last(7)[1][REMEMBERED - 1], 2);
    }
}
