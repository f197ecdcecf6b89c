use bytes::Bytes;
use pushgate_model::{PushId, TenantId, Timestamp};

/// Which quarantined messages to list: those with `id` above `after`, by id.
#[derive(Clone, Debug)]
pub struct QuarantineQuery {
    /// Only those of this tenant.
    pub tenant: Option<TenantId>,
    /// Ids above this one; 0 for all.
    pub after: u64,
    /// At most so many.
    pub limit: usize,
}

/// One quarantined message, without its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quarantined {
    /// Its number; grows, never used twice.
    pub id: u64,
    /// Whose it is.
    pub tenant: TenantId,
    /// The push id, when it could be scanned.
    pub push_id: Option<PushId>,
    /// When it came for the first time.
    pub received_at: Timestamp,
    /// Why it could not be accepted, as a machine-readable word.
    pub reason: String,
    /// How long the whole message was, in bytes; more than what is kept of one that was too long.
    pub size: u64,
    /// How often these bytes came.
    pub count: u64,
}

/// One quarantined message with its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuarantinedRaw {
    /// All but the bytes.
    pub entry: Quarantined,
    /// What is kept of its bytes.
    pub raw: Bytes,
}
