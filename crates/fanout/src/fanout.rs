use std::{rc::Rc, sync::Arc, time::Instant};

use pushgate_journal::{CommitSink, Journal};
use pushgate_model::{StoredPush, TenantId, TenantStatus};

use crate::{FanoutConfig, FanoutMetrics, Shard};

/// Where the journal puts its commits. Made before the journal, by [`Fanout::channel`].
#[derive(Debug)]
pub struct CommitInlet {}

/// The other end of a [`CommitInlet`], to be given to [`Fanout::start`].
#[derive(Debug)]
pub struct FanoutInbox {}

/// A handle on the dispatch thread.
#[derive(Clone, Debug)]
pub struct Fanout {}

impl CommitSink for CommitInlet {
    fn committed(&mut self, _batch: &[Arc<StoredPush>]) {}
}

impl Fanout {
    /// The way from the journal's writer to the dispatch thread; it holds `capacity` batches and then makes the writer
    /// wait. The dispatch thread itself waits for nobody.
    pub fn channel(_capacity: usize) -> (CommitInlet, FanoutInbox) {
        unimplemented!()
    }

    /// Starts the dispatch thread.
    pub fn start(_config: FanoutConfig, _journal: Arc<dyn Journal>, _inbox: FanoutInbox) -> Self {
        unimplemented!()
    }

    /// Makes this thread's shard. Call once per worker thread, inside its runtime.
    pub fn shard(&self) -> Rc<Shard> {
        unimplemented!()
    }

    /// A tenant's connection changed: its subscribers learn of it by an `upstream` event, new ones by `open`.
    pub fn publish(&self, _tenant: &TenantId, _status: TenantStatus) {}

    /// The tenant is gone: its streams end with `tenant-removed`; streams of several tenants go on without it.
    pub fn remove(&self, _tenant: &TenantId) {}

    /// Streams that carry this tenant, over all threads.
    pub fn subscribers(&self, _tenant: &TenantId) -> usize {
        0
    }

    /// Ends all streams with a `shutdown` event and a jittered `retry:`; later ones end at once in the same way.
    pub fn drain(&self) {}

    /// Counters, shared.
    pub fn metrics(&self) -> FanoutMetrics {
        unimplemented!()
    }

    /// When the dispatch loop last went round; it does at least once a second.
    pub fn last_progress(&self) -> Instant {
        unimplemented!()
    }
}
