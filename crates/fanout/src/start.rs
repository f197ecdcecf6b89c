use pushgate_journal::Bounds;
use pushgate_model::{Cursor, Epoch, Seq};

use crate::{
    Resume,
    event::{Gap, GapReason},
};

/// How much of a text that is no cursor is said back, in characters.
const REQUESTED: usize = 128;

/// Where a stream starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Start {
    /// It carries what comes after this position.
    pub(crate) position: Seq,
    /// What was trimmed up to here needs no `gap` any more: it was told, or not asked for.
    pub(crate) told: Seq,
    /// What can't be had.
    pub(crate) gap: Option<Gap>,
}

/// Where a stream starts that asks for `resume`. `head` was the newest position when it asked, `bounds` were read
/// after that.
pub(crate) fn start(resume: &Resume, epoch: &Epoch, head: Seq, bounds: &Bounds) -> Start {
    let live = Start { position: head, told: Seq::ZERO, gap: None };
    let gap = |reason, requested| {
        let oldest = bounds.oldest.map(|seq| Cursor { epoch: epoch.clone(), seq });
        Some(Gap { reason, requested, oldest })
    };
    match resume {
        Resume::Live => live,
        Resume::Earliest | Resume::Since(_) => oldest_kept(bounds),
        Resume::Malformed(text) => {
            let requested = text.chars().take(REQUESTED).collect();
            Start { gap: gap(GapReason::Malformed, requested), ..live }
        }
        Resume::After(cursor) if cursor.epoch != *epoch => {
            Start { gap: gap(GapReason::Unknown, cursor.to_string()), ..oldest_kept(bounds) }
        }
        Resume::After(cursor) if cursor.seq > head => Start { gap: gap(GapReason::Ahead, cursor.to_string()), ..live },
        Resume::After(cursor) if bounds.trimmed > cursor.seq => {
            let oldest = oldest_kept(bounds);
            let position = oldest.position.max(cursor.seq);
            Start { position, gap: gap(GapReason::Expired, cursor.to_string()), ..oldest }
        }
        Resume::After(cursor) => Start { position: cursor.seq, told: Seq::ZERO, gap: None },
    }
}

/// Just before the oldest kept push, rather than at zero: a stream that is cut before its first push resumes from its
/// `open` position, and from zero it would be told of a gap.
fn oldest_kept(bounds: &Bounds) -> Start {
    let before = |seq: Seq| Seq::new(seq.get().saturating_sub(1)).unwrap_or_default();
    Start { position: bounds.oldest.map_or(bounds.trimmed, before), told: bounds.trimmed, gap: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_request_has_its_start() {
        let after = |text: &str| Resume::After(text.parse().unwrap());
        // (oldest, trimmed)
        let kept = (Some(5), 0);
        let trimmed = (Some(5), 4);
        let nothing = (None, 8);
        // One tenant's push is still kept that is older than what another one lost.
        let mixed = (Some(5), 7);
        // request, bounds, position, told, reason and requested of the gap
        let table = [
            (Resume::Live, trimmed, 9, 0, None),
            (Resume::Earliest, kept, 4, 0, None),
            (Resume::Earliest, trimmed, 4, 4, None),
            (Resume::Earliest, mixed, 4, 7, None),
            (Resume::Earliest, nothing, 8, 8, None),
            (Resume::Earliest, (None, 0), 0, 0, None),
            (Resume::Malformed("x y".into()), kept, 9, 0, Some((GapReason::Malformed, "x y"))),
            (after("old-3"), kept, 4, 0, Some((GapReason::Unknown, "old-3"))),
            (after("old-99"), nothing, 8, 8, Some((GapReason::Unknown, "old-99"))),
            (after("e-10"), trimmed, 9, 0, Some((GapReason::Ahead, "e-10"))),
            (after("e-9"), trimmed, 9, 0, None),
            (after("e-4"), trimmed, 4, 0, None),
            (after("e-3"), trimmed, 4, 4, Some((GapReason::Expired, "e-3"))),
            (after("e-6"), mixed, 6, 7, Some((GapReason::Expired, "e-6"))),
            (after("e-2"), nothing, 8, 8, Some((GapReason::Expired, "e-2"))),
            (after("e-0"), kept, 0, 0, None),
        ];
        let epoch: Epoch = "e".parse().unwrap();
        let seq = |value| Seq::new(value).unwrap();
        for (resume, (oldest, trimmed), position, told, gap) in table {
            let bounds = Bounds { oldest: oldest.map(seq), newest: None, trimmed: seq(trimmed) };
            let actual = start(&resume, &epoch, seq(9), &bounds);
            assert_eq!((actual.position, actual.told), (seq(position), seq(told)), "{resume:?}");
            let actual_gap = actual.gap.map(|gap| {
                assert_eq!(gap.oldest.map(|cursor| cursor.seq), bounds.oldest);
                (gap.reason, gap.requested)
            });
            assert_eq!(actual_gap, gap.map(|(reason, text)| (reason, text.to_owned())), "{resume:?}");
        }
    }

    #[test]
    fn a_long_text_is_not_said_back_whole() {
        let resume = Resume::Malformed("é".repeat(100_000));
        let start = start(&resume, &"e".parse().unwrap(), Seq::ZERO, &Bounds::default());
        assert_eq!(start.gap.unwrap().requested.chars().count(), REQUESTED);
    }
}
