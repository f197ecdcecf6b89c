use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    time::Instant,
};

use serde::Serialize;

use crate::seconds::{Event, Seconds};

/// What happened since the start, over all accounts.
pub(crate) struct Stats {
    pub(crate) disconnects: AtomicU64,
    pub(crate) cuts: AtomicU64,
    pub(crate) pushes: AtomicU64,
    pub(crate) sent: AtomicU64,
    pub(crate) repeats: AtomicU64,
    pub(crate) acks: AtomicU64,
    pub(crate) nacks: AtomicU64,
    pub(crate) unmatched: AtomicU64,
    pub(crate) undecodable: AtomicU64,
    pub(crate) pending: AtomicUsize,
    attempts: AtomicU64,
    connects: AtomicU64,
    refused: AtomicU64,
    most_sockets: AtomicU64,
    most_sockets_of_one: AtomicU64,
    started: Instant,
    seconds: Mutex<Seconds>,
}

/// What happened since the start, over all accounts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StatsSnapshot {
    /// Handshakes that began, whatever became of them.
    pub attempts: u64,
    /// Sockets that were opened.
    pub connects: u64,
    /// Handshakes that were refused: unknown account, wrong token, fault.
    pub refused: u64,
    /// Sockets that ended, whoever ended them.
    pub disconnects: u64,
    /// Sockets that this side ended: attempts, silence, faults, control.
    pub cuts: u64,
    /// Sockets open now.
    pub sockets: u64,
    /// The most sockets that were open at a time.
    pub most_sockets: u64,
    /// The most sockets that one account had open at a time: above 1 they overlapped.
    pub most_sockets_of_one_account: u64,
    /// Pushes that were accepted for sending.
    pub pushes: u64,
    /// Pushes without an answer now.
    pub pending: u64,
    /// Push frames that were sent, repeats included.
    pub sent: u64,
    /// Push frames that had been sent before.
    pub repeats: u64,
    /// Pushes that were acked.
    pub acks: u64,
    /// Pushes that were nacked.
    pub nacks: u64,
    /// Answers to a push that is not, or no longer, pending.
    pub unmatched_answers: u64,
    /// Frames that are no answer: text, garbage, an unknown variant.
    pub undecodable: u64,
    /// Handshakes that began in each of the last 600 seconds, oldest first; the last one is still running.
    pub attempts_per_second: Vec<u64>,
    /// Sockets that were opened in each of these seconds.
    pub connects_per_second: Vec<u64>,
    /// Handshakes that were refused in each of these seconds.
    pub refused_per_second: Vec<u64>,
}

impl Stats {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            disconnects: AtomicU64::default(),
            cuts: AtomicU64::default(),
            pushes: AtomicU64::default(),
            sent: AtomicU64::default(),
            repeats: AtomicU64::default(),
            acks: AtomicU64::default(),
            nacks: AtomicU64::default(),
            unmatched: AtomicU64::default(),
            undecodable: AtomicU64::default(),
            pending: AtomicUsize::default(),
            attempts: AtomicU64::default(),
            connects: AtomicU64::default(),
            refused: AtomicU64::default(),
            most_sockets: AtomicU64::default(),
            most_sockets_of_one: AtomicU64::default(),
            started: now,
            seconds: Mutex::default(),
        }
    }

    /// A handshake begins.
    pub(crate) fn attempted(&self, now: Instant) {
        self.attempts.fetch_add(1, Relaxed);
        self.count(Event::Attempt, now);
    }

    /// A handshake was refused.
    pub(crate) fn refused(&self, now: Instant) {
        self.refused.fetch_add(1, Relaxed);
        self.count(Event::Refusal, now);
    }

    /// A socket was opened; its account has so many now.
    pub(crate) fn connected(&self, of_account: usize, now: Instant) {
        let connects = self.connects.fetch_add(1, Relaxed) + 1;
        self.most_sockets.fetch_max(connects.saturating_sub(self.disconnects.load(Relaxed)), Relaxed);
        self.most_sockets_of_one.fetch_max(of_account as u64, Relaxed);
        self.count(Event::Connect, now);
    }

    pub(crate) fn snapshot(&self, now: Instant) -> StatsSnapshot {
        let (connects, disconnects) = (self.connects.load(Relaxed), self.disconnects.load(Relaxed));
        let [attempts_per_second, connects_per_second, refused_per_second] =
            self.seconds.lock().unwrap_or_else(PoisonError::into_inner).last(self.second(now));
        StatsSnapshot {
            attempts: self.attempts.load(Relaxed),
            connects,
            refused: self.refused.load(Relaxed),
            disconnects,
            cuts: self.cuts.load(Relaxed),
            sockets: connects.saturating_sub(disconnects),
            most_sockets: self.most_sockets.load(Relaxed),
            most_sockets_of_one_account: self.most_sockets_of_one.load(Relaxed),
            pushes: self.pushes.load(Relaxed),
            pending: self.pending.load(Relaxed) as u64,
            sent: self.sent.load(Relaxed),
            repeats: self.repeats.load(Relaxed),
            acks: self.acks.load(Relaxed),
            nacks: self.nacks.load(Relaxed),
            unmatched_answers: self.unmatched.load(Relaxed),
            undecodable: self.undecodable.load(Relaxed),
            attempts_per_second,
            connects_per_second,
            refused_per_second,
        }
    }

    fn count(&self, event: Event, now: Instant) {
        let second = self.second(now);
        self.seconds.lock().unwrap_or_else(PoisonError::into_inner).count(event, second);
    }

    fn second(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.started).as_secs()
    }
}
