use std::{
    fmt,
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use pushgate_journal::Page;
use pushgate_model::Seq;

use crate::frame::{Encoder, OVERHEAD};

/// A page of the journal as frames, encoded once for all streams that write it. Any of them may begin in the midst of it.
///
/// It has all pushes of its tenants with `after < seq <= end` that were kept when it was read.
pub(crate) struct FramedPage {
    /// The position from which it was read.
    after: Seq,
    /// How far it reaches.
    end: Seq,
    /// The highest position of these tenants that was ever trimmed.
    trimmed: Seq,
    /// The oldest kept push after `after`.
    oldest: Option<Seq>,
    /// All frames, in the order of seq.
    bytes: Bytes,
    frames: Vec<FrameEnd>,
}

/// One push of a page.
#[derive(Clone, Copy, Debug)]
struct FrameEnd {
    seq: Seq,
    /// Where its frame ends.
    end: usize,
}

/// Bytes that count for as long as anybody holds a slice of them.
struct Counted {
    bytes: Vec<u8>,
    held: Arc<AtomicUsize>,
}

impl Counted {
    fn new(bytes: Vec<u8>, held: &Arc<AtomicUsize>) -> Self {
        held.fetch_add(bytes.capacity(), Ordering::Relaxed);
        Self { bytes, held: Arc::clone(held) }
    }
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.held.fetch_sub(self.bytes.capacity(), Ordering::Relaxed);
    }
}

impl FramedPage {
    /// Encodes what was read of `range`; a page that nothing cut short covers all of it. Its bytes count in `held`.
    pub(crate) fn new(page: &Page, range: Range<Seq>, encoder: &Encoder, held: &Arc<AtomicUsize>) -> Self {
        let last = page.pushes.last().map(|push| push.seq);
        let end = if page.more { last.unwrap_or(range.start) } else { range.end };
        let size = page.pushes.iter().map(|push| push.push.size() + OVERHEAD).sum();
        let mut bytes = Vec::with_capacity(size);
        let mut frames = Vec::with_capacity(page.pushes.len());
        for push in &page.pushes {
            encoder.push(&mut bytes, push);
            frames.push(FrameEnd { seq: push.seq, end: bytes.len() });
        }
        let bytes = Bytes::from_owner(Counted::new(bytes, held));
        Self { after: range.start, end, trimmed: page.trimmed, oldest: page.oldest, bytes, frames }
    }

    /// Whether a stream at this position goes on with this page, and it says all that a read from there would.
    pub(crate) fn covers(&self, cursor: Seq) -> bool {
        // Behind the last push nothing is known of the oldest one that is kept.
        let known = self.frames.last().map_or(self.end, |last| last.seq);
        cursor == self.after || (self.after < cursor && cursor < known)
    }

    /// How far it reaches.
    pub(crate) fn end(&self) -> Seq {
        self.end
    }

    /// The highest position of its tenants that was ever trimmed.
    pub(crate) fn trimmed(&self) -> Seq {
        self.trimmed
    }

    /// The oldest kept push after a position that it covers.
    pub(crate) fn oldest_after(&self, cursor: Seq) -> Option<Seq> {
        self.frames.get(self.index_after(cursor)).map(|frame| frame.seq).or(self.oldest)
    }

    /// The first push after a position; one more than there are when there is none.
    pub(crate) fn index_after(&self, position: Seq) -> usize {
        self.frames.partition_point(|frame| frame.seq <= position)
    }

    /// The position of a push.
    pub(crate) fn seq(&self, index: usize) -> Option<Seq> {
        self.frames.get(index).map(|frame| frame.seq)
    }

    /// Bytes that it holds.
    pub(crate) fn size(&self) -> usize {
        self.bytes.len()
    }

    /// The frames of `range`, shared and not copied, up to `limit` bytes; a larger one alone. Says how many they are.
    pub(crate) fn cut(&self, range: Range<usize>, limit: usize) -> Option<(Bytes, usize)> {
        let frames = self.frames.get(range.clone())?;
        let begin = if range.start == 0 { 0 } else { self.frames[range.start - 1].end };
        let count = frames.partition_point(|frame| frame.end - begin <= limit).max(1);
        let end = frames.get(count - 1)?.end;
        Some((self.bytes.slice(begin..end), count))
    }
}

impl fmt::Debug for FramedPage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let range = (self.after, self.end);
        f.debug_struct("FramedPage").field("range", &range).field("pushes", &self.frames.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::{push, seq};

    fn framed(seqs: &[u64], more: bool, held: &Arc<AtomicUsize>) -> FramedPage {
        let pushes = seqs.iter().map(|&value| push("a", value)).collect();
        let page = Page { pushes, more, oldest: seqs.first().map(|&value| seq(value)), ..Page::default() };
        FramedPage::new(&page, seq(3)..seq(20), &Encoder::new("e".parse().unwrap()), held)
    }

    #[test]
    fn it_is_cut_into_whole_frames_up_to_the_limit() {
        let page = framed(&[5, 6, 9], false, &Arc::default());
        let one = page.cut(0..1, 1).unwrap().0.len();
        // limit, counts of the pieces
        for (limit, expected) in
            [(1, vec![1, 1, 1]), (2 * one, vec![2, 1]), (3 * one - 1, vec![2, 1]), (3 * one, vec![3])]
        {
            let (mut next, mut counts, mut text) = (0, Vec::new(), Vec::new());
            while let Some((bytes, count)) = page.cut(next..3, limit) {
                next += count;
                counts.push(count);
                text.extend_from_slice(&bytes);
            }
            assert_eq!((counts, text.as_slice()), (expected, &page.bytes[..]), "limit {limit}");
        }
    }

    #[test]
    fn only_a_whole_page_covers_all_that_was_asked_for() {
        let held = Arc::default();
        assert_eq!(framed(&[5, 6], true, &held).end(), seq(6));
        assert_eq!(framed(&[5, 6], false, &held).end(), seq(20));
    }

    #[test]
    fn a_stream_joins_it_where_it_says_all_that_a_read_would() {
        let held = Arc::default();
        // pushes, positions that are covered among those from 2 to 21
        let table = [
            (framed(&[5, 6, 9], false, &held), 3..9),
            (framed(&[5, 6, 9], true, &held), 3..9),
            (framed(&[], false, &held), 3..20),
        ];
        for (page, expected) in table {
            let covered: Vec<_> = (2..=21).filter(|&value| page.covers(seq(value))).collect();
            assert_eq!(covered, expected.collect::<Vec<_>>(), "{page:?}");
        }
        let page = framed(&[5, 6, 9], false, &held);
        assert_eq!([3, 4, 5, 8].map(|at| page.oldest_after(seq(at)).map(Seq::get)), [5, 5, 6, 9].map(Some));
    }

    #[test]
    fn its_bytes_count_until_the_last_slice_is_gone() {
        let held = Arc::default();
        let page = framed(&[5, 6], false, &held);
        let (slice, _) = page.cut(0..1, 1).unwrap();
        drop(page);
        assert!(held.load(Ordering::Relaxed) >= slice.len() * 2);
        drop(slice);
        assert_eq!(held.load(Ordering::Relaxed), 0);
    }
}
