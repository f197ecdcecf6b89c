use std::{fmt, sync::Arc};

use pushgate_fanout::Fanout;
use pushgate_journal::Journal;
use pushgate_upstream::{Directory, Tenants, UpstreamMetrics, Vitals};

use crate::Lifecycle;

/// What the routes read from.
#[derive(Clone)]
pub struct Deps {
    /// Streams.
    pub fanout: Fanout,
    /// History, health of the store.
    pub journal: Arc<dyn Journal>,
    /// The tenants and their states.
    pub directory: Arc<Directory>,
    /// What operators can do about tenants, and subscribers about pushes.
    pub tenants: Tenants,
    /// Whether the connections are well.
    pub vitals: Vitals,
    /// What the connections count.
    pub upstream_metrics: UpstreamMetrics,
    /// Whether the gateway is starting, ready or draining.
    pub lifecycle: Lifecycle,
}

impl fmt::Debug for Deps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deps").field("lifecycle", &self.lifecycle).finish_non_exhaustive()
    }
}
