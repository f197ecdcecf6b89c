use std::time::Duration;

use bytes::Bytes;
use pushgate_model::{Seq, TenantId, TenantStatus, Timestamp};

use crate::outlet::Outlet;

/// Names one worker thread's shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ShardId(pub(crate) usize);

/// A shard's name for one tenant's channel. The generation tells a reused place from the channel that was there before,
/// so that what was under way for the old one is not taken for the new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ChannelKey {
    pub(crate) index: u32,
    pub(crate) generation: u32,
}

/// What shards ask of the dispatch thread.
#[derive(Debug)]
pub(crate) enum Command {
    /// A worker thread begins.
    AddShard { id: ShardId, outlet: Outlet },
    /// The shard wants all pushes of this tenant from now on. Answered by a [`ChannelState`].
    Interest { shard: ShardId, key: ChannelKey, tenant: TenantId },
    /// It no longer does.
    NoInterest { shard: ShardId, key: ChannelKey, tenant: TenantId },
}

/// What the dispatch thread posts to a shard. One shard gets everything in the order of seq, over all tenants.
#[derive(Debug)]
pub(crate) enum Message {
    /// Commits, in the order of seq.
    Frames(Vec<Frame>),
    /// All else; rare.
    Control(Box<Control>),
}

/// One encoded push on its way to a shard.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    pub(crate) key: ChannelKey,
    pub(crate) seq: Seq,
    pub(crate) bytes: Bytes,
    pub(crate) received_at: Timestamp,
}

/// What a shard has to know beside pushes. After an overflow one of these holds all that was missed.
#[derive(Debug, Default)]
pub(crate) struct Control {
    /// Channels whose tenant is gone.
    pub(crate) removed: Vec<ChannelKey>,
    /// Channels as they are now.
    pub(crate) states: Vec<ChannelState>,
    /// All streams are to end, each at a time of its own within this.
    pub(crate) drain: Option<Duration>,
    /// All streams are to look at their leases.
    pub(crate) recheck: bool,
}

/// One channel as the dispatch thread knows it.
#[derive(Clone, Debug)]
pub(crate) struct ChannelState {
    pub(crate) key: ChannelKey,
    /// Every push of the tenant above this position will be posted (or made known by a later state, when it could not
    /// be posted). Pushes up to it are in the shard's tail already, or have to be read from the journal.
    pub(crate) last: Seq,
    /// What subscribers are told of the tenant's connection, once it was published.
    pub(crate) status: Option<TenantStatus>,
}
