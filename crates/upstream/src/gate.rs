use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use dashmap::DashMap;
use pushgate_session::Ending;
use tokio::{
    sync::{Mutex, OwnedSemaphorePermit, Semaphore},
    time::{Instant, sleep_until},
};

use crate::ConnectConfig;

/// How far a slot may lie in the past and still be used: makes up for timers that fire a little late, without a burst.
const SLACK: Duration = Duration::from_millis(2);
/// A host that asks for less gets this part of the gate's rate, but not less than [`SLOWEST`].
const SLOWED: u32 = 10;
/// Longest time between two slots of a slowed gate: one a second.
const SLOWEST: Duration = Duration::from_secs(1);
/// How long a host that asks for less (429) is slowed when it names no time.
const SLOWED_FOR: Duration = Duration::from_secs(5);
/// Longest time that a host is slowed for by one answer, whatever it names.
const SLOWED_AT_MOST: Duration = Duration::from_secs(15 * 60);
/// Gates of hosts that nobody dials any more are dropped when there are this many, and at each doubling of those in use.
const FIRST_SWEEP: usize = 64;

/// One connect gate per upstream host, shared by all connections of the gateway: start, fail-over and the return of a
/// service all pass it.
#[derive(Debug)]
pub(crate) struct Gates {
    config: ConnectConfig,
    by_host: DashMap<String, Arc<Gate>>,
    /// How many gates there may be until those out of use are dropped.
    sweep_at: AtomicUsize,
}

/// The gate of one host: so many dials at a time, and so many begun in a second, evenly spaced, first come first served.
#[derive(Debug)]
pub(crate) struct Gate {
    in_progress: Arc<Semaphore>,
    /// When the last dial began. Held by the one that waits for the next slot: a waiter that is cancelled takes none.
    last: Mutex<Instant>,
    interval: Duration,
    made: Instant,
    /// Until when the host is slowed, in milliseconds since the gate was made.
    slowed_until: AtomicU64,
}

