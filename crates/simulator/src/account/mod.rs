mod handshake;
mod outbox;
mod state;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::Ordering::Relaxed},
    task::{Context, Poll},
    time::{Duration, Instant, SystemTime},
};

use bytes::Bytes;
use pushgate_model::{Answer, PushId, Timestamp};
use secrecy::SecretString;
use serde::{Serialize, Serializer};
use tokio::sync::Notify;

use self::state::State;
use crate::{
    content::NewPush,
    faults::Faults,
    ledger::{Ledger, PushStatus},
    load::Flow,
    queue::Redelivery,
    slot::{Ending, SocketSnapshot},
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
    /// Told when the faults change: handshakes that stall wait for it.
    faults_changed: Notify,
    state: Mutex<State>,
}

/// What holds for all accounts.
#[derive(Clone, Copy)]
pub(crate) struct Rules {
    pub(crate) redelivery: Redelivery,
    pub(crate) ping_timeout: Duration,
}

/// What a socket's actor does next.
pub(crate) enum Order {
    /// Write these bytes: whole frames, or what is to look like them.
    Write(Bytes),
    /// End the socket.
    End(Ending),
}

/// An account as the control API shows it.
#[derive(Serialize)]
pub(crate) struct AccountSnapshot {
    #[serde(serialize_with = "as_str")]
    pub(crate) id: Arc<str>,
    pub(crate) sockets: Vec<SocketSnapshot>,
    /// Handshakes that wait for their answer, because the account stalls or delays them.
    pub(crate) held: usize,
    pub(crate) connects: u64,
    pub(crate) refused: u64,
    /// The most sockets that were open at a time.
    pub(crate) most_sockets: usize,
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
        Self {
            id: id.into(),
            token,
            rules,
            stats: stats.clone(),
            ledger: ledger.clone(),
            faults_changed: Notify::new(),
            state: Mutex::default(),
        }
    }

    /// A socket was opened; it is the newest from now on.
    pub(crate) fn connect(&self, address: String, now: Instant) -> u64 {
        let mut state = self.lock();
        let (socket, cut) = state.connect(address, now);
        self.stats.connected(state.slots.len(), now);
        self.stats.cuts.fetch_add(cut, Relaxed);
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
        let mut state = self.lock();
        let now = Instant::now();
        let newest = state.newest().is_some_and(|newest| newest.id == socket);
        let silent = state.faults.silent;
        let Some(slot) = state.slot(socket) else { return Poll::Ready(None) };
        let order = match slot.ending {
            Some(ending) if !silent || ending.breaks_silence() => Some(Order::End(ending)),
            Some(_) => None,
            None if silent => None,
            None => slot.take_raw().map(Order::Write),
        };
        if order.is_none() && newest && !silent {
            let written = state.write_pushes(now + self.rules.redelivery.after);
            if let Some(written) = written {
                self.stats.sent.fetch_add(written.frames, Relaxed);
                self.stats.repeats.fetch_add(written.repeats, Relaxed);
                self.stats.cuts.fetch_add(u64::from(written.ends_socket), Relaxed);
                return Poll::Ready(Some(Order::Write(written.bytes)));
            }
        }
        if order.is_none()
            && let Some(slot) = state.slot(socket)
        {
            slot.park(cx.waker());
            return Poll::Pending;
        }
        Poll::Ready(order)
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

    /// Makes up to `count` pushes of a load, as many as it has for this account now, and answers how many.
    pub(crate) fn feed(&self, flow: &Arc<Flow>, count: u64) -> u64 {
        let mut state = self.lock();
        let made = state.feed(flow, count, self.stats.pending.load(Relaxed));
        self.made(made, &mut state);
        made as u64
    }

    fn made(&self, count: usize, state: &mut State) {
        if count > 0 {
            self.stats.pushes.fetch_add(count as u64, Relaxed);
            self.stats.pending.fetch_add(count, Relaxed);
            state.wake_newest();
        }
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
        let pending = self.stats.pending.fetch_sub(1, Relaxed) - 1;
        let made = state.load_answered(&settled.push, pending);
        self.made(made, &mut state);
    }

    /// Redelivery, pings, and the ends of sockets that are silent or never answer.
    pub(crate) fn tick(&self, now: Instant) {
        let mut state = self.lock();
        let cut = state.tick(now, self.rules);
        // Under the lock: whoever sees a socket end finds it counted.
        self.stats.cuts.fetch_add(cut, Relaxed);
    }

    /// Ends all sockets and answers how many there were.
    pub(crate) fn cut(&self, ending: Ending) -> usize {
        let mut state = self.lock();
        let cut = state.cut(ending);
        self.stats.cuts.fetch_add(cut as u64, Relaxed);
        cut
    }

    /// Ends all sockets, whatever the account's faults are, and lets go of handshakes that wait.
    pub(crate) fn shut_down(&self, ending: Ending) {
        self.set_faults(Arc::default());
        self.cut(ending);
    }

    /// Writes bytes as they are on the newest socket. False when there is none, or too many of them wait.
    pub(crate) fn send_raw(&self, bytes: Bytes) -> bool {
        let mut state = self.lock();
        state.newest().is_some_and(|slot| slot.queue_raw(bytes))
    }

    pub(crate) fn faults(&self) -> Arc<Faults> {
        self.lock().faults.clone()
    }

    pub(crate) fn set_faults(&self, faults: Arc<Faults>) {
        self.lock().set_faults(faults, Instant::now());
        self.faults_changed.notify_waiters();
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
            held: state.held,
            connects: state.connects,
            refused: state.refused,
            most_sockets: state.most_sockets,
            pending: state.queue.len(),
            answered: state.acks + state.nacks,
            acks: state.acks,
            nacks: state.nacks,
            faults: Faults::clone(&state.faults),
        }
    }

    fn status(&self, id: PushId, attempts: u32, sent_at: Option<Timestamp>) -> PushStatus {
        PushStatus { position: None, id, account: self.id.clone(), attempts, sent_at, answer: None, answered_at: None }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
