use std::{
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use prometheus_client::metrics::gauge::Gauge;
use tokio::sync::Semaphore;

use crate::{Append, Limits, Unavailable};

/// What waits for the writer. Full, it lets callers wait, first come first served.
///
/// Bounded in pushes and in bytes; a push above the bound in bytes gets in alone. Room is given back when the writer
/// takes a batch, so that the next one fills while the commit is under way.
pub(super) struct Queue {
    pushes: Semaphore,
    bytes: Semaphore,
    max_bytes: u32,
    waiting: Mutex<Waiting>,
    arrived: Condvar,
    queued: Gauge,
}

struct Waiting {
    appends: Vec<Append>,
    door: Door,
}

/// Whether the queue lets anything in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Door {
    Open,
    /// Not at the moment: the store can't write.
    Shut,
    /// Never again.
    Closed,
}

impl Queue {
    pub(super) fn new(limits: &Limits, queued: Gauge) -> Self {
        let max_bytes = u32::try_from(limits.queued_bytes).unwrap_or(u32::MAX).max(1);
        Self {
            pushes: Semaphore::new(limits.queued_pushes.clamp(1, Semaphore::MAX_PERMITS)),
            bytes: Semaphore::new(max_bytes as usize),
            max_bytes,
            waiting: Mutex::new(Waiting { appends: Vec::new(), door: Door::Open }),
            arrived: Condvar::new(),
            queued,
        }
    }

    /// Waits for room and queues.
    pub(super) async fn push(&self, append: Append) -> Result<(), Unavailable> {
        // Both are taken in this order by everybody, and whoever has both waits for nobody: no deadlock, no overtaking.
        let push = self.pushes.acquire().await.map_err(|_| Unavailable)?;
        let bytes = self.bytes.acquire_many(self.cost(&append)).await.map_err(|_| Unavailable)?;
        let mut waiting = self.lock();
        if waiting.door != Door::Open {
            return Err(Unavailable);
        }
        push.forget();
        bytes.forget();
        waiting.appends.push(append);
        self.queued.inc();
        if waiting.appends.len() == 1 {
            self.arrived.notify_one();
        }
        Ok(())
    }

    /// Moves all that waits into `batch`, after at most `patience` when nothing does.
    pub(super) fn take(&self, batch: &mut Vec<Append>, patience: Duration) -> Door {
        let idle = |waiting: &mut Waiting| waiting.appends.is_empty() && waiting.door != Door::Closed;
        let (mut waiting, _) =
            self.arrived.wait_timeout_while(self.lock(), patience, idle).unwrap_or_else(PoisonError::into_inner);
        self.drain(&mut waiting, batch);
        waiting.door
    }

    /// Sets the door, unless it was closed for good, and moves all that waits into `batch`: once shut, nothing is in.
    pub(super) fn set(&self, door: Door, batch: &mut Vec<Append>) {
        let mut waiting = self.lock();
        if waiting.door != Door::Closed {
            waiting.door = door;
        }
        self.drain(&mut waiting, batch);
    }

    /// Lets nothing in any more; what waits stays for the writer.
    pub(super) fn close(&self) {
        self.lock().door = Door::Closed;
        self.arrived.notify_all();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lock().appends.is_empty()
    }

    fn drain(&self, waiting: &mut Waiting, batch: &mut Vec<Append>) {
        let bytes: usize = waiting.appends.iter().map(|append| self.cost(append) as usize).sum();
        self.pushes.add_permits(waiting.appends.len());
        self.bytes.add_permits(bytes);
        self.queued.dec_by(waiting.appends.len().cast_signed() as i64);
        batch.append(&mut waiting.appends);
    }

    /// What a push takes of the bound in bytes: at least one, so that an empty one can't overtake.
    fn cost(&self, append: &Append) -> u32 {
        u32::try_from(append.size()).unwrap_or(u32::MAX).clamp(1, self.max_bytes)
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
