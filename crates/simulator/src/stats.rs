use std::{
    collections::VecDeque,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    time::Instant,
};

use serde::Serialize;

/// How many seconds of connects are remembered.
const HISTORY: usize = 120;

/// What happened since the start, over all accounts.
pub(crate) struct Stats {
    pub(crate) connects: AtomicU64,
    pub(crate) refused: AtomicU64,
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
    started: Instant,
    history: Mutex<VecDeque<(u64, u64)>>,
}

/// What happened since the start, over all accounts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StatsSnapshot {
    /// Sockets that were opened.
    pub connects: u64,
    /// Handshakes that were refused: unknown account, wrong token, fault.
    pub refused: u64,
    /// Sockets that ended, whoever ended them.
    pub disconnects: u64,
    /// Sockets that this side ended: attempts, silence, control.
    pub cuts: u64,
    /// Sockets open now.
    pub sockets: u64,
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
    /// Connects in each of the last 120 seconds, oldest first; the last one is still running.
    pub connects_per_second: Vec<u64>,
}

impl Stats {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            connects: AtomicU64::default(),
            refused: AtomicU64::default(),
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
            started: now,
            history: Mutex::default(),
        }
    }

    pub(crate) fn connected(&self, now: Instant) {
        self.connects.fetch_add(1, Relaxed);
        let second = now.duration_since(self.started).as_secs();
        let mut history = self.history.lock().unwrap_or_else(PoisonError::into_inner);
        match history.back_mut() {
            // A thread that was late counts into the newest second.
            Some((last, count)) if *last >= second => *count += 1,
            _ => history.push_back((second, 1)),
        }
        if history.len() > HISTORY {
            history.pop_front();
        }
    }

    pub(crate) fn snapshot(&self, now: Instant) -> StatsSnapshot {
        let (connects, disconnects) = (self.connects.load(Relaxed), self.disconnects.load(Relaxed));
        StatsSnapshot {
            connects,
            refused: self.refused.load(Relaxed),
            disconnects,
            cuts: self.cuts.load(Relaxed),
            sockets: connects.saturating_sub(disconnects),
            pushes: self.pushes.load(Relaxed),
            pending: self.pending.load(Relaxed) as u64,
            sent: self.sent.load(Relaxed),
            repeats: self.repeats.load(Relaxed),
            acks: self.acks.load(Relaxed),
            nacks: self.nacks.load(Relaxed),
            unmatched_answers: self.unmatched.load(Relaxed),
            undecodable: self.undecodable.load(Relaxed),
            connects_per_second: self.history(now),
        }
    }

    fn history(&self, now: Instant) -> Vec<u64> {
        let second = now.duration_since(self.started).as_secs();
        let history = self.history.lock().unwrap_or_else(PoisonError::into_inner);
        let mut counts = vec![0; HISTORY];
        for (at, count) in history.iter() {
            let ago = usize::try_from(second.saturating_sub(*at)).unwrap_or(usize::MAX);
            if let Some(slot) = HISTORY.checked_sub(ago + 1).and_then(|index| counts.get_mut(index)) {
                *slot += count;
            }
        }
        counts
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn connects_are_counted_by_second_and_old_ones_leave() {
        let start = Instant::now();
        let stats = Stats::new(start);
        for second in [0, 0, 1, 130] {
            stats.connected(start + Duration::from_secs(second));
        }
        let at = |second| stats.snapshot(start + Duration::from_secs(second)).connects_per_second;
        assert_eq!((at(130)[HISTORY - 1], at(130).iter().sum::<u64>()), (1, 1));
        assert_eq!((at(131)[HISTORY - 2], at(131).len()), (1, HISTORY));
    }
}
