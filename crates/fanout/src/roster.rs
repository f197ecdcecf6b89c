use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use pushgate_model::TenantId;

/// How many streams carry each tenant, over all threads. Touched when a stream comes or goes, never by a push.
#[derive(Debug, Default)]
pub(crate) struct Roster {
    counts: Mutex<HashMap<TenantId, usize>>,
}

impl Roster {
    pub(crate) fn join(&self, tenant: &TenantId) {
        *self.counts().entry(tenant.clone()).or_insert(0) += 1;
    }

    pub(crate) fn leave(&self, tenant: &TenantId) {
        let mut counts = self.counts();
        if let Some(count) = counts.get_mut(tenant) {
            *count -= 1;
            if *count == 0 {
                counts.remove(tenant);
            }
        }
    }

    pub(crate) fn count(&self, tenant: &TenantId) -> usize {
        self.counts().get(tenant).copied().unwrap_or(0)
    }

    fn counts(&self) -> MutexGuard<'_, HashMap<TenantId, usize>> {
        // Nothing under the lock can panic half-way, so that a poisoned map is still right.
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
