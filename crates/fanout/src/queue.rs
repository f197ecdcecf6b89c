use std::{
    collections::{HashMap, VecDeque},
    mem,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use pushgate_model::{StoredPush, TenantId, TenantStatus};

use crate::message::Command;

/// A batch of commits as the journal's writer gave it.
pub(crate) type Batch = Vec<Arc<StoredPush>>;

/// The way to the dispatch thread, in three lanes.
///
/// Commits: at most `capacity` batches wait, then the writer does. The other lanes never make anybody wait, for they
/// are filled from async threads; they are bounded by what they hold: a change per tenant, of which only the latest
/// counts, and commands, of which a shard sends one per tenant that gets its first stream there and one when the last
/// one has been gone for a while.
#[derive(Debug)]
pub(crate) struct Queue {
    capacity: usize,
    lanes: Mutex<Lanes>,
    /// Something was put in.
    filled: Condvar,
    /// Batches were taken out.
    emptied: Condvar,
}

/// What has happened to one tenant since the dispatch thread last looked.
#[derive(Debug, Default)]
pub(crate) struct Change {
    /// It was removed; comes before `status`.
    pub(crate) removed: bool,
    /// What its connection is doing now.
    pub(crate) status: Option<TenantStatus>,
}

/// Everything that was waiting.
#[derive(Debug, Default)]
pub(crate) struct Lanes {
    pub(crate) commands: Vec<Command>,
    pub(crate) changes: HashMap<TenantId, Change>,
    pub(crate) commits: VecDeque<Batch>,
    pub(crate) drain: Option<Duration>,
    pub(crate) recheck: bool,
    pub(crate) closed: bool,
}

impl Lanes {
    fn is_idle(&self) -> bool {
        let empty = self.commands.is_empty() && self.changes.is_empty() && self.commits.is_empty();
        empty && self.drain.is_none() && !self.recheck && !self.closed
    }
}

impl Queue {
    pub(crate) fn new(capacity: usize) -> Self {
        Self { capacity: capacity.max(1), lanes: Mutex::default(), filled: Condvar::new(), emptied: Condvar::new() }
    }

    /// Hands over a batch; waits for room. Says no when nobody takes any more.
    pub(crate) fn commit(&self, batch: &[Arc<StoredPush>]) -> bool {
        let mut lanes = self.lanes();
        while lanes.commits.len() >= self.capacity && !lanes.closed {
            lanes = self.emptied.wait(lanes).unwrap_or_else(PoisonError::into_inner);
        }
        if lanes.closed {
            return false;
        }
        lanes.commits.push_back(batch.to_vec());
        drop(lanes);
        self.filled.notify_one();
        true
    }

    pub(crate) fn command(&self, command: Command) {
        self.put(|lanes| lanes.commands.push(command));
    }

    pub(crate) fn publish(&self, tenant: &TenantId, status: TenantStatus) {
        self.put(|lanes| lanes.changes.entry(tenant.clone()).or_default().status = Some(status));
    }

    pub(crate) fn remove(&self, tenant: &TenantId) {
        self.put(|lanes| {
            lanes.changes.insert(tenant.clone(), Change { removed: true, status: None });
        });
    }

    /// Of several that wait the shortest counts.
    pub(crate) fn drain(&self, spread: Duration) {
        self.put(|lanes| lanes.drain = Some(lanes.drain.map_or(spread, |before| before.min(spread))));
    }

    pub(crate) fn recheck(&self) {
        self.put(|lanes| lanes.recheck = true);
    }

    /// Nobody puts or takes any more: wakes both ends.
    pub(crate) fn close(&self) {
        let mut lanes = self.lanes();
        *lanes = Lanes { closed: true, ..Lanes::default() };
        drop(lanes);
        self.filled.notify_all();
        self.emptied.notify_all();
    }

    /// Takes everything that waits, or what came within `timeout`. Nothing once it was closed.
    pub(crate) fn take(&self, timeout: Duration) -> Option<Lanes> {
        let lanes = self.lanes();
        let (mut lanes, _) = self
            .filled
            .wait_timeout_while(lanes, timeout, |lanes| lanes.is_idle())
            .unwrap_or_else(PoisonError::into_inner);
        if lanes.closed {
            return None;
        }
        let taken = mem::take(&mut *lanes);
        drop(lanes);
        if !taken.commits.is_empty() {
            self.emptied.notify_all();
        }
        Some(taken)
    }

    fn put(&self, put: impl FnOnce(&mut Lanes)) {
        let mut lanes = self.lanes();
        if lanes.closed {
            return;
        }
        put(&mut lanes);
        drop(lanes);
        self.filled.notify_one();
    }

    fn lanes(&self) -> MutexGuard<'_, Lanes> {
        // Under the lock things are only moved in or out, so that a poisoned queue is still whole.
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;
    use crate::tests::{status, tenant};

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn a_full_lane_makes_the_writer_wait_and_nobody_else() {
        let queue = Arc::new(Queue::new(1));
        assert!(queue.commit(&[]));
        let writer = thread::spawn({
            let queue = Arc::clone(&queue);
            move || queue.commit(&[])
        });
        queue.publish(&tenant("a"), status("x"));
        queue.drain(Duration::ZERO);
        queue.recheck();
        let mut batches = 0;
        let mut changes = 0;
        while batches < 2 {
            let taken = queue.take(LONG).unwrap();
            batches += taken.commits.len();
            changes += taken.changes.len();
        }
        assert_eq!(changes, 1);
        assert!(writer.join().unwrap());
    }

    #[test]
    fn only_the_latest_change_of_a_tenant_waits() {
        let queue = Queue::new(1);
        queue.publish(&tenant("a"), status("one"));
        queue.remove(&tenant("a"));
        queue.publish(&tenant("a"), status("two"));
        queue.publish(&tenant("a"), status("three"));
        let taken = queue.take(LONG).unwrap();
        let change = &taken.changes[&tenant("a")];
        assert!(change.removed);
        assert_eq!(change.status, Some(status("three")));
    }

    #[test]
    fn closing_frees_a_waiting_writer() {
        let queue = Arc::new(Queue::new(1));
        assert!(queue.commit(&[]));
        let writer = thread::spawn({
            let queue = Arc::clone(&queue);
            move || queue.commit(&[])
        });
        queue.close();
        assert!(!writer.join().unwrap());
        assert!(queue.take(LONG).is_none());
    }
}
