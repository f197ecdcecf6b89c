use std::{
    collections::VecDeque,
    task::Waker,
    time::{Duration, Instant, SystemTime},
};

use actix_web_actors::ws::{CloseCode, Message};
use pushgate_model::Timestamp;
use serde::Serialize;

use crate::account::Order;

/// Raw messages that may wait on one socket; one more is refused.
const RAW_QUEUE: usize = 64;

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
    address: String,
    connected_at: Timestamp,
    pinged_at: Instant,
    ping_due: bool,
    raw: VecDeque<Message>,
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
            address,
            connected_at: SystemTime::now().into(),
            pinged_at: now,
            ping_due: false,
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
            self.ping_due = true;
            self.wake();
        }
    }

    pub(crate) fn queue_raw(&mut self, message: Message) -> bool {
        let room = self.raw.len() < RAW_QUEUE;
        if room {
            self.raw.push_back(message);
            self.wake();
        }
        room
    }

    /// What is to be sent on this socket beside pushes.
    pub(crate) fn take_order(&mut self) -> Option<Order> {
        if std::mem::take(&mut self.ping_due) {
            return Some(Order::Ping);
        }
        self.raw.pop_front().map(Order::Raw)
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
