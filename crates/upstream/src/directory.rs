use std::{collections::BTreeMap, time::SystemTime};

use dashmap::DashMap;
use pushgate_model::{ConnectionState, TenantId, TenantStatus, Timestamp};
use serde::Serialize;

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
    /// Where the tenant comes from.
    pub source: Source,
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
            source,
        }
    }
}

/// The tenants of this gateway by id. Each entry is written by its tenant's connection, or by the
/// supervisor while there is none, and read by everybody; no
/// guard is ever held across an await.
#[derive(Debug, Default)]
pub struct Directory {
    entries: DashMap<TenantId, TenantSnapshot>,
}

impl Directory {
    /// The snapshot of one tenant.
    pub fn get(&self, tenant: &TenantId) -> Option<TenantSnapshot> {
        self.entries.get(tenant).map(|entry| entry.clone())
    }

    /// Whether there is such a tenant.
    pub fn contains(&self, tenant: &TenantId) -> bool {
        self.entries.contains_key(tenant)
    }

    /// All snapshots, by id.
    pub fn list(&self) -> Vec<TenantSnapshot> {
        let mut all: Vec<_> = self.entries.iter().map(|entry| entry.clone()).collect();
        all.sort_by(|a, b| a.id.cmp(&b.id));
        all
    }

    /// How many tenants are in each state; every state is listed.
    pub fn count_by_state(&self) -> BTreeMap<ConnectionState, u64> {
        let mut counts: BTreeMap<_, _> = ConnectionState::ALL.into_iter().map(|state| (state, 0)).collect();
        for entry in &self.entries {
            *counts.entry(entry.status.state).or_default() += 1;
        }
        counts
    }

    /// Puts a snapshot in the place of the one before. For the tenant's own connection, and for tests.
    pub fn put(&self, snapshot: TenantSnapshot) {
        self.entries.insert(snapshot.id.clone(), snapshot);
    }

    /// Forgets a tenant.
    pub fn remove(&self, tenant: &TenantId) {
        self.entries.remove(tenant);
    }
}
