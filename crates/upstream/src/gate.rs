use std::{sync::Arc, time::Duration};

use dashmap::DashMap;
use tokio::{
    sync::{Mutex, OwnedSemaphorePermit, Semaphore},
    time::{Instant, sleep_until},
};

use crate::ConnectConfig;

/// How far a slot may lie in the past and still be used: makes up for timers that fire a little late, without a burst.
const SLACK: Duration = Duration::from_millis(2);

/// One connect gate per upstream host, shared by all connections of the gateway: start, fail-over and the return of a
/// service all pass it.
#[derive(Debug)]
pub(crate) struct Gates {
    config: ConnectConfig,
    by_host: DashMap<String, Arc<Gate>>,
}

/// The gate of one host: so many dials at a time, and so many begun in a second, evenly spaced, first come first served.
#[derive(Debug)]
pub(crate) struct Gate {
    in_progress: Arc<Semaphore>,
    /// When the last dial began. Held by the one that waits for the next slot: a waiter that is cancelled takes none.
    last: Mutex<Instant>,
    interval: Duration,
}

/// The right to dial now. Dropping it lets the next one in.
#[derive(Debug)]
pub(crate) struct Slot(#[expect(dead_code, reason = "held, never read")] OwnedSemaphorePermit);

impl Gates {
    pub(crate) fn new(config: ConnectConfig) -> Self {
        Self { config, by_host: DashMap::new() }
    }

    /// The gate of `host`, which is named with its port.
    pub(crate) fn of(&self, host: &str) -> Arc<Gate> {
        self.by_host.entry(host.to_owned()).or_insert_with(|| Arc::new(Gate::new(self.config))).clone()
    }
}

impl Gate {
    fn new(config: ConnectConfig) -> Self {
        let interval = Duration::from_secs(1) / config.per_second.max(1);
        Self {
            in_progress: Arc::new(Semaphore::new(config.concurrent.max(1))),
            last: Mutex::new(Instant::now() - interval),
            interval,
        }
    }

    /// Waits for a slot. Dropping the future leaves the queue and takes no slot.
    pub(crate) async fn slot(&self) -> Slot {
        let permit = Arc::clone(&self.in_progress).acquire_owned().await.expect("the semaphore is never closed");
        let mut last = self.last.lock().await;
        let earliest = Instant::now().checked_sub(SLACK).unwrap_or(*last);
        let begin = (*last + self.interval).max(earliest);
        sleep_until(begin).await;
        *last = begin;
        Slot(permit)
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
}
