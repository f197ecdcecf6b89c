use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use pushgate_journal::Journal;
use pushgate_model::{Epoch, Seq};

/// The journal, and how far dispatch is with it.
pub(crate) struct Log {
    pub(crate) journal: Arc<dyn Journal>,
    pub(crate) epoch: Epoch,
    dispatched: AtomicU64,
}

impl Log {
    pub(crate) fn new(journal: Arc<dyn Journal>) -> Self {
        let dispatched = AtomicU64::new(journal.head().get());
        Self { epoch: journal.epoch(), journal, dispatched }
    }

    /// The newest position that anybody can have seen. A shard may post a push before the journal's own word of it
    /// arrives here, so that both are asked.
    pub(crate) fn head(&self) -> Seq {
        self.journal.head().max(self.dispatched())
    }

    /// The last position that dispatch has come to.
    pub(crate) fn dispatched(&self) -> Seq {
        Seq::new(self.dispatched.load(Ordering::Acquire)).unwrap_or(Seq::MAX)
    }

    /// Dispatch has come to `seq`; said before the push is posted.
    pub(crate) fn set_dispatched(&self, seq: Seq) {
        self.dispatched.fetch_max(seq.get(), Ordering::Release);
    }
}
