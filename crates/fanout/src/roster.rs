use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use pushgate_model::TenantId;

use crate::record::Record;

/// Which streams carry each tenant, over all threads. Touched when a stream comes or goes, never by a push.
#[derive(Debug, Default)]
pub(crate) struct Roster {
    streams: Mutex<HashMap<TenantId, BTreeMap<u64, Arc<Record>>>>,
    last_id: AtomicU64,
}

impl Roster {
    /// An id that no stream has had.
    pub(crate) fn next_id(&self) -> u64 {
        self.last_id.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// A stream begins, under each of its tenants.
    pub(crate) fn join(&self, record: &Arc<Record>) {
        let mut streams = self.streams();
        for tenant in record.tenants() {
            streams.entry(tenant.clone()).or_default().insert(record.id(), Arc::clone(record));
        }
    }

    /// It no longer carries this tenant.
    pub(crate) fn leave(&self, tenant: &TenantId, id: u64) {
        let mut streams = self.streams();
        let Some(carriers) = streams.get_mut(tenant) else { return };
        let record = carriers.remove(&id);
        if carriers.is_empty() {
            streams.remove(tenant);
        }
        drop(streams);
        if let Some(record) = record {
            record.left(tenant);
        }
    }

    pub(crate) fn count(&self, tenant: &TenantId) -> usize {
        self.streams().get(tenant).map_or(0, BTreeMap::len)
    }

    /// The streams that carry a tenant, by id.
    pub(crate) fn records(&self, tenant: &TenantId) -> Vec<Arc<Record>> {
        self.streams().get(tenant).map(|carriers| carriers.values().cloned().collect()).unwrap_or_default()
    }

    fn streams(&self) -> MutexGuard<'_, HashMap<TenantId, BTreeMap<u64, Arc<Record>>>> {
        // Nothing under the lock can panic half-way, so that a poisoned map is still right.
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
