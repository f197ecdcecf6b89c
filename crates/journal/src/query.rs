use std::sync::Arc;

use pushgate_model::{Answer, Seq, StoredPush, TenantId};

/// Which pushes to read: those of `tenants` with `after < seq <= upto`, in the order of seq.
#[derive(Clone, Debug)]
pub struct ReadQuery {
    /// Whose pushes.
    pub tenants: Vec<TenantId>,
    /// Positions above this one.
    pub after: Seq,
    /// Positions up to this one.
    pub upto: Seq,
    /// At most so many pushes.
    pub limit: usize,
    /// At most so many bytes of text, yet at least one push.
    pub max_bytes: usize,
}

/// Pushes in the order of seq, all from one snapshot of the log.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// The pushes.
    pub pushes: Vec<Arc<StoredPush>>,
    /// Whether `limit` or `max_bytes` ended the page, so that there may be more.
    pub more: bool,
    /// The highest position of these tenants that was ever trimmed, `Seq::ZERO` when none was: above `after`, it
    /// says that the reader missed something.
    pub trimmed: Seq,
    /// The oldest kept push of these tenants after `after`.
    pub oldest: Option<Seq>,
}

/// One push with the answer that was given to the service.
#[derive(Clone, Debug)]
pub struct HistoryItem {
    /// The push.
    pub push: StoredPush,
    /// Its answer; nothing when it is still due.
    pub answer: Option<Answer>,
}

/// Where the kept pushes of some tenants begin and end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bounds {
    /// The oldest kept push.
    pub oldest: Option<Seq>,
    /// The newest kept push.
    pub newest: Option<Seq>,
    /// The highest position of these tenants that was ever trimmed, `Seq::ZERO` when none was.
    pub trimmed: Seq,
}

/// Where the pushes of some tenants begin that were received at some time or later.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Since {
    /// The oldest kept one; nothing when there is none.
    pub first: Option<Seq>,
    /// Whether some of them may have been trimmed: of one of the tenants pushes were, and none that is older than the
    /// time is kept above those.
    pub trimmed: bool,
}
