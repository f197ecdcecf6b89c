use std::{
    borrow::Cow,
    collections::{BTreeMap, HashSet, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use dashmap::DashMap;
use pushgate_model::{ConnectionState, TenantId, TenantStatus, Timestamp};
use serde::Serialize;

/// Changes of state that are kept of each tenant.
const TRANSITIONS: usize = 100;
/// Removed tenants that are remembered.
const REMOVED: usize = 10_000;

/// Where a tenant comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// A configuration file.
    File,
    /// The admin API.
    Api,
}

/// A small copy of one tenant's state, for the admin API and tests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TenantSnapshot {
    /// Which tenant.
    pub id: TenantId,
    /// State, since when, why.
    pub status: TenantStatus,
    /// Failed attempts since the last good connection.
    pub attempt: u32,
    /// When the next dial is due, when one is.
    pub next_retry_at: Option<Timestamp>,
    /// Since when the present socket is connected, when one is.
    pub connected_since: Option<Timestamp>,
    /// When the last push came, since the gateway started.
    pub last_push_at: Option<Timestamp>,
    /// Pushes stored since the gateway started.
    pub pushes: u64,
    /// Repeats of known pushes since the gateway started.
    pub duplicates: u64,
    /// Answers sent since the gateway started.
    pub answers: u64,
    /// What the service's last Close said, since the gateway started.
    pub last_close: Option<LastClose>,
    /// Pushes that wait for the journal.
    pub in_flight: usize,
    /// Pushes that wait for a subscriber's word.
    pub waits: usize,
    /// Where the tenant comes from.
    pub source: Source,
}

/// What a Close of the service said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastClose {
    /// When it came.
    pub at: Timestamp,
    /// Its code, when it had one.
    pub code: Option<u16>,
    /// Its text, at most 123 bytes; chosen by the service.
    pub text: String,
}

/// One change of a connection's state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transition {
    /// When.
    pub at: Timestamp,
    /// To which state.
    pub state: ConnectionState,
    /// Why, as a machine-readable word.
    pub reason: Option<Cow<'static, str>>,
    /// Failed attempts since the last good connection.
    pub attempt: u32,
}

impl TenantSnapshot {
    /// A tenant that has not begun yet: `waiting`, nothing counted.
    pub fn new(id: TenantId, source: Source) -> Self {
        let status = TenantStatus { state: ConnectionState::Waiting, since: SystemTime::now().into(), reason: None };
        Self {
            id,
            status,
            attempt: 0,
            next_retry_at: None,
            connected_since: None,
            last_push_at: None,
            pushes: 0,
            duplicates: 0,
            answers: 0,
            last_close: None,
            in_flight: 0,
            waits: 0,
            source,
        }
    }
}

/// The tenants of this gateway by id. Each entry is written by its tenant's connection, or by the supervisor while there
/// is none, and read by everybody; no guard is ever held across an await.
#[derive(Debug, Default)]
pub struct Directory {
    entries: DashMap<TenantId, Entry>,
    removed: Mutex<Removed>,
}

/// Tells one life of a tenant from the next one under the same name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Life(pub(crate) u64);

#[derive(Debug)]
struct Entry {
    life: Life,
    snapshot: TenantSnapshot,
    transitions: VecDeque<Transition>,
}

/// Names of tenants that were removed, the oldest first in `order`.
#[derive(Debug, Default)]
struct Removed {
    names: HashSet<TenantId>,
    order: VecDeque<TenantId>,
}

impl Directory {
    /// The snapshot of one tenant.
    pub fn get(&self, tenant: &TenantId) -> Option<TenantSnapshot> {
        self.entries.get(tenant).map(|entry| entry.snapshot.clone())
    }

    /// The last 100 changes of a tenant's state, oldest first; nothing for an unknown tenant.
    pub fn transitions(&self, tenant: &TenantId) -> Option<Vec<Transition>> {
        self.entries.get(tenant).map(|entry| entry.transitions.iter().cloned().collect())
    }

    /// Whether there is such a tenant.
    pub fn contains(&self, tenant: &TenantId) -> bool {
        self.entries.contains_key(tenant)
    }

    /// Whether there was such a tenant, that was removed since the gateway started; of very many removed ones the oldest
    /// are forgotten.
    pub fn was_removed(&self, tenant: &TenantId) -> bool {
        !self.contains(tenant) && self.removed().names.contains(tenant)
    }

    /// How many tenants there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// All snapshots, by id.
    pub fn list(&self) -> Vec<TenantSnapshot> {
        let mut all: Vec<_> = self.entries.iter().map(|entry| entry.snapshot.clone()).collect();
        all.sort_by(|a, b| a.id.cmp(&b.id));
        all
    }

    /// How many tenants are in each state; every state is listed.
    pub fn count_by_state(&self) -> BTreeMap<ConnectionState, u64> {
        let mut counts: BTreeMap<_, _> = ConnectionState::ALL.into_iter().map(|state| (state, 0)).collect();
        for entry in &self.entries {
            *counts.entry(entry.snapshot.status.state).or_default() += 1;
        }
        counts
    }

