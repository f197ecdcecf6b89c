use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};
use pushgate_model::{Seq, Timestamp};

/// So many frames from the end are looked at one by one before a binary search: nearly every subscriber is that near.
const NEAR: usize = 4;

/// The newest frames of one tenant on one worker thread: every push with `start < seq <= last` is here.
#[derive(Debug)]
pub(crate) struct Tail {
    start: Seq,
    last: Seq,
    frames: VecDeque<TailFrame>,
    bytes: usize,
    joined: Option<Joined>,
}

/// One encoded push.
#[derive(Clone, Debug)]
pub(crate) struct TailFrame {
    pub(crate) seq: Seq,
    pub(crate) bytes: Bytes,
    pub(crate) received_at: Timestamp,
}

/// What a subscriber writes next.
#[derive(Clone, Debug)]
pub(crate) struct Piece {
    /// Whole frames, joined.
    pub(crate) bytes: Bytes,
    /// The position of the last of them.
    pub(crate) last: Seq,
    /// How many they are.
    pub(crate) count: u32,
    /// When the first of them reached the gateway.
    pub(crate) received_at: Timestamp,
}

/// A [`Piece`] that stays where it is: thousands of streams look at the same one, and each copy of its bytes would count
/// up and down what all threads share.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Look<'a> {
    pub(crate) bytes: &'a Bytes,
    pub(crate) last: Seq,
    pub(crate) count: u32,
    pub(crate) received_at: Timestamp,
}

impl<'a> Look<'a> {
    fn of_frame(frame: &'a TailFrame) -> Self {
        Self { bytes: &frame.bytes, last: frame.seq, count: 1, received_at: frame.received_at }
    }
}

/// The last joined piece. Subscribers of one tenant move together, so that the next one mostly wants the same.
#[derive(Debug)]
struct Joined {
    first: Seq,
    /// The limit ended it, so that later frames don't change it.
    full: bool,
    piece: Piece,
}

impl Piece {
    pub(crate) fn look(&self) -> Look<'_> {
        Look { bytes: &self.bytes, last: self.last, count: self.count, received_at: self.received_at }
    }

    pub(crate) fn single(frame: &TailFrame) -> Self {
        Self { bytes: frame.bytes.clone(), last: frame.seq, count: 1, received_at: frame.received_at }
    }
}

impl Tail {
    /// An empty tail of what comes after `start`.
    pub(crate) fn new(start: Seq) -> Self {
        Self { start, last: start, frames: VecDeque::new(), bytes: 0, joined: None }
    }

    /// A subscriber at this position or above can be served from here.
    pub(crate) fn start(&self) -> Seq {
        self.start
    }

    /// The last position that this tail covers.
    pub(crate) fn last(&self) -> Seq {
        self.last
    }

    /// Bytes of all frames.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Adds the next frame. Says no to one that is covered already.
    pub(crate) fn append(&mut self, frame: TailFrame) -> bool {
        if frame.seq <= self.last {
            return false;
        }
        self.last = frame.seq;
        self.bytes += frame.bytes.len();
        self.frames.push_back(frame);
        true
    }

    /// Gives up the oldest frames until at most `bytes` are left. With [`Keep::Newest`] the last frame stays whatever
    /// its size: everybody is about to read it.
    pub(crate) fn shrink(&mut self, bytes: usize, keep: Keep) {
        let least = match keep {
            Keep::Newest => 1,
            Keep::Nothing => 0,
        };
        while self.bytes > bytes && self.frames.len() > least {
            let Some(frame) = self.frames.pop_front() else { break };
            self.bytes -= frame.bytes.len();
            self.start = frame.seq;
            self.joined = None;
        }
    }

    /// Forgets the joined piece, which can be made again.
    pub(crate) fn forget_joined(&mut self) {
        self.joined = None;
    }

    /// As [`Tail::look`], to keep.
    pub(crate) fn take(&mut self, after: Seq, limit: usize) -> Option<Piece> {
        self.look(after, limit).map(|look| Piece {
            bytes: look.bytes.clone(),
            last: look.last,
            count: look.count,
            received_at: look.received_at,
        })
    }

    /// The frames after a position of at least [`Tail::start`], joined up to `limit` bytes; a larger one alone.
    pub(crate) fn look(&mut self, after: Seq, limit: usize) -> Option<Look<'_>> {
        debug_assert!(after >= self.start, "a cursor before the tail reads the journal");
        let index = self.index_after(after)?;
        if index + 1 == self.frames.len() {
            return self.frames.get(index).map(Look::of_frame);
        }
        let first = self.frames[index].seq;
        let serves = |joined: &Joined| joined.first == first && (joined.full || joined.piece.last == self.last);
        if !self.joined.as_ref().is_some_and(serves) {
            self.joined = Some(self.join(index, limit));
        }
        self.joined.as_ref().map(|joined| joined.piece.look())
    }

    /// The first frame after a position.
    pub(crate) fn index_after(&self, after: Seq) -> Option<usize> {
        if after >= self.last || self.frames.is_empty() {
            return None;
        }
        let near = self.frames.len().saturating_sub(NEAR);
        if self.frames[near].seq <= after {
            return (near + 1..self.frames.len()).find(|&index| self.frames[index].seq > after);
        }
        let index = self.frames.partition_point(|frame| frame.seq <= after);
        (index < self.frames.len()).then_some(index)
    }

    pub(crate) fn frame(&self, index: usize) -> Option<&TailFrame> {
        self.frames.get(index)
    }

    fn join(&self, index: usize, limit: usize) -> Joined {
        let mut size = 0;
        let mut count = 0;
        for frame in self.frames.range(index..) {
            if count > 0 && size + frame.bytes.len() > limit {
                break;
            }
            size += frame.bytes.len();
            count += 1;
        }
        let first = &self.frames[index];
        let mut piece = Piece::single(first);
        if count > 1 {
            let mut bytes = BytesMut::with_capacity(size);
            for frame in self.frames.range(index..index + count) {
                bytes.extend_from_slice(&frame.bytes);
            }
            piece.bytes = bytes.freeze();
            piece.last = self.frames[index + count - 1].seq;
            piece.count = count as u32;
        }
        Joined { first: first.seq, full: index + count < self.frames.len(), piece }
    }
}

