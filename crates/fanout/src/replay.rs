use std::sync::Arc;

use bytes::Bytes;
use pushgate_model::Seq;

use crate::{
    event::{self, Gap},
    framed_page::FramedPage,
};

/// How far one stream is with a page of the journal, which others may write as well.
#[derive(Debug, Default)]
pub(crate) struct Replay {
    gap: Option<Gap>,
    page: Option<Arc<FramedPage>>,
    /// The push that comes next, and the one before which the stream ends.
    next: usize,
    stop: usize,
    /// Where the stream stands once all was taken.
    end: Seq,
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
    /// What of `page`, which covers `cursor`, the stream writes: no more than up to `upto`.
    pub(crate) fn new(page: Arc<FramedPage>, cursor: Seq, upto: Seq, gap: Option<Gap>) -> Self {
        let (next, stop) = (page.index_after(cursor), page.index_after(upto));
        Self { gap, next, stop, end: page.end().min(upto), page: Some(page) }
    }

    /// Whether all was taken.
    pub(crate) fn is_done(&self) -> bool {
        self.gap.is_none() && self.next >= self.stop
    }

    /// Where the stream stands once all was taken.
    pub(crate) fn end(&self) -> Seq {
        self.end
    }

    /// The next whole events, of at most `limit` bytes; a larger one alone.
    pub(crate) fn piece(&mut self, limit: usize) -> Option<ReplayPiece> {
        if let Some(gap) = self.gap.take() {
            let mut buffer = Vec::new();
            event::gap(&mut buffer, &gap);
            return Some(ReplayPiece { bytes: buffer.into(), count: 0, position: None });
        }
        let page = self.page.as_ref()?;
        let (bytes, count) = page.cut(self.next..self.stop, limit)?;
        self.next += count;
        Some(ReplayPiece { bytes, count: count as u32, position: page.seq(self.next - 1) })
    }
}

#[cfg(test)]
mod tests {
    use pushgate_journal::Page;

    use super::*;
    use crate::{
        event::GapReason,
        frame::Encoder,
        tests::{push, seq},
    };

    fn page(seqs: &[u64]) -> Arc<FramedPage> {
        let page = Page { pushes: seqs.iter().map(|&value| push("a", value)).collect(), ..Page::default() };
        Arc::new(FramedPage::new(&page, seq(0)..seq(20), &Encoder::new("e".parse().unwrap()), &Arc::default()))
    }

    fn pieces(replay: &mut Replay, limit: usize) -> Vec<(u32, Option<u64>)> {
        std::iter::from_fn(|| replay.piece(limit)).map(|piece| (piece.count, piece.position.map(Seq::get))).collect()
    }

    #[test]
    fn a_stream_takes_its_part_of_a_page_and_stands_at_the_end_of_it() {
        // cursor, upto, pieces, end
        let table = [
            (0, 20, vec![(1, Some(5)), (1, Some(6)), (1, Some(9))], 20),
            (5, 20, vec![(1, Some(6)), (1, Some(9))], 20),
            (0, 8, vec![(1, Some(5)), (1, Some(6))], 8),
            (6, 8, vec![], 8),
            (0, 30, vec![(1, Some(5)), (1, Some(6)), (1, Some(9))], 20),
        ];
        for (cursor, upto, expected, end) in table {
            let mut replay = Replay::new(page(&[5, 6, 9]), seq(cursor), seq(upto), None);
            assert_eq!((pieces(&mut replay, 1), replay.end()), (expected, seq(end)), "from {cursor} to {upto}");
            assert!(replay.is_done());
        }
    }

    #[test]
    fn a_gap_comes_before_the_pushes_and_moves_nothing() {
        let gap = Gap { reason: GapReason::Expired, requested: "e-1".into(), oldest: None };
        let mut replay = Replay::new(page(&[5]), seq(0), seq(20), Some(gap.clone()));
        assert_eq!(pieces(&mut replay, 1_000), [(0, None), (1, Some(5))]);
        let mut replay = Replay::new(page(&[]), seq(0), seq(20), Some(gap));
        assert!(!replay.is_done());
        assert_eq!(pieces(&mut replay, 1), [(0, None)]);
    }
}
