//! The rules of one upstream connection as a pure state machine.
//!
//! Inputs are what happened (a dial ended, a frame came, a push was committed, a time arrived), outputs are
//! [`Effect`]s that the caller carries out in their order. A session outlives sockets: it owns what must survive them,
//! the backoff and the pushes in flight. It has no clock, socket, runtime or journal: time comes in as an argument.
//! Begin reading at [`Session`].
//!
//! # Who calls what
//!
//! One caller drives one session and carries all effects of a call out before the next call.
//!
//! - [`Session::start`], or [`Session::start_paused`], once. The first asks for a dial, as every ending does, by
//!   [`Effect::RedialAt`].
//! - At that time [`Session::on_due`]; with a slot of the connect gate [`Session::on_dialling`]; then
//!   [`Session::on_upgraded`], or [`Session::on_ended`] when the dial failed. A later [`Effect::RedialAt`] replaces all of
//!   that, and [`Effect::Halt`] takes it back: what was planned or under way is dropped without a further call.
//! - [`Session::on_tick`] at the time that the last [`Effect::Arm`] named, with a socket or without: then pushes may wait
//!   whose time is over. A new socket forgets the time that was armed before it.
//! - While there is a socket: [`Session::on_frame`] for each complete frame, as long as [`Session::wants_read`].
//! - [`Session::on_committed`] exactly once for each [`Effect::Store`] and [`Effect::Quarantine`], also when the journal
//!   refused them and when their socket is gone: until then they count as in flight.
//! - [`Session::on_settled`] exactly once for each [`Effect::Settle`], likewise; [`Session::on_word`] for each word of a
//!   subscriber that the journal recorded; [`Session::on_delivered`] for what was written to one. What the journal said
//!   comes in its order: of a commit and a word that it recorded later, the commit first, so that the word finds its wait.
//! - [`Session::on_ended`] when the caller sees the socket end. Not after [`Effect::Close`] or [`Effect::Drop`]: with
//!   those the session has left the socket itself, and its new state and next dial follow among the same effects. A call
//!   that comes nevertheless changes nothing.
//! - At any time, for an operator: [`Session::pause`], [`Session::resume`], [`Session::reconnect`],
//!   [`Session::set_answers`]; for the gateway: [`Session::set_room`], [`Session::set_store`].
//! - [`Session::drain`], once: after it no dial is asked for, and a socket ends with [`Effect::Close`].
//!
//! # Pushes that wait
//!
//! A push that a subscriber is to decide ([`CommitOutcome::Awaits`]) has at most one open wait, with a deadline. A word,
//! a delivery or the deadline ends it, whichever the journal records first; the answer goes to the newest socket by which
//! the push came, if that is still the present one. The end of a socket leaves waits open: the word may come meanwhile,
//! and the repeat on the next socket gets it from the journal.

mod backoff;
mod classify;
mod close;
mod config;
mod effect;
mod ended;
mod ending;
mod heartbeat;
mod in_flight;
mod session;
mod view;
mod waits;

pub use classify::{Classified, classification};
pub use config::{AckPolicy, AnswerConfig, BackoffConfig, HeartbeatConfig, InFlightConfig, SessionConfig};
pub use effect::{CloseFrame, CommitOutcome, Committed, Effect, Ended, Frame, Quarantine, Settlement, SocketId};
pub use ending::{Ending, Lane};
pub use session::{Room, Session, Store};
pub use view::SessionView;
pub use waits::MAX_WAITS;

#[cfg(test)]
mod tests;
