use std::time::Instant;

use crate::SocketId;

/// A small copy of a session's state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionView {
    /// Failed attempts since the last good connection.
    pub attempt: u32,
    /// Pushes that wait for the journal.
    pub in_flight: usize,
    /// Bytes that wait for the journal.
    pub in_flight_bytes: usize,
    /// Pushes that wait for a subscriber; at most [`MAX_WAITS`](crate::MAX_WAITS).
    pub waits: usize,
    /// The current socket, when there is one.
    pub socket: Option<SocketId>,
    /// When the next dial is due, when none is under way.
    pub redial_at: Option<Instant>,
}
