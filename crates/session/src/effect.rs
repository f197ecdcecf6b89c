use std::time::Instant;

use bytes::Bytes;
use pushgate_model::{Answer, ConnectionState, Push, PushId, Seq};

use crate::Lane;

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
    /// The service closes.
    Close(CloseFrame),
}

/// What a Close frame says (RFC 6455, section 5.5.1).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CloseFrame {
    /// Its code, when it has one.
    pub code: Option<u16>,
    /// Its text, at most 123 bytes; chosen by the service.
    pub text: String,
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
    /// The push became durable by this, for the first time; of no meaning for what is quarantined.
    pub fresh: bool,
    /// What became of it.
    pub outcome: CommitOutcome,
}

/// What became of a push.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommitOutcome {
    /// It is durable, and this is what it is answered: by policy, or because that was decided before.
    Answered(Answer),
    /// It is durable, at this position, and a subscriber is to decide.
    Awaits(Seq),
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
    /// Why, as a machine-readable word: `malformed`, `missing_id`, `id_too_long`, `too_large`.
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
    /// Have the journal record what a push is answered; its word comes back by `Session::on_settled`. At most
    /// [`MAX_WAITS`](crate::MAX_WAITS) are without that word.
    Settle {
        /// The push.
        push_id: PushId,
        /// The answer.
        answer: Answer,
        /// Why it is this one.
        by: Settlement,
    },
    /// Send a ping.
    Ping,
    /// Send a pong with this payload.
    Pong(Bytes),
    /// Call `Session::on_tick` at this time, whether there is a socket or not; replaces the time armed before.
    Arm(Instant),
    /// Send a Close with this code, give it at most a second, drop the socket. `Session::on_ended` is not called for it.
    Close(u16),
    /// Drop the socket at once: the peer is dead. `Session::on_ended` is not called for it.
    Drop,
    /// There is no socket; at this time call `Session::on_due`, ask the connect gate for a slot and dial. Replaces the
    /// dial that was planned before; one that is under way is dropped, with its slot.
    RedialAt(Instant),
    /// Forget the dial that is planned, or drop the one that is under way, with its slot: until the next
    /// [`Effect::RedialAt`] nothing is dialled. `Session::on_ended` is not called for it.
    Halt,
    /// A dial or a socket ended, in whatever way. Comes before the state that follows from it; a state that an operator
    /// asked for (`paused`, `draining`) came when he did.
    Ended(Ended),
    /// The state changed.
    State {
        /// The new state.
        state: ConnectionState,
        /// Why, as a machine-readable word.
        reason: Option<String>,
    },
    /// Something was dropped or ignored, by a machine-readable word: `text`, `unknown`, `shed`, `stale_answer`,
    /// `waits_full`, `muted`.
    Ignored(&'static str),
}

/// Why a push that waited for a subscriber is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settlement {
    /// It was written to one.
    Delivered,
    /// Nobody spoke in time.
    Deadline,
}

/// How a dial or a socket ended, and at which pace it goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Why, as a machine-readable word: that of the state that follows, or `paused`, `draining`.
    pub reason: String,
    /// More words for a person: what the library said, at most 256 bytes without control characters.
    pub detail: Option<String>,
    /// The pace of the next attempts.
    pub lane: Lane,
    /// What the service's Close said, when it sent one; its text without control characters.
    pub close: Option<CloseFrame>,
}
