use crate::push_line::PushKey;

/// What one subscriber saw, over all its reconnects.
#[derive(Debug, Default)]
pub(crate) struct Record {
    /// Each push with its seq, in the order of arrival; empty when only counts are kept.
    pub(crate) seen: Vec<(u64, PushKey)>,
    /// Pushes that came.
    pub(crate) pushes: u64,
    /// Pushes that came with a seq that is not above the one before: reordered, or twice.
    pub(crate) not_rising: u64,
    /// `gap` events.
    pub(crate) gaps: u64,
    last: u64,
}

/// What is remembered of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keep {
    /// Each push: for comparing sets.
    Pushes,
    /// How many: for measuring.
    Counts,
}

impl Record {
    pub(crate) fn push(&mut self, seq: u64, id: PushKey, keep: Keep) {
        self.pushes += 1;
        if seq <= self.last {
            self.not_rising += 1;
        }
        self.last = self.last.max(seq);
        if keep == Keep::Pushes {
            self.seen.push((seq, id));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seq_that_does_not_rise_is_counted() {
        let id = PushKey::read(b"0b46a13c-1111-4222-8333-444455556666").unwrap();
        for (keep, seen) in [(Keep::Pushes, 5), (Keep::Counts, 0)] {
            let mut record = Record::default();
            for seq in [1, 3, 2, 3, 4] {
                record.push(seq, id, keep);
            }
            assert_eq!((record.pushes, record.not_rising, record.seen.len()), (5, 2, seen));
        }
    }
}
