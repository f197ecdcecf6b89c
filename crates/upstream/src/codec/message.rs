use std::cmp::{max, min};

use pushgate_session::Frame;

use super::HEAD;

/// A data message of which not all came yet.
#[derive(Debug)]
pub(super) struct Partial {
    text: bool,
    bytes: Vec<u8>,
    /// Bytes that all headers so far declare.
    declared: u64,
}

impl Partial {
    pub(super) fn new(text: bool) -> Self {
        Self { text, bytes: Vec::new(), declared: 0 }
    }

    pub(super) fn declared(&self) -> u64 {
        self.declared
    }

    /// One more fragment begins. What is held beyond the head of a message that turns out too long is given back.
    pub(super) fn declare(&mut self, payload: u64, max_message: usize) {
        self.declared += payload;
        if self.is_oversized(max_message) {
            self.bytes.truncate(HEAD);
            self.bytes.shrink_to_fit();
        }
    }

    /// Keeps what is to be kept of a piece of payload. Text is never looked at, so never kept.
    ///
    /// Memory is taken as bytes come, never on the word of a header: at most twice of what came, and no more than may be
    /// kept at all. Pieces of one byte are copied a few times only.
    pub(super) fn keep(&mut self, piece: &[u8], max_message: usize, more: bool) {
        if self.text {
            return;
        }
        let limit = if self.is_oversized(max_message) { HEAD } else { max_message };
        let room = limit.saturating_sub(self.bytes.len());
        let piece = &piece[..min(room, piece.len())];
        if self.bytes.capacity() - self.bytes.len() < piece.len() {
            let ahead = if more { min(room, self.bytes.len()) } else { 0 };
            self.bytes.reserve_exact(max(ahead, piece.len()));
        }
        self.bytes.extend_from_slice(piece);
    }

    /// The whole message, in exactly as much memory as it needs.
    pub(super) fn finish(self, max_message: usize) -> Frame {
        let len = self.declared;
        let oversized = self.is_oversized(max_message);
        let bytes = self.bytes.into_boxed_slice().into();
        match (self.text, oversized) {
            (true, _) => Frame::Text,
            (false, true) => Frame::Oversized { head: bytes, len },
            (false, false) => Frame::Binary(bytes),
        }
    }

    /// Bytes of memory that it takes.
    pub(super) fn held(&self) -> usize {
        self.bytes.capacity()
    }

    fn is_oversized(&self, max_message: usize) -> bool {
        self.declared > max_message as u64
    }
}
