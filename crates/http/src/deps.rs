use std::sync::Arc;

use pushgate_fanout::Fanout;
use pushgate_journal::Journal;
use pushgate_upstream::Directory;

/// What the routes read from.
#[derive(Clone)]
pub struct Deps {
    /// Streams.
    pub fanout: Fanout,
    /// History, health of the store.
    pub journal: Arc<dyn Journal>,
    /// The tenants and their states.
    pub directory: Arc<Directory>,
}
