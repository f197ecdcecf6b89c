/// What one stream has of the pushes of a phase, whose counters begin with 0 and have no holes.
#[derive(Debug, Default)]
pub(crate) struct Count {
    /// The counter that comes next.
    next: u32,
    /// Counters that were skipped, as half-open ranges. A server that keeps order and loses nothing has none.
    skipped: Vec<(u32, u32)>,
}

/// How a push came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Came {
    /// For the first time, and behind the one before it.
    InOrder,
    /// For the first time, but behind a later one.
    Late,
    /// Not for the first time.
    Again,
}

impl Count {
    /// Begins a phase.
    pub(crate) fn reset(&mut self) {
        self.next = 0;
        self.skipped.clear();
    }

    pub(crate) fn push(&mut self, counter: u32) -> Came {
        if counter >= self.next {
            if counter > self.next {
                self.skipped.push((self.next, counter));
            }
            self.next = counter.saturating_add(1);
            return Came::InOrder;
        }
        let Some(index) = self.skipped.iter().position(|(from, to)| (*from..*to).contains(&counter)) else {
            return Came::Again;
        };
        let (from, to) = self.skipped.swap_remove(index);
        let rest = [(from, counter), (counter + 1, to)];
        self.skipped.extend(rest.into_iter().filter(|(from, to)| from < to));
        Came::Late
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_late_from_twice() {
        let mut count = Count::default();
        let came: Vec<_> = [0, 1, 4, 3, 3, 1, 2, 5, 2].into_iter().map(|counter| count.push(counter)).collect();
        use Came::{Again, InOrder, Late};
        assert_eq!(came, [InOrder, InOrder, InOrder, Late, Again, Again, Late, InOrder, Again]);
        count.reset();
        assert_eq!(count.push(0), InOrder);
    }
}
