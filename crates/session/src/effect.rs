use std::time::Instant;

use bytes::Bytes;
use pushgate_model::{Answer, ConnectionState, Push, PushId};

/// Numbers the sockets of one session: an answer goes only to the socket by which its push came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SocketId(pub u64);

/// One complete inbound WebSocket frame or joined message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// A binary message, fragments joined.
    Binary(Bytes),
    /// A binary message over the limit: its first bytes, the rest was read past.
    Oversized {
        /// The first bytes, at most 64 KiB.
        head: Bytes,
        /// How long the message was, in bytes.
        len: u64,
    },
    /// A text message: no part of the protocol, ignored and counted.
    Text,
    /// A ping with its payload.
    Ping(Bytes),
    /// A pong.
    Pong,
    /// The service closes, with its code.
    Close(Option<u16>),
}

/// What the journal made of a push that it was given by [`Effect::Store`] or [`Effect::Quarantine`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    /// The socket by which the push came.
    pub socket: SocketId,
    /// The push; nothing for a quarantined one without an id.
    pub push_id: Option<PushId>,
    /// Bytes that it held in flight: what [`Effect::Store`] and [`Effect::Quarantine`] say.
    pub bytes: usize,
    /// What became of it.
    pub outcome: CommitOutcome,
}

/// What became of a push.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommitOutcome {
    /// It is durable, now for the first time.
    Stored,
    /// It was durable before.
    Duplicate,
    /// It is durable in quarantine.
    Quarantined,
    /// It is known already, and identical bytes were answered less than a second ago: stays unanswered.
    Muted,
    /// The journal could not write. The push stays unanswered, so the service sends it again.
    Failed,
}

/// A push that can't be accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quarantine {
    /// Its bytes, at most the first 64 KiB of an oversized one.
    pub raw: Bytes,
    /// Its id, when it could be scanned.
    pub push_id: Option<PushId>,
    /// Why, as a machine-readable word: `malformed`, `missing_id`, `too_large`.
    pub reason: &'static str,
    /// How long the whole message was, in bytes.
    pub size: u64,
}

/// What the caller has to do, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Give the push to the journal; its word comes back by `Session::on_committed`.
    Store {
        /// The push.
        push: Push,
        /// To be given back.
        socket: SocketId,
        /// To be given back.
        bytes: usize,
    },
    /// Give the bytes to the journal's quarantine; its word comes back by `Session::on_committed`.
    Quarantine {
        /// What to keep.
        entry: Quarantine,
        /// To be given back.
        socket: SocketId,
        /// To be given back.
        bytes: usize,
    },
    /// Send this answer as a binary frame on the current socket.
    Answer {
        /// The push that is answered.
        push_id: PushId,
        /// What became of it.
        answer: Answer,
        /// Its encoding.
        frame: Bytes,
    },
    /// Send a ping.
    Ping,
    /// Send a pong with this payload.
    Pong(Bytes),
    /// Call `Session::on_tick` at this time; replaces the time armed before.
    Arm(Instant),
    /// Send a Close with this code, give it at most a second, drop the socket. `Session::on_ended` is not called for it.
    Close(u16),
    /// Drop the socket at once: the peer is dead. `Session::on_ended` is not called for it.
    Drop,
    /// There is no socket; at this time call `Session::on_due`, ask the connect gate for a slot and dial.
    RedialAt(Instant),
    /// The state changed.
    State {
        /// The new state.
        state: ConnectionState,
        /// Why, as a machine-readable word.
        reason: Option<String>,
    },
    /// Something was dropped or ignored, by a machine-readable word: `text`, `unknown`, `shed`, `stale_answer`.
    Ignored(&'static str),
}
