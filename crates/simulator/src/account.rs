use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::Ordering::Relaxed},
    task::{Context, Poll},
    time::{Duration, Instant, SystemTime},
};

use actix_web_actors::ws::{CloseCode, Message};
use pushgate_model::{Answer, PushId, Timestamp};
use secrecy::{ExposeSecret, SecretString};
use serde::{Serialize, Serializer};

use crate::{
    content::NewPush,
    faults::Faults,
    ledger::{Ledger, PushStatus},
    queue::{Batch, Queue, Redelivery},
    slot::{Ending, Slot, SocketSnapshot},
    stats::Stats,
};

/// One account of the service: its sockets, its pushes without an answer, its faults.
///
/// The lock is held for lookups and for encoding one batch, never across an await. Several sockets may be open at a
/// time, as when a gateway reconnects before the old socket's end was noticed: the newest gets the pushes.
pub(crate) struct Account {
    pub(crate) id: Arc<str>,
    token: Option<SecretString>,
    rules: Rules,
    stats: Arc<Stats>,
    ledger: Arc<Ledger>,
    state: Mutex<State>,
}

/// What holds for all accounts.
#[derive(Clone, Copy)]
pub(crate) struct Rules {
    pub(crate) redelivery: Redelivery,
    pub(crate) ping_timeout: Duration,
}

#[derive(Default)]
struct State {
    /// Oldest first. One that is to end stays until its actor is gone.
    slots: Vec<Slot>,
    next_socket: u64,
    queue: Queue,
    faults: Faults,
    connects: u64,
    acks: u64,
    nacks: u64,
}

/// What a socket's actor does next.
pub(crate) enum Order {
    /// Send these pushes, each in one frame or in so many fragments.
    Send(Batch, Option<u16>),
    /// Send this as it is.
    Raw(Message),
    /// Send a ping.
    Ping,
    /// End the socket.
    End(Ending),
}

/// An account as the control API shows it.
#[derive(Serialize)]
pub(crate) struct AccountSnapshot {
    #[serde(serialize_with = "as_str")]
    pub(crate) id: Arc<str>,
    pub(crate) sockets: Vec<SocketSnapshot>,
    pub(crate) connects: u64,
    pub(crate) pending: usize,
    pub(crate) answered: u64,
    pub(crate) acks: u64,
    pub(crate) nacks: u64,
    pub(crate) faults: Faults,
}

/// Writes shared text as text.
pub(crate) fn as_str<S: Serializer>(text: &Arc<str>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(text)
}

impl Account {
    pub(crate) fn new(
        id: &str,
        token: Option<SecretString>,
        rules: Rules,
        stats: &Arc<Stats>,
        ledger: &Arc<Ledger>,
    ) -> Self {
        Self { id: id.into(), token, rules, stats: stats.clone(), ledger: ledger.clone(), state: Mutex::default() }
    }

    /// Whether a handshake with this `Authorization` may pass.
    pub(crate) fn admits(&self, authorization: Option<&str>) -> bool {
        let Some(token) = &self.token else { return true };
        let given = authorization.and_then(|value| value.split_once(' '));
        given.is_some_and(|(scheme, given)| {
            scheme.eq_ignore_ascii_case("bearer") && given.trim_start() == token.expose_secret()
        })
    }

    /// A socket was opened; it is the newest from now on.
    pub(crate) fn connect(&self, address: String, now: Instant) -> u64 {
        self.stats.connected(now);
        let mut state = self.lock();
        let socket = state.next_socket;
        state.next_socket += 1;
        state.connects += 1;
        state.slots.push(Slot::new(socket, address, now));
        socket
    }

    /// A socket is gone, for whatever reason: what it left without an answer goes to the next one.
    pub(crate) fn disconnect(&self, socket: u64) {
        self.stats.disconnects.fetch_add(1, Relaxed);
        let mut state = self.lock();
        state.slots.retain(|slot| slot.id != socket);
        state.queue.socket_gone(socket);
        state.wake_newest();
    }

    /// A ping or pong came.
    pub(crate) fn heard(&self, socket: u64, now: Instant) {
        let mut state = self.lock();
        if !state.faults.ignore_pongs
            && let Some(slot) = state.slot(socket)
        {
            slot.heard_at = now;
        }
    }

    /// What the actor of `socket` does next; it is woken when there is something.
    pub(crate) fn poll_order(&self, socket: u64, cx: &mut Context<'_>) -> Poll<Option<Order>> {
        let mut guard = self.lock();
        let state = &mut *guard;
        let newest = state.slots.iter().rev().find(|slot| slot.ending.is_none()).map(|slot| slot.id);
        let Some(slot) = state.slots.iter_mut().find(|slot| slot.id == socket) else { return Poll::Ready(None) };
        let order = match slot.ending {
            Some(ending) if !state.faults.silent || ending.breaks_silence() => Some(Order::End(ending)),
            Some(_) => None,
            None if state.faults.silent => None,
            None => slot.take_order().or_else(|| {
                let batch = (newest == Some(socket))
                    .then(|| state.queue.next_batch(socket, Instant::now(), self.rules.redelivery.after));
                batch.flatten().map(|batch| Order::Send(batch, state.faults.fragments))
            }),
        };
        if let Some(Order::Send(batch, _)) = &order {
            self.stats.sent.fetch_add(batch.frames.len() as u64, Relaxed);
            self.stats.repeats.fetch_add(batch.repeats, Relaxed);
        }
        if order.is_some() {
            return Poll::Ready(order);
        }
        slot.park(cx.waker());
        Poll::Pending
    }

