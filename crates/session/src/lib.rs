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
//! - [`Session::start`], once. It asks for the first dial, as every ending does, by [`Effect::RedialAt`].
//! - At that time [`Session::on_due`]; with a slot of the connect gate [`Session::on_dialling`]; then
//!   [`Session::on_upgraded`], or [`Session::on_ended`] when the dial failed.
//! - While there is a socket: [`Session::on_frame`] for each complete frame, as long as [`Session::wants_read`];
//!   [`Session::on_tick`] at the time that the last [`Effect::Arm`] named.
//! - [`Session::on_committed`] exactly once for each [`Effect::Store`] and [`Effect::Quarantine`], also when the journal
//!   refused them and when their socket is gone: until then they count as in flight.
//! - [`Session::on_ended`] when the caller sees the socket end. Not after [`Effect::Close`] or [`Effect::Drop`]: with
//!   those the session has left the socket itself, and its new state and next dial follow among the same effects. A call
//!   that comes nevertheless changes nothing.
//! - [`Session::drain`], once: after it no dial is asked for, and a socket ends with [`Effect::Close`].

mod backoff;
mod classify;
mod close;
mod config;
mod effect;
mod ending;
mod heartbeat;
mod in_flight;
mod session;
mod view;

pub use config::{BackoffConfig, HeartbeatConfig, InFlightConfig, SessionConfig};
pub use effect::{CommitOutcome, Committed, Effect, Frame, Quarantine, SocketId};
pub use ending::{Ending, Lane};
pub use session::Session;
pub use view::SessionView;

#[cfg(test)]
mod tests;
