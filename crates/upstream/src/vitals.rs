use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use actix::ArbiterHandle;

/// How often a thread shows that it goes round.
const BEAT: Duration = Duration::from_millis(500);
/// The time over which panics are counted.
const WINDOW: Duration = Duration::from_secs(60);
/// So many panics within [`WINDOW`] are never too many: a few tenants may have bad luck together.
const TOLERATED: usize = 10;
/// Beyond that, one tenant in so many may panic within [`WINDOW`].
const ONE_IN: usize = 20;
/// Panics that are remembered.
const REMEMBERED: usize = 100_000;

/// Whether the connections as a whole are well, for the probes. Clones share what they show.
#[derive(Clone, Debug)]
pub struct Vitals {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    begun: Instant,
    /// When each thread last went round, in milliseconds after `begun`.
    beats: Vec<AtomicU64>,
    panics: Mutex<VecDeque<Instant>>,
    tenants: AtomicU64,
}

impl Vitals {
    /// For so many threads.
    pub(crate) fn new(threads: usize) -> Self {
        let inner = Inner {
            begun: Instant::now(),
            beats: (0..threads).map(|_| AtomicU64::new(0)).collect(),
            panics: Mutex::default(),
            tenants: AtomicU64::new(0),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Of one thread that stands still since then.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn still_since(begun: Instant) -> Self {
        let inner =
            Inner { begun, beats: vec![AtomicU64::new(0)], panics: Mutex::default(), tenants: AtomicU64::new(0) };
        Self { inner: Arc::new(inner) }
    }

    /// When the slowest of the threads that hold connections last went round; each does at least once a second.
    pub fn last_progress(&self) -> Instant {
        let slowest = self.inner.beats.iter().map(|beat| beat.load(Ordering::Relaxed)).min();
        slowest.map_or_else(Instant::now, |millis| self.inner.begun + Duration::from_millis(millis))
    }

    /// Why the gateway should take no more traffic: so many connections panicked within a minute, more than ten and more
    /// than one tenant in twenty, that it is no matter of single tenants.
    pub fn failing(&self) -> Option<String> {
        let panics = self.panics_within(Instant::now());
        let tolerated = TOLERATED.max(self.inner.tenants.load(Ordering::Relaxed) as usize / ONE_IN);
        (panics > tolerated).then(|| format!("{panics} connections panicked within a minute"))
    }

    /// Has each thread show that it goes round.
    pub(crate) fn watch(&self, threads: &[ArbiterHandle]) {
        for (thread, arbiter) in threads.iter().enumerate() {
            let inner = Arc::clone(&self.inner);
            // An arbiter that is gone stands still, and that is what is shown.
            arbiter.spawn(async move {
                loop {
                    let millis = inner.begun.elapsed().as_millis() as u64;
                    inner.beats[thread].store(millis, Ordering::Relaxed);
                    tokio::time::sleep(BEAT).await;
                }
            });
        }
    }

    /// How many tenants there are now.
    pub(crate) fn tenants(&self, count: usize) {
        self.inner.tenants.store(count as u64, Ordering::Relaxed);
    }

    /// A connection panicked.
    pub(crate) fn panicked(&self, now: Instant) {
        let mut panics = self.inner.panics.lock().unwrap_or_else(PoisonError::into_inner);
        if panics.len() >= REMEMBERED {
            panics.pop_front();
        }
        panics.push_back(now);
    }

    fn panics_within(&self, now: Instant) -> usize {
        let mut panics = self.inner.panics.lock().unwrap_or_else(PoisonError::into_inner);
        while panics.front().is_some_and(|at| now.saturating_duration_since(*at) > WINDOW) {
            panics.pop_front();
        }
        panics.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_panics_are_tolerated_and_many_are_not_until_a_minute_has_passed() {
        let vitals = Vitals::new(1);
        vitals.tenants(400);
        let now = Instant::now();
        for _ in 0..20 {
            vitals.panicked(now);
        }
        assert_eq!(vitals.failing(), None);
        vitals.panicked(now);
        assert!(vitals.failing().is_some());
        assert_eq!(vitals.panics_within(now + WINDOW + Duration::from_secs(1)), 0);
        assert_eq!(vitals.failing(), None);
    }
}
