use std::{
    collections::VecDeque,
    task::Waker,
    time::{Duration, Instant, SystemTime},
};

use actix_web_actors::ws::CloseCode;
use bytes::{Bytes, BytesMut};
use pushgate_model::Timestamp;
use serde::Serialize;

use crate::frame::pings;

/// Hostile frames that may wait on one socket; one more is refused.
const RAW_QUEUE: usize = 64;
/// Most pings of a flood that wait on one socket; a gateway that is slower gets fewer.
const MAX_PINGS_DUE: u32 = 10_000;

/// How this side ends a socket.
#[derive(Clone, Copy)]
pub(crate) enum Ending {
    /// With a Close frame, then the end of the TCP connection.
    Close(CloseCode, &'static str),
    /// The TCP connection just ends.
    Drop,
}

impl Ending {
    /// A cut by hand is obeyed even by an account that is silent on purpose, when nothing has to be said for it.
    pub(crate) fn breaks_silence(self) -> bool {
        matches!(self, Self::Drop)
    }
}

/// What an account knows of one of its sockets; the actor holds the rest.
pub(crate) struct Slot {
    pub(crate) id: u64,
    /// Set once this side ends the socket: it gets nothing more.
    pub(crate) ending: Option<Ending>,
    /// When the last ping or pong came; at first, when the socket was opened.
    pub(crate) heard_at: Instant,
    /// Pushes that were sent on it, repeats included.
    pub(crate) pushes: u32,
    pub(crate) opened: Instant,
    address: String,
    connected_at: Timestamp,
    pinged_at: Instant,
    /// When a flood of pings was fed last; nothing when there is none.
    flooded_at: Option<Instant>,
    pings_due: u32,
    raw: VecDeque<Bytes>,
    waker: Option<Waker>,
}

/// A socket as the control API shows it.
#[derive(Serialize)]
pub(crate) struct SocketSnapshot {
    /// Counts the sockets of the account from 0.
    id: u64,
    address: String,
    connected_at: Timestamp,
    /// Milliseconds since the last ping or pong came.
    heard_ms_ago: u64,
}

impl Slot {
    pub(crate) fn new(id: u64, address: String, now: Instant) -> Self {
        Self {
            id,
            ending: None,
            heard_at: now,
            pushes: 0,
            opened: now,
            address,
            connected_at: SystemTime::now().into(),
            pinged_at: now,
            flooded_at: None,
            pings_due: 0,
            raw: VecDeque::new(),
            waker: None,
        }
    }

    pub(crate) fn end(&mut self, ending: Ending) {
        self.ending = Some(ending);
        self.wake();
    }

    pub(crate) fn ping_when_due(&mut self, now: Instant, every: Duration) {
        if now.duration_since(self.pinged_at) >= every {
            self.pinged_at = now;
            self.pings_due = self.pings_due.max(1);
            self.wake();
        }
    }

    /// Makes the pings of a flood that are due since the last call; `per_second` is nothing when there is no flood.
    pub(crate) fn flood(&mut self, now: Instant, per_second: Option<u32>) {
        let Some(per_second) = per_second else {
            self.flooded_at = None;
            return;
        };
        let since = *self.flooded_at.get_or_insert(now);
        let due = (now.saturating_duration_since(since).as_secs_f64() * f64::from(per_second)) as u32;
        if due > 0 {
            self.flooded_at = Some(now);
            self.pings_due = self.pings_due.saturating_add(due).min(MAX_PINGS_DUE);
            self.wake();
        }
    }

    /// Takes bytes to be written as they are. False when too many wait.
    pub(crate) fn queue_raw(&mut self, bytes: Bytes) -> bool {
        let room = self.raw.len() < RAW_QUEUE;
        if room {
            self.raw.push_back(bytes);
            self.wake();
        }
        room
    }

    /// What is to be written on this socket beside pushes.
    pub(crate) fn take_raw(&mut self) -> Option<Bytes> {
        match std::mem::take(&mut self.pings_due) {
            0 => self.raw.pop_front(),
            due => {
                let mut out = BytesMut::new();
                pings(due, &mut out);
                Some(out.freeze())
            }
        }
    }

    pub(crate) fn park(&mut self, waker: &Waker) {
        match &mut self.waker {
            Some(parked) => parked.clone_from(waker),
            None => self.waker = Some(waker.clone()),
        }
    }

    pub(crate) fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    pub(crate) fn snapshot(&self, now: Instant) -> SocketSnapshot {
        SocketSnapshot {
            id: self.id,
            address: self.address.clone(),
            connected_at: self.connected_at,
            heard_ms_ago: now.saturating_duration_since(self.heard_at).as_millis() as u64,
        }
    }
}
