//! Parts of the way of a push alone, for the benchmarks of this crate.

use bytes::Bytes;
use pushgate_model::{Epoch, Seq, StoredPush, Timestamp};

use crate::{
    frame::Encoder,
    tail::{Tail, TailFrame},
};

/// Writes pushes as Server-Sent Events.
#[derive(Debug)]
pub struct FrameEncoder(Encoder);

impl FrameEncoder {
    /// For the pushes of this life of the journal.
    pub fn new(epoch: Epoch) -> Self {
        Self(Encoder::new(epoch))
    }

    /// Appends the frame of one push.
    pub fn push(&self, buffer: &mut Vec<u8>, push: &StoredPush) {
        self.0.push(buffer, push);
    }
}

/// The newest frames of one tenant on one worker thread.
#[derive(Debug)]
pub struct TenantTail(Tail);

impl TenantTail {
    /// An empty one of what comes after `start`.
    pub fn new(start: Seq) -> Self {
        Self(Tail::new(start))
    }

    /// Adds the next frame. Says no to one that is covered already.
    pub fn append(&mut self, seq: Seq, bytes: Bytes) -> bool {
        self.0.append(TailFrame { seq, bytes, received_at: Timestamp::from_millis(0) })
    }

    /// The frames after a position, joined up to `limit` bytes, and the position of the last of them.
    pub fn take(&mut self, after: Seq, limit: usize) -> Option<(Bytes, Seq)> {
        self.0.take(after, limit).map(|piece| (piece.bytes, piece.last))
    }
}
