use std::sync::Arc;

use dashmap::DashMap;
use pushgate_model::TenantId;
use tokio::sync::{Mutex, OwnedMutexGuard};

/// One operation per tenant at a time, first come first served. Holds nothing for tenants that nobody works on.
#[derive(Debug, Default)]
pub(super) struct Locks(DashMap<TenantId, Arc<Mutex<()>>>);

/// The right to work on one tenant.
#[derive(Debug)]
pub(super) struct Locked<'a> {
    locks: &'a Locks,
    tenant: TenantId,
    /// Nothing while it is waited for.
    guard: Option<OwnedMutexGuard<()>>,
}

impl Locks {
    pub(super) async fn lock(&self, tenant: &TenantId) -> Locked<'_> {
        let mutex = Arc::clone(&self.0.entry(tenant.clone()).or_default());
        // Made before waiting, so that whoever gives up waiting leaves nothing either.
        let mut locked = Locked { locks: self, tenant: tenant.clone(), guard: None };
        locked.guard = Some(mutex.lock_owned().await);
        locked
    }
}

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        drop(self.guard.take());
        // Whoever waits holds it too. Nobody gets hold of it meanwhile: both need the same part of the map.
        self.locks.0.remove_if(&self.tenant, |_, mutex| Arc::strong_count(mutex) == 1);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn one_at_a_time_for_each_tenant_and_nothing_is_left() {
        let (locks, acme, globex) = (Locks::default(), "acme".parse().unwrap(), "globex".parse().unwrap());
        let held = locks.lock(&acme).await;
        assert!(locks.lock(&globex).now_or_never().is_some());
        let mut second = Box::pin(locks.lock(&acme));
        assert!(second.as_mut().now_or_never().is_none());
        drop(held);
        drop(second.await);
        drop(locks.lock(&acme).await);
        assert!(locks.0.is_empty());
    }
}
