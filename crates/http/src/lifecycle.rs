use std::sync::{
    Arc,
    atomic::{AtomicU8, Ordering},
};

const STARTING: u8 = 0;
const READY: u8 = 1;
const DRAINING: u8 = 2;

/// Where the gateway is in its life, as the composition root knows it. Clones share it; it only moves forward.
#[derive(Clone, Debug, Default)]
pub struct Lifecycle(Arc<AtomicU8>);

/// One part of the gateway's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Tenants are not all loaded yet: a stream is told to come back, for "no such tenant" would end it for good.
    Starting,
    /// Everything is served.
    Ready,
    /// The gateway is stopping: no new streams.
    Draining,
}

impl Lifecycle {
    /// The tenants are loaded. Does nothing once the drain has begun.
    pub fn set_ready(&self) {
        self.0.fetch_max(READY, Ordering::Release);
    }

    /// The gateway begins to stop.
    pub fn set_draining(&self) {
        self.0.fetch_max(DRAINING, Ordering::Release);
    }

    /// The present phase.
    pub fn phase(&self) -> Phase {
        match self.0.load(Ordering::Acquire) {
            STARTING => Phase::Starting,
            READY => Phase::Ready,
            _ => Phase::Draining,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drain_is_never_taken_back() {
        let lifecycle = Lifecycle::default();
        assert_eq!(lifecycle.phase(), Phase::Starting);
        lifecycle.set_ready();
        assert_eq!(lifecycle.phase(), Phase::Ready);
        lifecycle.clone().set_draining();
        lifecycle.set_ready();
        assert_eq!(lifecycle.phase(), Phase::Draining);
    }
}
