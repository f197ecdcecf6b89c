use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use pushgate_model::Seq;
use tokio::sync::watch;

use super::queue::Queue;
use crate::{Health, JournalMetrics, Limits};

/// What the writer's thread and everybody else have in common.
pub(super) struct Shared {
    pub(super) queue: Queue,
    pub(super) health: watch::Sender<Health>,
    pub(super) metrics: JournalMetrics,
    pub(super) progress: Progress,
    /// Whether the writer's thread is gone.
    pub(super) ended: watch::Sender<bool>,
    head: AtomicU64,
    generation: AtomicU64,
    removals: AtomicU64,
}

/// When the writer's loop last went round.
pub(super) struct Progress {
    begun: Instant,
    /// Milliseconds after `begun`.
    last: AtomicU64,
}

impl Shared {
    pub(super) fn new(limits: &Limits) -> Self {
        let metrics = JournalMetrics::new();
        Self {
            queue: Queue::new(limits, metrics.queued.clone()),
            health: watch::Sender::new(Health::Writable),
            metrics,
            progress: Progress { begun: Instant::now(), last: AtomicU64::new(0) },
            ended: watch::Sender::new(false),
            head: AtomicU64::new(0),
            generation: AtomicU64::new(0),
            removals: AtomicU64::new(0),
        }
    }

    /// Why the store can't write; in few words while health does not say it, just before or after.
    pub(super) fn reason(&self) -> String {
        match &*self.health.borrow() {
            Health::Writable => "it cannot write at the moment".to_owned(),
            Health::Failing { error, .. } => error.clone(),
        }
    }

    pub(super) fn head(&self) -> Seq {
        Seq::new(self.head.load(Ordering::Acquire)).unwrap_or(Seq::MAX)
    }

    /// Counts how often the writer opened the database again: readers of an older one do so too.
    pub(super) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// What was on its way to the disk may be there or not: it counts as a removal, too.
    pub(super) fn next_generation(&self) {
        self.generation.fetch_add(1, Ordering::Release);
        self.removed();
    }

    /// Counts how often pushes left the log.
    pub(super) fn removals(&self) -> u64 {
        self.removals.load(Ordering::Acquire)
    }

    /// Pushes left the log by a commit.
    pub(super) fn removed(&self) {
        self.removals.fetch_add(1, Ordering::Release);
    }

    pub(super) fn set_head(&self, head: Seq) {
        self.head.store(head.get(), Ordering::Release);
    }
}

impl Progress {
    pub(super) fn touch(&self) {
        self.last.store(self.begun.elapsed().as_millis() as u64, Ordering::Relaxed);
    }

    pub(super) fn last(&self) -> Instant {
        self.begun + Duration::from_millis(self.last.load(Ordering::Relaxed))
    }
}
