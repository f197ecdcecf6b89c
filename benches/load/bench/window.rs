use std::{
    sync::{
        OnceLock,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    thread::{self, Thread},
    time::Duration,
};

/// How soon a publisher looks whether it shall end, when nothing comes.
const BEAT: Duration = Duration::from_millis(50);

/// The pushes that are under way: published, and not yet delivered to everybody. What the audience sees makes room for
/// the next ones.
#[derive(Debug)]
pub(crate) struct Window {
    /// What each push under way lacks, by its number modulo their count, which is a power of two.
    lacking: Vec<AtomicU32>,
    deliveries: u32,
    completed: AtomicU64,
    publisher: OnceLock<Thread>,
}

impl Window {
    /// For pushes that have so many deliveries each, and so many under way.
    pub(crate) fn new(size: u64, deliveries: u32) -> Self {
        // One that lags behind must not keep later ones from being published at once.
        let slots = (size * 4).next_power_of_two();
        let lacking = (0..slots).map(|_| AtomicU32::new(0)).collect();
        Self { lacking, deliveries, completed: AtomicU64::new(0), publisher: OnceLock::new() }
    }

    /// Makes the calling thread the one that is woken when there is room.
    pub(crate) fn attend(&self) {
        // A phase has one publisher; a second call would come from the same.
        let _ = self.publisher.set(thread::current());
    }

    /// Takes a push in, unless one with its place is still under way.
    pub(crate) fn enter(&self, push: u64) -> bool {
        let slot = self.slot(push);
        let free = slot.load(Ordering::Acquire) == 0;
        if free {
            slot.store(self.deliveries, Ordering::Release);
        }
        free
    }

    /// Counts one delivery. Says whether it was the last of its push.
    pub(crate) fn delivered(&self, push: u64) -> bool {
        let last = self.slot(push).fetch_sub(1, Ordering::AcqRel) == 1;
        if last {
            self.completed.fetch_add(1, Ordering::Release);
        }
        last
    }

    /// Wakes the publisher.
    pub(crate) fn wake(&self) {
        if let Some(publisher) = self.publisher.get() {
            publisher.unpark();
        }
    }

    /// Pushes that everybody has.
    pub(crate) fn completed(&self) -> u64 {
        self.completed.load(Ordering::Acquire)
    }

    /// Waits until something was delivered to everybody, or for a moment.
    pub(crate) fn wait() {
        thread::park_timeout(BEAT);
    }

    fn slot(&self, push: u64) -> &AtomicU32 {
        &self.lacking[(push as usize) & (self.lacking.len() - 1)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_push_is_complete_with_its_last_delivery() {
        let window = Window::new(1, 2);
        assert!(window.enter(0) && window.enter(1) && !window.enter(4));
        assert!(!window.delivered(0) && window.delivered(0));
        assert_eq!(window.completed(), 1);
        assert!(window.enter(4) && !window.enter(5));
    }
}
