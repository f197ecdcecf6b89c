use pushgate_model::{Cursor, TenantId, Timestamp};

use crate::{Lease, Peer};

/// What a subscriber asks for.
#[derive(Clone, Debug)]
pub struct Subscribe {
    /// Whose pushes; at least one. A tenant that is named twice counts once.
    pub tenants: Vec<TenantId>,
    /// From where on.
    pub resume: Resume,
    /// Who asks.
    pub peer: Peer,
    /// How long it may go on.
    pub lease: Lease,
}

/// Where a stream starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resume {
    /// With the next commit.
    Live,
    /// With the oldest kept push.
    Earliest,
    /// After this position.
    After(Cursor),
    /// With the oldest kept push that was received at this time or later; live when there is none.
    Since(Timestamp),
    /// Live, after a `gap` event that says that this text is no cursor (its first 128 characters).
    Malformed(String),
}
