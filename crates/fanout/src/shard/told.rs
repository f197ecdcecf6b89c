use pushgate_model::Seq;

/// Which ranges of one tenant's pushes this thread has told as delivered of late, so that a thousand streams that write
/// the same push tell it once.
///
/// Ranges that touch become one. Two are kept: where streams are live, and where one replays. It is only a memory: what
/// it has lost is told again.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Told {
    newest: Range,
    older: Range,
}

/// Above `after`, up to and with `upto`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Range {
    after: Seq,
    upto: Seq,
}

impl Told {
    /// Adds a range. Says whether it holds anything that was not told.
    pub(crate) fn add(&mut self, after: Seq, upto: Seq) -> bool {
        let range = Range { after, upto };
        if self.newest.covers(range) || self.older.covers(range) {
            return false;
        }
        if self.newest.touches(range) {
            self.newest.join(range);
            if self.newest.touches(self.older) {
                self.newest.join(self.older);
                self.older = Range::default();
            }
        } else if after > self.newest.upto {
            self.older = self.newest;
            self.newest = range;
        } else if self.older.touches(range) {
            self.older.join(range);
        } else {
            self.older = range;
        }
        true
    }
}

impl Range {
    fn covers(self, other: Self) -> bool {
        self.after <= other.after && other.upto <= self.upto
    }

    fn touches(self, other: Self) -> bool {
        self.after <= other.upto && other.after <= self.upto
    }

    fn join(&mut self, other: Self) {
        self.after = self.after.min(other.after);
        self.upto = self.upto.max(other.upto);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::tests::seq;

    #[test]
    fn what_was_told_is_news_once() {
        let mut told = Told::default();
        // after, upto, news
        let table = [
            (10, 20, true),
            (10, 20, false),
            (12, 15, false),
            (20, 21, true),
            (15, 21, false),
            // One replays, while others are live.
            (0, 4, true),
            (21, 30, true),
            (4, 8, true),
            (1, 8, false),
            (10, 30, false),
            // The replay arrives.
            (8, 12, true),
            (0, 30, false),
            (40, 41, true),
            (0, 30, false),
        ];
        for (after, upto, news) in table {
            assert_eq!(told.add(seq(after), seq(upto)), news, "({after}, {upto}]");
        }
    }

    proptest! {
        #[test]
        fn nothing_is_kept_back_that_was_not_told(ranges in prop::collection::vec((0..40_u64, 1..10_u64), 1..60)) {
            let mut told = Told::default();
            let mut known = [false; 64];
            for (after, length) in ranges {
                let positions = after as usize + 1..=(after + length) as usize;
                if told.add(seq(after), seq(after + length)) {
                    known[positions].fill(true);
                } else {
                    prop_assert!(known[positions].iter().all(|known| *known));
                }
            }
        }
    }
}
