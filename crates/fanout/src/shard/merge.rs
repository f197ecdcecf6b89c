use std::{cmp::Reverse, collections::BinaryHeap};

use bytes::BytesMut;
use pushgate_model::Seq;

use crate::tail::{Piece, Tail, TailFrame};

/// Takes the frames after a position from several tails in the order of seq, joined up to `limit` bytes; a larger one
/// alone. All tails must begin at or before `after`.
///
/// A shard gets its frames in the order of seq over all tenants, so that nothing can still come below what is here.
pub(crate) fn take<'a>(tails: impl Iterator<Item = &'a Tail>, after: Seq, limit: usize) -> Option<Piece> {
    let mut next: BinaryHeap<Reverse<Head<'a>>> = tails
        .filter_map(|tail| tail.index_after(after).and_then(|index| Head::new(tail, index)))
        .map(Reverse)
        .collect();
    let Reverse(first) = next.pop()?;
    let mut piece = Piece::single(first.frame);
    let mut joined = BytesMut::new();
    next.extend(first.following().map(Reverse));
    while let Some(Reverse(head)) = next.pop() {
        let size = if piece.count == 1 { piece.bytes.len() } else { joined.len() };
        if size + head.frame.bytes.len() > limit {
            break;
        }
        if piece.count == 1 {
            joined.reserve(limit.min(size * 8));
            joined.extend_from_slice(&piece.bytes);
        }
        joined.extend_from_slice(&head.frame.bytes);
        piece.last = head.frame.seq;
        piece.count += 1;
        next.extend(head.following().map(Reverse));
    }
    if piece.count > 1 {
        piece.bytes = joined.freeze();
    }
    Some(piece)
}

/// The next frame of one tail.
struct Head<'a> {
    frame: &'a TailFrame,
    index: usize,
    tail: &'a Tail,
}

impl<'a> Head<'a> {
    fn new(tail: &'a Tail, index: usize) -> Option<Self> {
        Some(Self { frame: tail.frame(index)?, index, tail })
    }

    fn following(&self) -> Option<Self> {
        Self::new(self.tail, self.index + 1)
    }
}

impl PartialEq for Head<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.frame.seq == other.frame.seq
    }
}

impl Eq for Head<'_> {}

impl PartialOrd for Head<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Head<'_> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.frame.seq.cmp(&other.frame.seq)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use pushgate_model::Timestamp;

    use super::*;

    fn tail(seqs: &[u64]) -> Tail {
        let mut tail = Tail::new(Seq::ZERO);
        for &value in seqs {
            let frame = TailFrame {
                seq: Seq::new(value).unwrap(),
                bytes: Bytes::from(format!("{value} ")),
                received_at: Timestamp::from_millis(value),
            };
            assert!(tail.append(frame));
        }
        tail
    }

    #[test]
    fn frames_of_many_tenants_come_in_the_order_of_seq() {
        let tails = [tail(&[1, 4, 5]), tail(&[2, 6]), tail(&[]), tail(&[3])];
        // after, limit, text, last, count
        let table = [
            (0, 100, Some(("1 2 3 4 5 6 ", 6, 6))),
            (0, 5, Some(("1 2 ", 2, 2))),
            (0, 1, Some(("1 ", 1, 1))),
            (3, 100, Some(("4 5 6 ", 6, 3))),
            (5, 100, Some(("6 ", 6, 1))),
            (6, 100, None),
        ];
        for (after, limit, expected) in table {
            let piece = take(tails.iter(), Seq::new(after).unwrap(), limit);
            let actual =
                piece.as_ref().map(|piece| (std::str::from_utf8(&piece.bytes).unwrap(), piece.last.get(), piece.count));
            assert_eq!(actual, expected, "after {after}, limit {limit}");
        }
    }

    #[test]
    fn a_single_frame_is_shared_not_copied() {
        let tails = [tail(&[1]), tail(&[2])];
        let piece = take(tails.iter(), Seq::new(1).unwrap(), 100).unwrap();
        assert_eq!(piece.bytes.as_ptr(), tails[1].frame(0).unwrap().bytes.as_ptr());
    }
}
