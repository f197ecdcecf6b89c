use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use pushgate_model::Timestamp;

/// How long a stream may go on: until a time, and as long as what it was admitted by still counts.
///
/// `auth-expiring` is told 30 s before `expires_at`, or at once when less is left; then `auth-expired`, and the stream
/// ends. No push is written after either end.
#[derive(Clone, Debug, Default)]
pub struct Lease {
    /// When it ends; nothing is never.
    pub expires_at: Option<Timestamp>,
    /// What it rests on.
    pub revocation: Revocation,
}

/// Ends all leases that rest on one thing, such as a key. Clones share it.
///
/// Streams look at it before they write; [`Fanout::recheck`](crate::Fanout::recheck) has those look that are idle.
#[derive(Clone, Debug, Default)]
pub struct Revocation(Arc<AtomicBool>);

impl Revocation {
    /// What rests on it no longer counts. For good.
    pub fn revoke(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Whether it was revoked.
    pub fn is_revoked(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}