    /// Takes a push to be sent as soon as there is a socket.
    pub(crate) fn enqueue(&self, push: NewPush) {
        self.stats.pushes.fetch_add(1, Relaxed);
        let mut state = self.lock();
        if state.queue.add(push) {
            self.stats.pending.fetch_add(1, Relaxed);
        }
        state.wake_newest();
    }

    /// The gateway answered a push. The first answer counts.
    pub(crate) fn answer(&self, id: &PushId, answer: Answer) {
        let mut state = self.lock();
        let Some(settled) = state.queue.settle(id) else {
            self.stats.unmatched.fetch_add(1, Relaxed);
            return;
        };
        match answer {
            Answer::Ack => {
                state.acks += 1;
                self.stats.acks.fetch_add(1, Relaxed);
            }
            Answer::Nack => {
                state.nacks += 1;
                self.stats.nacks.fetch_add(1, Relaxed);
            }
        }
        // Under the lock, so that a push is always either pending or in the ledger.
        let answered = self.status(id.clone(), settled.attempts, settled.sent_at);
        self.ledger.record(&answered, answer, SystemTime::now().into());
        self.stats.pending.fetch_sub(1, Relaxed);
    }

    /// Redelivery, pings, and the ends of sockets that are silent or never answer.
    pub(crate) fn tick(&self, now: Instant) {
        let mut guard = self.lock();
        let state = &mut *guard;
        if state.slots.is_empty() || state.faults.silent {
            return;
        }
        let exhausted = state.queue.fall_due(now, self.rules.redelivery.attempts);
        for slot in state.slots.iter_mut().filter(|slot| slot.ending.is_none()) {
            if exhausted.contains(&slot.id) {
                slot.end(Ending::Close(CloseCode::Policy, "a push had no answer"));
            } else if now.duration_since(slot.heard_at) >= self.rules.ping_timeout {
                slot.end(Ending::Close(CloseCode::Policy, "neither ping nor pong"));
            } else {
                slot.ping_when_due(now, self.rules.ping_timeout / 3);
                continue;
            }
            self.stats.cuts.fetch_add(1, Relaxed);
        }
        state.wake_newest();
    }

    /// Ends all sockets and answers how many there were.
    pub(crate) fn cut(&self, ending: Ending) -> usize {
        let mut state = self.lock();
        let open: Vec<_> =
            state.slots.iter_mut().filter(|slot| slot.ending.is_none()).map(|slot| slot.end(ending)).collect();
        self.stats.cuts.fetch_add(open.len() as u64, Relaxed);
        open.len()
    }

    /// Sends a raw message on the newest socket. False when there is none, or too many of them wait.
    pub(crate) fn send_raw(&self, message: Message) -> bool {
        let mut state = self.lock();
        state.newest().is_some_and(|slot| slot.queue_raw(message))
    }

    pub(crate) fn faults(&self) -> Faults {
        self.lock().faults
    }

    pub(crate) fn set_faults(&self, faults: Faults) {
        let mut state = self.lock();
        let speaks_again = state.faults.silent && !faults.silent;
        state.faults = faults;
        for slot in &mut state.slots {
            if speaks_again {
                // Nobody was pinged meanwhile, so nobody's silence counts.
                slot.heard_at = Instant::now();
            }
            slot.wake();
        }
    }

    pub(crate) fn connected(&self) -> bool {
        self.lock().newest().is_some()
    }

    pub(crate) fn pending(&self) -> usize {
        self.lock().queue.len()
    }

    /// The push of this id that has no answer yet.
    pub(crate) fn lookup(&self, id: &PushId) -> Option<PushStatus> {
        let state = self.lock();
        let pending = state.queue.get(id)?;
        Some(self.status(id.clone(), pending.attempts, pending.sent_at))
    }

    /// Forgets all pushes without an answer.
    pub(crate) fn forget(&self) {
        let forgotten = self.lock().queue.clear();
        self.stats.pending.fetch_sub(forgotten, Relaxed);
    }

    pub(crate) fn snapshot(&self, now: Instant) -> AccountSnapshot {
        let state = self.lock();
        AccountSnapshot {
            id: self.id.clone(),
            sockets: state.slots.iter().filter(|slot| slot.ending.is_none()).map(|slot| slot.snapshot(now)).collect(),
            connects: state.connects,
            pending: state.queue.len(),
            answered: state.acks + state.nacks,
            acks: state.acks,
            nacks: state.nacks,
            faults: state.faults,
        }
    }

    fn status(&self, id: PushId, attempts: u32, sent_at: Option<Timestamp>) -> PushStatus {
        PushStatus { position: None, id, account: self.id.clone(), attempts, sent_at, answer: None, answered_at: None }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn slot(&mut self, socket: u64) -> Option<&mut Slot> {
        self.slots.iter_mut().find(|slot| slot.id == socket)
    }

    fn newest(&mut self) -> Option<&mut Slot> {
        self.slots.iter_mut().rev().find(|slot| slot.ending.is_none())
    }

    fn wake_newest(&mut self) {
        if let Some(slot) = self.newest() {
            slot.wake();
        }
    }
}
