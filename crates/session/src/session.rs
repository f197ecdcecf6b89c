use std::time::Instant;

use crate::{Committed, Effect, Ending, Frame, SessionConfig, SocketId};

/// The rules of one upstream connection. See the crate's page.
#[derive(Debug)]
pub struct Session {}

/// A small copy of a session's state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionView {
    /// Failed attempts since the last good connection.
    pub attempt: u32,
    /// Pushes that wait for the journal.
    pub in_flight: usize,
    /// Bytes that wait for the journal.
    pub in_flight_bytes: usize,
    /// The current socket, when there is one.
    pub socket: Option<SocketId>,
    /// When the next dial is due, when none is under way.
    pub redial_at: Option<Instant>,
}

impl Session {
    /// A session without a socket. `seed` makes its jitter repeatable.
    pub fn new(_config: SessionConfig, _seed: u64) -> Self {
        Self {}
    }

    /// Begins: dial now.
    pub fn start(&mut self, _now: Instant, _effects: &mut Vec<Effect>) {}

    /// The dial of [`Effect::RedialAt`] got its slot and begins.
    pub fn on_dialling(&mut self, _now: Instant, _effects: &mut Vec<Effect>) {}

    /// The upgrade succeeded: a new socket, numbered here. Silence is counted from now on.
    pub fn on_upgraded(&mut self, _now: Instant, _effects: &mut Vec<Effect>) -> SocketId {
        SocketId(0)
    }

    /// A complete frame came on the current socket.
    pub fn on_frame(&mut self, _frame: Frame, _now: Instant, _effects: &mut Vec<Effect>) {}

    /// The journal's word about a push.
    pub fn on_committed(&mut self, _committed: Committed, _now: Instant, _effects: &mut Vec<Effect>) {}

    /// The armed time has come.
    pub fn on_tick(&mut self, _now: Instant, _effects: &mut Vec<Effect>) {}

    /// The dial failed or the socket ended.
    pub fn on_ended(&mut self, _ending: &Ending, _now: Instant, _effects: &mut Vec<Effect>) {}

    /// Whether the caller should read the socket now. False while too much waits for the journal, for a fraction of
    /// the heartbeat at most: then reading goes on, pings are answered and pushes are shed, until there is room.
    pub fn wants_read(&self, _now: Instant) -> bool {
        true
    }

    /// The gateway stops: read no more, answer what is in flight, then [`Effect::Close`] 1001; never dial again.
    pub fn drain(&mut self, _now: Instant, _effects: &mut Vec<Effect>) {}

    /// A copy of the state.
    pub fn view(&self) -> SessionView {
        unimplemented!()
    }
}