/// The right to dial now. Dropping it lets the next one in.
#[derive(Debug)]
pub(crate) struct Slot(#[expect(dead_code, reason = "held, never read")] OwnedSemaphorePermit);

impl Gates {
    pub(crate) fn new(config: ConnectConfig) -> Self {
        Self { config, by_host: DashMap::new(), sweep_at: AtomicUsize::new(FIRST_SWEEP) }
    }

    /// The gate of `host`, which is named with its port.
    pub(crate) fn of(&self, host: &str) -> Arc<Gate> {
        if let Some(gate) = self.by_host.get(host) {
            return Arc::clone(&gate);
        }
        if self.by_host.len() >= self.sweep_at.load(Ordering::Relaxed) {
            self.sweep();
        }
        self.by_host.entry(host.to_owned()).or_insert_with(|| Arc::new(Gate::new(self.config))).clone()
    }

    /// Drops the gates that nobody holds. One that is slowed or in use within its interval stays: its host has not
    /// forgotten.
    fn sweep(&self) {
        self.by_host.retain(|_, gate| Arc::strong_count(gate) > 1 || gate.remembers());
        self.sweep_at.store(FIRST_SWEEP.max(self.by_host.len() * 2), Ordering::Relaxed);
    }
}

impl Gate {
    fn new(config: ConnectConfig) -> Self {
        let interval = Duration::from_secs(1) / config.per_second.max(1);
        let made = Instant::now();
        Self {
            in_progress: Arc::new(Semaphore::new(config.concurrent.max(1))),
            last: Mutex::new(made.checked_sub(interval).unwrap_or(made)),
            interval,
            made,
            slowed_until: AtomicU64::new(0),
        }
    }

    /// Waits for a slot. Dropping the future leaves the queue and takes no slot.
    pub(crate) async fn slot(&self) -> Slot {
        let permit = Arc::clone(&self.in_progress).acquire_owned().await.expect("the semaphore is never closed");
        let mut last = self.last.lock().await;
        let earliest = Instant::now().checked_sub(SLACK).unwrap_or(*last);
        let begin = self.next_after(*last).max(earliest);
        sleep_until(begin).await;
        *last = begin;
        Slot(permit)
    }

    /// When the slot after the one at `last` is due.
    fn next_after(&self, last: Instant) -> Instant {
        let usual = last + self.interval;
        let slowed = last + (self.interval * SLOWED).min(SLOWEST).max(self.interval);
        slowed.min(self.slowed_until().max(usual))
    }

    fn slowed_until(&self) -> Instant {
        self.made + Duration::from_millis(self.slowed_until.load(Ordering::Relaxed))
    }

    /// Takes a host at its word when a dial ended with a wish for fewer dials: 429, or 503 with a time. Says whether it did.
    pub(crate) fn heed(&self, ending: &Ending) -> bool {
        match ending {
            Ending::Rejected { status: 429, retry_after } => self.slow_down(retry_after.unwrap_or(SLOWED_FOR)),
            Ending::Rejected { status: 503, retry_after: Some(asked) } => self.slow_down(*asked),
            _ => return false,
        }
        true
    }

    /// Gives slots at a tenth of the rate (but one a second at least) for the time that is asked for, 15 minutes at most.
    /// Of several wishes the one that ends last counts.
    pub(crate) fn slow_down(&self, asked: Duration) {
        let until = self.made.elapsed() + asked.min(SLOWED_AT_MOST);
        self.slowed_until.fetch_max(until.as_millis() as u64, Ordering::Relaxed);
    }

    /// Whether the host has asked for fewer dials.
    pub(crate) fn is_slowed(&self) -> bool {
        Instant::now() < self.slowed_until()
    }

    /// Whether a new gate in its place would let more through.
    fn remembers(&self) -> bool {
        self.is_slowed() || self.last.try_lock().map_or(true, |last| Instant::now() < *last + self.interval)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    fn gate(concurrent: usize, per_second: u32) -> Gate {
        Gate::new(ConnectConfig { timeout: Duration::from_secs(1), concurrent, per_second })
    }

    #[tokio::test(start_paused = true)]
    async fn slots_are_spaced_evenly() {
        let gate = gate(1000, 100);
        let start = Instant::now();
        for _ in 0..=100 {
            drop(gate.slot().await);
        }
        let took = start.elapsed();
        assert!(took >= Duration::from_millis(990) && took <= Duration::from_millis(1020), "{took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn an_idle_time_earns_no_burst() {
        let gate = gate(1000, 10);
        tokio::time::sleep(Duration::from_secs(60)).await;
        drop(gate.slot().await);
        let start = Instant::now();
        drop(gate.slot().await);
        assert!(start.elapsed() >= Duration::from_millis(95));
    }

    #[tokio::test(start_paused = true)]
    async fn a_slot_in_use_keeps_the_next_one_out() {
        let gate = gate(1, 1000);
        let held = gate.slot().await;
        assert!(gate.slot().now_or_never().is_none());
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(gate.slot().now_or_never().is_none());
        drop(held);
        drop(gate.slot().await);
    }

    #[tokio::test(start_paused = true)]
    async fn a_cancelled_waiter_takes_no_slot() {
        let gate = gate(10, 1);
        drop(gate.slot().await);
        for _ in 0..5 {
            assert!(gate.slot().now_or_never().is_none());
        }
        let start = Instant::now();
        drop(gate.slot().await);
        assert!(start.elapsed() <= Duration::from_millis(1001), "{:?}", start.elapsed());
    }

    /// How long `count` slots take.
    async fn take(gate: &Gate, count: usize) -> Duration {
        let start = Instant::now();
        for _ in 0..count {
            drop(gate.slot().await);
        }
        start.elapsed()
    }

    fn near(took: Duration, expected: Duration) -> bool {
        took.abs_diff(expected) <= Duration::from_millis(20)
    }

    fn rejected(status: u16, seconds: Option<u64>) -> Ending {
        Ending::Rejected { status, retry_after: seconds.map(Duration::from_secs) }
    }

    #[tokio::test(start_paused = true)]
    async fn a_slowed_gate_gives_a_tenth_and_then_all_again() {
        let gate = gate(1000, 100);
        take(&gate, 1).await;
        gate.slow_down(Duration::from_secs(10));
        assert!(gate.is_slowed());
        // Ten a second.
        assert!(near(take(&gate, 50).await, Duration::from_secs(5)));
        sleep_until(gate.slowed_until()).await;
        assert!(!gate.is_slowed());
        assert!(near(take(&gate, 100).await, Duration::from_secs(1)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_slowed_gate_gives_one_a_second_at_least() {
        let slowed = |per_second| async move {
            let gate = gate(1000, per_second);
            take(&gate, 1).await;
            gate.slow_down(Duration::from_secs(60));
            take(&gate, 5).await
        };
        assert!(near(slowed(5).await, Duration::from_secs(5)));
        assert!(near(slowed(1).await, Duration::from_secs(5)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_waiter_gets_its_slot_when_the_slowness_ends() {
        let gate = gate(1000, 10);
        take(&gate, 1).await;
        gate.slow_down(Duration::from_millis(300));
        assert!(near(take(&gate, 1).await, Duration::from_millis(300)));
    }

    #[tokio::test(start_paused = true)]
    async fn the_wish_that_ends_last_counts_up_to_15_minutes() {
        let gate = gate(10, 10);
        gate.slow_down(Duration::from_secs(30));
        gate.slow_down(Duration::from_secs(5));
        tokio::time::sleep(Duration::from_secs(29)).await;
        assert!(gate.is_slowed());
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(!gate.is_slowed());
        gate.slow_down(Duration::MAX);
        tokio::time::sleep(SLOWED_AT_MOST).await;
        assert!(!gate.is_slowed());
    }

    #[tokio::test(start_paused = true)]
    async fn only_429_and_503_with_a_time_slow_a_host() {
        for (ending, slowed) in [
            (rejected(429, None), SLOWED_FOR),
            (rejected(429, Some(60)), Duration::from_secs(60)),
            (rejected(429, Some(0)), Duration::ZERO),
            (rejected(503, Some(60)), Duration::from_secs(60)),
            (rejected(503, None), Duration::ZERO),
            (rejected(500, Some(60)), Duration::ZERO),
            (Ending::ConnectTimeout, Duration::ZERO),
        ] {
            let gate = gate(10, 10);
            gate.heed(&ending);
            assert_eq!(gate.slowed_until() - gate.made, slowed, "{ending:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn slots_come_in_the_order_of_asking() {
        let gate = Arc::new(gate(10, 1));
        take(&gate, 1).await;
        let (sender, mut served) = tokio::sync::mpsc::unbounded_channel();
        for n in 0..5 {
            let (gate, sender) = (Arc::clone(&gate), sender.clone());
            tokio::spawn(async move {
                drop(gate.slot().await);
                sender.send(n).unwrap();
            });
        }
        tokio::task::yield_now().await;
        for n in 0..5 {
            assert_eq!(served.recv().await, Some(n));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn hosts_that_nobody_dials_are_forgotten_but_not_what_they_asked_for() {
        let gates = Gates::new(ConnectConfig { timeout: Duration::from_secs(1), concurrent: 1, per_second: 10 });
        let held = gates.of("held:1");
        gates.of("slowed:1").slow_down(Duration::from_secs(60));
        take(&gates.of("dialled:1"), 1).await;
        for n in 0..10 * FIRST_SWEEP {
            gates.of(&format!("host{n}:1"));
        }
        assert!(gates.by_host.len() <= FIRST_SWEEP, "{}", gates.by_host.len());
        assert!(Arc::ptr_eq(&gates.of("held:1"), &held));
        assert!(gates.of("slowed:1").is_slowed());
        assert!(gates.by_host.contains_key("dialled:1"));
        tokio::time::sleep(Duration::from_secs(61)).await;
        gates.sweep();
        assert_eq!(gates.by_host.len(), 1);
    }
}