/// What [`Tail::shrink`] must leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keep {
    /// At least the newest frame.
    Newest,
    /// Nothing, if need be.
    Nothing,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seq(value: u64) -> Seq {
        Seq::new(value).unwrap()
    }

    fn frame(value: u64, text: &'static str) -> TailFrame {
        TailFrame {
            seq: seq(value),
            bytes: Bytes::from_static(text.as_bytes()),
            received_at: Timestamp::from_millis(value),
        }
    }

    fn tail(frames: &[(u64, &'static str)]) -> Tail {
        let mut tail = Tail::new(seq(10));
        for (value, text) in frames {
            assert!(tail.append(frame(*value, text)));
        }
        tail
    }

    fn taken(tail: &mut Tail, after: u64, limit: usize) -> Option<(String, u64, u32)> {
        let piece = tail.take(seq(after), limit)?;
        Some((String::from_utf8(piece.bytes.to_vec()).unwrap(), piece.last.get(), piece.count))
    }

    #[test]
    fn takes_everything_after_the_cursor_up_to_the_limit() {
        let frames = [(11, "aa"), (13, "bb"), (14, "cc"), (20, "dddddd"), (21, "e"), (30, "f")];
        // after, limit, expected
        let table = [
            (10, 100, Some(("aabbccddddddef", 30, 6))),
            (11, 100, Some(("bbccddddddef", 30, 5))),
            (12, 100, Some(("bbccddddddef", 30, 5))),
            (10, 4, Some(("aabb", 13, 2))),
            (10, 5, Some(("aabb", 13, 2))),
            (10, 1, Some(("aa", 11, 1))),
            (14, 3, Some(("dddddd", 20, 1))),
            (20, 3, Some(("ef", 30, 2))),
            (21, 3, Some(("f", 30, 1))),
            (29, 3, Some(("f", 30, 1))),
            (30, 3, None),
            (99, 3, None),
        ];
        for (after, limit, expected) in table {
            let expected = expected.map(|(text, last, count): (&str, u64, u32)| (text.to_owned(), last, count));
            assert_eq!(taken(&mut tail(&frames), after, limit), expected, "after {after}, limit {limit}");
        }
    }

    #[test]
    fn subscribers_at_one_position_share_the_bytes() {
        let mut tail = tail(&[(11, "a"), (12, "b")]);
        let first = tail.take(seq(10), 100).unwrap().bytes;
        let second = tail.take(seq(10), 100).unwrap().bytes;
        assert_eq!(first.as_ptr(), second.as_ptr());
        assert!(tail.append(frame(13, "c")));
        assert_eq!(taken(&mut tail, 10, 100), Some(("abc".into(), 13, 3)));
        assert_eq!(taken(&mut tail, 10, 2), Some(("abc".into(), 13, 3)), "a joined piece serves until it is outdated");
    }

    #[test]
    fn a_full_piece_stays_right_when_frames_follow() {
        let mut tail = tail(&[(11, "a"), (12, "b"), (13, "c")]);
        assert_eq!(taken(&mut tail, 10, 2), Some(("ab".into(), 12, 2)));
        assert!(tail.append(frame(14, "d")));
        assert_eq!(taken(&mut tail, 10, 2), Some(("ab".into(), 12, 2)));
        assert_eq!(taken(&mut tail, 12, 2), Some(("cd".into(), 14, 2)));
    }

    #[test]
    fn what_is_covered_is_not_appended_again() {
        let mut tail = tail(&[(11, "a")]);
        assert!(!tail.append(frame(11, "a")));
        assert!(!tail.append(frame(9, "z")));
        assert_eq!((tail.bytes(), tail.last()), (1, seq(11)));
    }

    #[test]
    fn shrinking_moves_the_start_behind_what_was_given_up() {
        let mut tail = tail(&[(11, "aa"), (13, "bb"), (14, "cc")]);
        tail.shrink(4, Keep::Newest);
        assert_eq!((tail.start(), tail.bytes()), (seq(11), 4));
        tail.shrink(0, Keep::Newest);
        assert_eq!((tail.start(), tail.bytes()), (seq(13), 2));
        tail.shrink(0, Keep::Nothing);
        assert_eq!((tail.start(), tail.last(), tail.bytes()), (seq(14), seq(14), 0));
        assert_eq!(taken(&mut tail, 14, 10), None);
    }
}
