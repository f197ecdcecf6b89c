use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use prometheus_client::metrics::gauge::Gauge;
use pushgate_session::Room;
use tokio::sync::Notify;

/// Bytes that all tenants together hold in memory: one of these is for pushes that wait for the journal, another one for
/// messages of which not all came. Each tenant has limits of its own besides; this keeps ten thousand tenants within theirs
/// from holding gigabytes.
///
/// Once it is used up, there is no room until half of it is free: connections hold and shed, and are told once for many
/// commits, not at each.
#[derive(Debug)]
pub(crate) struct Budget {
    limit: usize,
    used: AtomicUsize,
    /// The same, to be shown.
    shown: Gauge,
    short: AtomicBool,
    freed: Notify,
}

/// What one connection holds of a [`Budget`]; dropped with it, also by a panic.
#[derive(Debug)]
pub(crate) struct Share {
    budget: Arc<Budget>,
    held: usize,
}

impl Budget {
    pub(crate) fn new(limit: usize, shown: Gauge) -> Arc<Self> {
        Arc::new(Self {
            limit: limit.max(1),
            used: AtomicUsize::new(0),
            shown,
            short: AtomicBool::new(false),
            freed: Notify::new(),
        })
    }

    fn room(&self) -> Room {
        if self.short.load(Ordering::Acquire) { Room::Short } else { Room::Ample }
    }

    /// Completes once there is room.
    pub(crate) async fn freed(&self) {
        let mut freed = std::pin::pin!(self.freed.notified());
        // Listening first, then looking: what happens in between is not missed.
        freed.as_mut().enable();
        if self.room() == Room::Short {
            freed.await;
        }
    }

    fn take(&self, bytes: usize) {
        self.shown.inc_by(bytes.cast_signed() as i64);
        let used = self.used.fetch_add(bytes, Ordering::Relaxed) + bytes;
        if used >= self.limit {
            self.short.store(true, Ordering::Release);
        }
    }

    fn give(&self, bytes: usize) {
        self.shown.dec_by(bytes.cast_signed() as i64);
        let used = self.used.fetch_sub(bytes, Ordering::Relaxed) - bytes;
        if used <= self.limit / 2 && self.short.swap(false, Ordering::AcqRel) {
            self.freed.notify_waiters();
        }
    }
}

impl Share {
    pub(crate) fn new(budget: Arc<Budget>) -> Self {
        Self { budget, held: 0 }
    }

    /// Takes so many bytes, whether there is room or not.
    pub(crate) fn take(&mut self, bytes: usize) {
        self.held += bytes;
        self.budget.take(bytes);
    }

    /// Holds so many bytes from now on, instead of what was held before.
    pub(crate) fn hold(&mut self, bytes: usize) {
        let before = self.held;
        if bytes > before {
            self.take(bytes - before);
        } else if bytes < before {
            self.give(before - bytes);
        }
    }

    /// Gives them back.
    pub(crate) fn give(&mut self, bytes: usize) {
        let bytes = bytes.min(self.held);
        self.held -= bytes;
        self.budget.give(bytes);
    }

    /// Whether there is room for more.
    pub(crate) fn room(&self) -> Room {
        self.budget.room()
    }

    /// Whether this one holds something while there is no room for more.
    pub(crate) fn is_stuck(&self) -> bool {
        self.held > 0 && self.room() == Room::Short
    }

    /// What it is a share of, to wait for room while the share itself is at work.
    pub(crate) fn watch(&self) -> Arc<Budget> {
        Arc::clone(&self.budget)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.budget.give(self.held);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn room_returns_once_half_is_free() {
        let budget = Budget::new(100, Gauge::default());
        let (mut one, mut other) = (Share::new(Arc::clone(&budget)), Share::new(Arc::clone(&budget)));
        one.take(60);
        assert_eq!(other.room(), Room::Ample);
        other.take(70);
        assert_eq!(one.room(), Room::Short);
        assert!(budget.freed().now_or_never().is_none());
        one.give(60);
        assert_eq!(one.room(), Room::Short);
        other.give(30);
        assert!(budget.freed().now_or_never().is_some());
        assert_eq!(budget.shown.get(), 40);
    }

    #[test]
    fn what_is_held_instead_is_taken_or_given_back() {
        let budget = Budget::new(100, Gauge::default());
        let mut share = Share::new(Arc::clone(&budget));
        for bytes in [30, 110, 110, 40, 0] {
            share.hold(bytes);
            assert_eq!(budget.shown.get().cast_unsigned(), bytes as u64);
            assert_eq!(share.room() == Room::Short, bytes > 100);
        }
    }

    #[test]
    fn what_a_connection_held_is_free_when_it_is_gone() {
        let budget = Budget::new(100, Gauge::default());
        let mut gone = Share::new(Arc::clone(&budget));
        gone.take(500);
        let mut freed = Box::pin(budget.freed());
        assert!(freed.as_mut().now_or_never().is_none());
        drop(gone);
        assert!(freed.now_or_never().is_some());
        assert_eq!(budget.shown.get(), 0);
    }
}
