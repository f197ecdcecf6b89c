//! The rules of one upstream connection as a pure state machine.
//!
//! Inputs are what happened (a dial ended, a frame came, a push was committed, a time arrived), outputs are
//! [`Effect`]s that the caller carries out in their order. A session outlives sockets: it owns what must survive them,
//! the backoff and the pushes in flight. It has no clock, socket, runtime or journal: time comes in as an argument.
//! Begin reading at [`Session`].

mod backoff;
mod classify;
mod config;
mod effect;
mod ending;
mod heartbeat;
mod in_flight;
mod session;

pub use config::{BackoffConfig, HeartbeatConfig, InFlightConfig, SessionConfig};
pub use effect::{CommitOutcome, Committed, Effect, Frame, Quarantine, SocketId};
pub use ending::{Ending, Lane};
pub use session::{Session, SessionView};

#[cfg(test)]
mod tests;
