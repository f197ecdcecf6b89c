use pushgate_session::SocketId;

/// What the journal gives back with an outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tag {
    /// The socket by which it came.
    pub(super) socket: SocketId,
    /// Whether it was stored without an answer, for a subscriber to decide; the policy may have changed since.
    pub(super) awaits: bool,
}

impl Tag {
    pub(super) fn encode(self) -> u64 {
        self.socket.0 << 1 | u64::from(self.awaits)
    }

    pub(super) fn decode(tag: u64) -> Self {
        Self { socket: SocketId(tag >> 1), awaits: tag & 1 == 1 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_comes_back_as_it_was() {
        for (socket, awaits) in [(1, false), (1, true), (u64::MAX >> 1, true)] {
            let tag = Tag { socket: SocketId(socket), awaits };
            assert_eq!(Tag::decode(tag.encode()), tag);
        }
    }
}
