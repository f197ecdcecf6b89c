use std::collections::VecDeque;

use pushgate_model::Seq;

/// Ranges that are remembered; beyond it the lowest goes. Whoever streams without a break makes one range, so that many say
/// that subscribers come and go a lot; a push in a forgotten one waits for its deadline.
const REMEMBERED: usize = 1024;

/// Ranges of positions, each above its start, up to and with its end. They are disjoint and in order; those that touch are
/// one.
#[derive(Debug, Default)]
pub(crate) struct Ranges(VecDeque<(Seq, Seq)>);

impl Ranges {
    /// Adds the positions above `after`, up to and with `upto`. Says whether any of them is new.
    pub(crate) fn add(&mut self, after: Seq, upto: Seq) -> bool {
        if after >= upto || self.covers(after, upto) {
            return false;
        }
        let first = self.0.partition_point(|(_, end)| *end < after);
        let last = self.0.partition_point(|(start, _)| *start <= upto);
        let (mut start, mut end) = (after, upto);
        for (touched_start, touched_end) in self.0.drain(first..last) {
            start = start.min(touched_start);
            end = end.max(touched_end);
        }
        self.0.insert(first, (start, end));
        if self.0.len() > REMEMBERED {
            self.0.pop_front();
        }
        true
    }

    /// Each range, above its start, up to and with its end.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Seq, Seq)> {
        self.0.iter().copied()
    }

    /// Whether `seq` is in one of them.
    pub(crate) fn contains(&self, seq: Seq) -> bool {
        let at = self.0.partition_point(|(_, end)| *end < seq);
        self.0.get(at).is_some_and(|(start, _)| *start < seq)
    }

    fn covers(&self, after: Seq, upto: Seq) -> bool {
        let at = self.0.partition_point(|(_, end)| *end < upto);
        self.0.get(at).is_some_and(|(start, _)| *start <= after)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn at(seq: u64) -> Seq {
        Seq::new(seq).unwrap()
    }

    proptest! {
        #[test]
        fn they_hold_what_was_added_and_nothing_else(adds in prop::collection::vec((0_u64..60, 0_u64..60), 0..40)) {
            let (mut ranges, mut model) = (Ranges::default(), BTreeSet::new());
            for (after, upto) in adds {
                let before = model.len();
                model.extend(after + 1..=upto);
                prop_assert_eq!(ranges.add(at(after), at(upto)), model.len() > before);
                prop_assert!(ranges.0.iter().zip(ranges.0.iter().skip(1)).all(|(a, b)| a.1 < b.0));
            }
            for seq in 0..61 {
                prop_assert_eq!(ranges.contains(at(seq)), model.contains(&seq), "{}", seq);
            }
        }
    }

    #[test]
    fn the_memory_is_bounded() {
        let mut ranges = Ranges::default();
        for n in 0..5000 {
            ranges.add(at(n * 2), at(n * 2 + 1));
        }
        assert_eq!(ranges.0.len(), REMEMBERED);
        assert!(ranges.contains(at(9999)) && !ranges.contains(at(1)));
    }
}
