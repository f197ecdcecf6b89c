use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::SystemTime,
};

use pushgate_model::{Cursor, Epoch, Seq, TenantId, Timestamp};

use crate::Peer;

/// What other threads may know of one stream while it lives. Its own thread writes, without waiting for anybody; whoever
/// reads may find one number newer than another.
#[derive(Debug)]
pub(crate) struct Record {
    id: u64,
    carried: Box<[Carried]>,
    address: Box<str>,
    user_agent: Option<Box<str>>,
    since: Timestamp,
    cursor: AtomicU64,
    bytes: AtomicU64,
    /// Its shard writes to it, so that it has everything, as far as its thread knows.
    rests: AtomicBool,
}

/// One tenant of a stream.
#[derive(Debug)]
struct Carried {
    tenant: TenantId,
    newest: Newest,
    /// The tenant is gone, and the stream goes on without it.
    left: AtomicBool,
}

/// The newest position of one tenant's pushes on one worker thread.
#[derive(Clone, Debug, Default)]
pub(crate) struct Newest(Arc<AtomicU64>);

/// A small copy of what one stream is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamSnapshot {
    /// Names the stream; never used twice in the life of a gateway, and grows.
    pub id: u64,
    /// The tenants that it carries. Those that were removed since it began are left out.
    pub tenants: Vec<TenantId>,
    /// Where it comes from.
    pub address: String,
    /// What it calls itself.
    pub user_agent: Option<String>,
    /// When it began.
    pub since: Timestamp,
    /// The position up to which everything was written. Until the stream knows where it starts, the newest position
    /// when it began.
    pub cursor: Cursor,
    /// How many positions of the log `cursor` is behind the newest push of its tenants; 0 when it has everything.
    /// Positions are given to pushes of all tenants, so these are at most so many pushes, and mostly fewer.
    pub lag: u64,
    /// Bytes written so far, comments and events included; up to half a second late.
    pub bytes: u64,
}

impl Record {
    pub(crate) fn new(id: u64, carried: impl Iterator<Item = (TenantId, Newest)>, peer: Peer) -> Self {
        let carried = carried.map(|(tenant, newest)| Carried { tenant, newest, left: AtomicBool::new(false) });
        Self {
            id,
            carried: carried.collect(),
            address: peer.address.into(),
            user_agent: peer.user_agent.map(Into::into),
            since: SystemTime::now().into(),
            cursor: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            rests: AtomicBool::new(false),
        }
    }

    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    pub(crate) fn tenants(&self) -> impl Iterator<Item = &TenantId> {
        self.carried.iter().map(|carried| &carried.tenant)
    }

    /// The stream stands at `cursor`.
    pub(crate) fn moved(&self, cursor: Seq) {
        self.cursor.store(cursor.get(), Ordering::Relaxed);
    }

    /// It leaves it to its shard to write what comes next, or no longer does. Its cursor is that of its thread meanwhile: a
    /// word to each record for each push would cost more than all else but the write itself.
    pub(crate) fn rests(&self, rests: bool) {
        self.rests.store(rests, Ordering::Relaxed);
    }

    /// So many more bytes were written.
    pub(crate) fn wrote(&self, bytes: usize) {
        // Only the stream's own thread writes.
        self.bytes.store(self.bytes.load(Ordering::Relaxed) + bytes as u64, Ordering::Relaxed);
    }

    /// The stream no longer carries this tenant.
    pub(crate) fn left(&self, tenant: &TenantId) {
        for carried in self.carried.iter().filter(|carried| carried.tenant == *tenant) {
            carried.left.store(true, Ordering::Relaxed);
        }
    }

    pub(crate) fn snapshot(&self, epoch: &Epoch) -> StreamSnapshot {
        // Asked before the cursor: else a push that arrives in between would look like one that is not written.
        let carried = || self.carried.iter().filter(|carried| !carried.left.load(Ordering::Relaxed));
        let newest = carried().map(|carried| carried.newest.get()).max().unwrap_or_default();
        let mut cursor = Seq::new(self.cursor.load(Ordering::Relaxed)).unwrap_or(Seq::MAX);
        if self.rests.load(Ordering::Relaxed) {
            cursor = cursor.max(Seq::new(newest).unwrap_or(cursor));
        }
        StreamSnapshot {
            id: self.id,
            tenants: carried().map(|carried| carried.tenant.clone()).collect(),
            address: self.address.to_string(),
            user_agent: self.user_agent.as_deref().map(ToOwned::to_owned),
            since: self.since,
            cursor: Cursor { epoch: epoch.clone(), seq: cursor },
            lag: newest.saturating_sub(cursor.get()),
            bytes: self.bytes.load(Ordering::Relaxed),
        }
    }
}

impl Newest {
    pub(crate) fn set(&self, seq: Seq) {
        self.0.store(seq.get(), Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