    /// Puts a snapshot in the place of the one before. For tests; connections go by their life.
    pub fn put(&self, snapshot: TenantSnapshot) {
        self.begin(Life::default(), snapshot);
    }

    /// A tenant's life begins.
    pub(crate) fn begin(&self, life: Life, snapshot: TenantSnapshot) {
        let transitions = VecDeque::new();
        let tenant = snapshot.id.clone();
        self.entries.insert(tenant.clone(), Entry { life, snapshot, transitions });
        self.removed().forget(&tenant);
    }

    /// Shows what a tenant does now, unless that life of it is over; where it comes from is not the connection's to say.
    /// Says whether it was shown.
    pub(crate) fn update(&self, life: Life, snapshot: &TenantSnapshot, transition: Option<Transition>) -> bool {
        self.update_and(life, snapshot, transition, || {})
    }

    /// The same; what is done with it as well happens before a removal can, or not at all. It must not ask the directory.
    pub(crate) fn update_and(
        &self,
        life: Life,
        snapshot: &TenantSnapshot,
        transition: Option<Transition>,
        then: impl FnOnce(),
    ) -> bool {
        let Some(mut entry) = self.entries.get_mut(&snapshot.id).filter(|entry| entry.life == life) else {
            return false;
        };
        let source = entry.snapshot.source;
        entry.snapshot.clone_from(snapshot);
        entry.snapshot.source = source;
        if let Some(transition) = transition {
            if entry.transitions.len() >= TRANSITIONS {
                entry.transitions.pop_front();
            }
            entry.transitions.push_back(transition);
        }
        then();
        true
    }

    /// Changes where a tenant comes from.
    pub(crate) fn set_source(&self, tenant: &TenantId, source: Source) {
        if let Some(mut entry) = self.entries.get_mut(tenant) {
            entry.snapshot.source = source;
        }
    }

    /// The tenant is no more.
    pub(crate) fn remove(&self, tenant: &TenantId) {
        self.removed().add(tenant);
        self.entries.remove(tenant);
    }

    fn removed(&self) -> MutexGuard<'_, Removed> {
        self.removed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Removed {
    fn forget(&mut self, tenant: &TenantId) {
        if self.names.remove(tenant) {
            self.order.retain(|removed| removed != tenant);
        }
    }

    fn add(&mut self, tenant: &TenantId) {
        if self.names.insert(tenant.clone()) {
            self.order.push_back(tenant.clone());
        }
        if self.order.len() > REMOVED {
            let oldest = self.order.pop_front();
            oldest.map(|oldest| self.names.remove(&oldest));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot(id: &str) -> TenantSnapshot {
        TenantSnapshot::new(id.parse().unwrap(), Source::Api)
    }

    #[test]
    fn a_life_that_is_over_writes_nothing() {
        let directory = Directory::default();
        let acme = snapshot("acme");
        directory.begin(Life(1), acme.clone());
        assert!(directory.update(Life(1), &acme, None));
        directory.remove(&acme.id);
        assert!(!directory.update(Life(1), &acme, None));
        directory.begin(Life(2), acme.clone());
        assert!(!directory.update(Life(1), &TenantSnapshot { pushes: 9, ..acme.clone() }, None));
        assert_eq!(directory.get(&acme.id).unwrap().pushes, 0);
    }

    #[test]
    fn a_removed_tenant_is_known_until_its_name_returns() {
        let directory = Directory::default();
        let acme = snapshot("acme");
        assert!(!directory.was_removed(&acme.id));
        directory.begin(Life(1), acme.clone());
        directory.remove(&acme.id);
        assert!(directory.was_removed(&acme.id));
        directory.begin(Life(2), acme.clone());
        assert!(!directory.was_removed(&acme.id));
    }

    #[test]
    fn what_is_remembered_of_removed_tenants_is_bounded() {
        let directory = Directory::default();
        for round in 0..3 {
            for n in 0..REMOVED {
                let tenant = snapshot(&format!("t{round}-{n}"));
                directory.begin(Life(1), tenant.clone());
                directory.remove(&tenant.id);
                directory.begin(Life(1), tenant.clone());
                directory.remove(&tenant.id);
            }
        }
        let removed = directory.removed();
        assert!(removed.order.len() <= REMOVED && removed.names.len() <= REMOVED);
    }

    #[test]
    fn the_last_transitions_are_kept() {
        let directory = Directory::default();
        let acme = snapshot("acme");
        directory.begin(Life(1), acme.clone());
        for attempt in 0..150 {
            let transition =
                Transition { at: acme.status.since, state: ConnectionState::Backoff, reason: None, attempt };
            directory.update(Life(1), &acme, Some(transition));
        }
        let kept: Vec<_> = directory.transitions(&acme.id).unwrap().iter().map(|kept| kept.attempt).collect();
        assert_eq!(kept, (50..150).collect::<Vec<_>>());
    }
}
