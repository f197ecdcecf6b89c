use pushgate_journal::{Bounds, Since};
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

/// What of a stream's tenants is kept.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Kept {
    pub(crate) bounds: Bounds,
    /// What was asked of a time.
    pub(crate) since: Option<Since>,
}

/// Where a stream starts that asks for `resume`. `head` was the newest position when it asked, `kept` was read after
/// that.
pub(crate) fn start(resume: &Resume, epoch: &Epoch, head: Seq, kept: &Kept) -> Start {
    let Kept { bounds, since } = kept;
    let live = Start { position: head, told: Seq::ZERO, gap: None };
    let gap = |reason, requested| {
        let oldest = bounds.oldest.map(|seq| Cursor { epoch: epoch.clone(), seq });
        Some(Gap { reason, requested, oldest })
    };
    match resume {
        Resume::Live => live,
        Resume::Earliest => oldest_kept(bounds),
        Resume::Since(time) => {
            let since = since.unwrap_or_default();
            let expired = since.trimmed.then(|| gap(GapReason::Expired, time.to_string())).flatten();
            // What was committed since it asked is not passed over, whatever its time.
            let position = since.first.map_or(head, |first| before(first).min(head));
            Start { position, told: bounds.trimmed, gap: expired }
        }
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
    Start { position: bounds.oldest.map_or(bounds.trimmed, before), told: bounds.trimmed, gap: None }
}

fn before(seq: Seq) -> Seq {
    Seq::new(seq.get().saturating_sub(1)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use pushgate_model::Timestamp;

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
            let kept = Kept { bounds, since: None };
            let actual = start(&resume, &epoch, seq(9), &kept);
            assert_eq!((actual.position, actual.told), (seq(position), seq(told)), "{resume:?}");
            let actual_gap = actual.gap.map(|gap| {
                assert_eq!(gap.oldest.map(|cursor| cursor.seq), bounds.oldest);
                (gap.reason, gap.requested)
            });
            assert_eq!(actual_gap, gap.map(|(reason, text)| (reason, text.to_owned())), "{resume:?}");
        }
    }

    #[test]
    fn a_time_has_its_start() {
        let time = Timestamp::from_millis(1_042);
        // first, trimmed, position, gap
        let table = [
            (Some(7), false, 6, false),
            (Some(5), true, 4, true),
            // Committed since it asked: what came in between is not passed over.
            (Some(12), false, 9, false),
            (None, false, 9, false),
            (None, true, 9, true),
        ];
        for (first, trimmed, position, gap) in table {
            let bounds = Bounds { oldest: Seq::new(5), newest: Seq::new(9), trimmed: Seq::new(4).unwrap() };
            let since = Since { first: first.and_then(Seq::new), trimmed };
            let kept = Kept { bounds, since: Some(since) };
            let actual = start(&Resume::Since(time), &"e".parse().unwrap(), Seq::new(9).unwrap(), &kept);
            assert_eq!((actual.position.get(), actual.told.get()), (position, 4), "{since:?}");
            let expected = gap.then(|| (GapReason::Expired, "1970-01-01T00:00:01.042Z".to_owned(), Seq::new(5)));
            let actual = actual.gap.map(|gap| (gap.reason, gap.requested, gap.oldest.map(|oldest| oldest.seq)));
            assert_eq!(actual, expected, "{since:?}");
        }
    }

    #[test]
    fn a_long_text_is_not_said_back_whole() {
        let resume = Resume::Malformed("é".repeat(100_000));
        let start = start(&resume, &"e".parse().unwrap(), Seq::ZERO, &Kept::default());
        assert_eq!(start.gap.unwrap().requested.chars().count(), REQUESTED);
    }
}
