use std::{sync::Arc, vec};

use bytes::Bytes;
use pushgate_journal::Page;
use pushgate_model::{Seq, StoredPush};

use crate::{
    event::{self, Gap},
    frame::Encoder,
};

/// A page of the journal on its way into one stream. It is encoded piece by piece, as the stream takes it.
#[derive(Debug, Default)]
pub(crate) struct Replay {
    gap: Option<Gap>,
    rows: vec::IntoIter<Arc<StoredPush>>,
    /// A frame that did not fit into the last piece.
    carry: Option<Carry>,
    /// Where the stream stands once the page was taken.
    end: Seq,
}

#[derive(Debug)]
struct Carry {
    frame: Vec<u8>,
    seq: Seq,
}

/// What the stream writes next.
#[derive(Debug)]
pub(crate) struct ReplayPiece {
    pub(crate) bytes: Bytes,
    /// How many pushes.
    pub(crate) count: u32,
    /// Where the stream stands now; nothing when it has not moved.
    pub(crate) position: Option<Seq>,
}

impl Replay {
    /// `upto` is how far was asked for: a page that nothing cut short covers all up to there.
    pub(crate) fn new(page: Page, upto: Seq, gap: Option<Gap>) -> Self {
        let last = page.pushes.last().map(|push| push.seq);
        let end = if page.more { last.unwrap_or_default() } else { upto };
        Self { gap, rows: page.pushes.into_iter(), carry: None, end }
    }

    /// Whether all was taken.
    pub(crate) fn is_done(&self) -> bool {
        self.gap.is_none() && self.carry.is_none() && self.rows.len() == 0
    }

    /// Where the stream stands once all was taken.
    pub(crate) fn end(&self) -> Seq {
        self.end
    }

    /// The next whole events, of at most `limit` bytes; a larger one alone.
    pub(crate) fn piece(&mut self, encoder: &Encoder, limit: usize) -> Option<ReplayPiece> {
        let mut buffer = Vec::new();
        let (mut count, mut position) = (0, None);
        if let Some(gap) = self.gap.take() {
            event::gap(&mut buffer, &gap);
        }
        while let Some(Carry { frame, seq }) = self.carry.take().or_else(|| self.encode(encoder)) {
            if !buffer.is_empty() && buffer.len() + frame.len() > limit {
                self.carry = Some(Carry { frame, seq });
                break;
            }
            if buffer.is_empty() {
                buffer = frame;
            } else {
                buffer.extend_from_slice(&frame);
            }
            count += 1;
            position = Some(seq);
        }
        (!buffer.is_empty()).then(|| ReplayPiece { bytes: buffer.into(), count, position })
    }

    fn encode(&mut self, encoder: &Encoder) -> Option<Carry> {
        let push = self.rows.next()?;
        let mut frame = Vec::new();
        encoder.push(&mut frame, &push);
        Some(Carry { frame, seq: push.seq })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        event::GapReason,
        tests::{push, seq},
    };

    fn page(seqs: &[u64], more: bool) -> Page {
        Page { pushes: seqs.iter().map(|&value| push("a", value)).collect(), more, ..Page::default() }
    }

    fn pieces(replay: &mut Replay, limit: usize) -> Vec<(u32, Option<u64>)> {
        let encoder = Encoder::new("e".parse().unwrap());
        std::iter::from_fn(|| replay.piece(&encoder, limit))
            .map(|piece| (piece.count, piece.position.map(Seq::get)))
            .collect()
    }

    #[test]
    fn a_page_is_cut_into_whole_events_up_to_the_limit() {
        let one = {
            let mut frame = Vec::new();
            Encoder::new("e".parse().unwrap()).push(&mut frame, &push("a", 5));
            frame.len()
        };
        let table = [
            (1, vec![(1, Some(5)), (1, Some(6)), (1, Some(9))]),
            (2 * one, vec![(2, Some(6)), (1, Some(9))]),
            (3 * one, vec![(3, Some(9))]),
        ];
        for (limit, expected) in table {
            let mut replay = Replay::new(page(&[5, 6, 9], false), seq(20), None);
            assert_eq!(pieces(&mut replay, limit), expected);
            assert!(replay.is_done());
        }
    }

    #[test]
    fn a_gap_comes_before_the_pushes_and_moves_nothing() {
        let gap = Gap { reason: GapReason::Expired, requested: "e-1".into(), oldest: None };
        let mut replay = Replay::new(page(&[5], false), seq(20), Some(gap.clone()));
        assert_eq!(pieces(&mut replay, 1), [(0, None), (1, Some(5))]);
        let mut replay = Replay::new(page(&[], false), seq(20), Some(gap));
        assert!(!replay.is_done());
        assert_eq!(pieces(&mut replay, 1), [(0, None)]);
    }

    #[test]
    fn only_a_whole_page_covers_all_that_was_asked_for() {
        assert_eq!(Replay::new(page(&[5, 6], true), seq(20), None).end(), seq(6));
        assert_eq!(Replay::new(page(&[5, 6], false), seq(20), None).end(), seq(20));
    }
}
