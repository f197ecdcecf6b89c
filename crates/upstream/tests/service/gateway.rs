use std::{
    future::Future,
    sync::Arc,
    time::{Duration, Instant},
};

use actix::System;
use pushgate_fanout::{Fanout, FanoutConfig};
use pushgate_journal::{Journal, QuarantineQuery, Quarantined, StoredTenant, testing::MemoryJournal};
use pushgate_model::{ConnectionState, TenantId};
use pushgate_session::{BackoffConfig, HeartbeatConfig, InFlightConfig};
use pushgate_upstream::{
    ConnectConfig, Precondition, Source, TenantConfig, TenantMistake, TenantReader, TenantSettings, TenantSnapshot,
    TenantSources, Tenants, Transition, Upstream, UpstreamConfig, UpstreamDeps, UpstreamMetrics, Words,
};
use serde_json::{Map, Value, json};
use tokio::time::sleep;

use crate::service::{PATIENCE, Service};

/// A message may be so long.
pub(crate) const MAX_MESSAGE: usize = 128 << 10;

/// All connections of a gateway, on one thread.
pub(crate) struct Gateway {
    pub(crate) upstream: Upstream,
    pub(crate) tenants: Tenants,
    pub(crate) journal: Arc<MemoryJournal>,
    pub(crate) metrics: UpstreamMetrics,
}

/// Nothing is due by time alone while a test runs, but the next dial.
pub(crate) fn config() -> UpstreamConfig {
    UpstreamConfig {
        ca_file: None,
        max_message: MAX_MESSAGE,
        connect: ConnectConfig { timeout: PATIENCE, concurrent: 64, per_second: 1000 },
        backoff: BackoffConfig {
            initial: Duration::from_millis(10),
            max: Duration::from_millis(50),
            healthy_after: Duration::from_secs(60),
        },
        heartbeat: HeartbeatConfig { every: Duration::from_secs(60), dead_after: Duration::from_secs(180) },
        in_flight: InFlightConfig { pushes: 64, bytes: 1 << 20 },
        in_flight_total: 64 << 20,
        threads: 1,
    }
}

/// Runs a test inside an actix system.
pub(crate) fn run(test: impl Future<Output = ()>) {
    System::new().block_on(test);
}

/// Waits until there is something.
pub(crate) async fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begun.elapsed() < PATIENCE, "in vain: {what}");
        sleep(Duration::from_millis(1)).await;
    }
}

pub(crate) fn id(name: &str) -> TenantId {
    name.parse().unwrap()
}

/// Knows no key but `url`.
struct Reader;

impl TenantReader for Reader {
    fn read(&self, id: &TenantId, settings: &Map<String, Value>) -> Result<TenantSettings, Vec<TenantMistake>> {
        let mut config = TenantConfig::new(id.clone(), settings["url"].as_str().unwrap());
        config.source = Source::Api;
        Ok(TenantSettings { config, shown: settings.clone() })
    }
}

fn settings(service: &Service) -> Map<String, Value> {
    json!({ "url": service.url() }).as_object().unwrap().clone()
}

impl Gateway {
    /// With these tenants, each at its service.
    pub(crate) fn start(config: &UpstreamConfig, tenants: &[(&str, &Service)]) -> Self {
        let (inlet, inbox) = Fanout::channel(16);
        let journal = MemoryJournal::new(Box::new(inlet));
        let words = Words::default();
        let fanout = Fanout::start(FanoutConfig::default(), journal.clone(), inbox, Arc::new(words.clone()));
        let stored = tenants.iter().map(|(name, service)| StoredTenant {
            id: id(name),
            settings: Some(Value::Object(settings(service)).to_string()),
            version: "1".to_owned(),
            paused: false,
        });
        let sources = TenantSources { files: Vec::new(), stored: stored.collect() };
        let deps = UpstreamDeps { journal: journal.clone(), fanout, words, reader: Arc::new(Reader) };
        let prepared = Upstream::prepare(config, sources, deps).unwrap();
        let (tenants, metrics) = (prepared.tenants(), prepared.metrics());
        Self { upstream: prepared.start(), tenants, journal, metrics }
    }

    /// One more tenant.
    pub(crate) async fn put(&self, name: &str, service: &Service) {
        self.tenants.put(id(name), settings(service), Precondition::None).await.unwrap();
    }

    /// The tenant's snapshot, once it is as wanted.
    pub(crate) async fn until(&self, name: &str, wanted: impl Fn(&TenantSnapshot) -> bool) -> TenantSnapshot {
        let directory = self.upstream.directory();
        let mut last = None;
        let begun = Instant::now();
        loop {
            let snapshot = directory.get(&id(name));
            if let Some(snapshot) = snapshot.as_ref().filter(|snapshot| wanted(snapshot)) {
                return snapshot.clone();
            }
            assert!(begun.elapsed() < PATIENCE, "in vain for {name}: {last:?}, {:?}", self.transitions(name));
            last = snapshot;
            sleep(Duration::from_millis(1)).await;
        }
    }

    /// The tenant's snapshot, once it is in this state for this reason.
    pub(crate) async fn shows(&self, name: &str, state: ConnectionState, reason: Option<&str>) -> TenantSnapshot {
        self.until(name, |snapshot| snapshot.status.state == state && snapshot.status.reason.as_deref() == reason).await
    }

    pub(crate) fn transitions(&self, name: &str) -> Vec<Transition> {
        self.upstream.directory().transitions(&id(name)).unwrap_or_default()
    }

    /// Waits until the tenant has been in a state for this reason.
    pub(crate) async fn went_through(&self, name: &str, reason: &str) {
        let went = || self.transitions(name).iter().any(|one| one.reason.as_deref() == Some(reason)).then_some(());
        eventually(reason, went).await;
    }

    /// Everything in quarantine, once there is so much.
    pub(crate) async fn quarantined(&self, count: usize) -> Vec<Quarantined> {
        let begun = Instant::now();
        loop {
            let query = QuarantineQuery { tenant: None, after: 0, limit: 100 };
            let found = self.journal.quarantine(query).await.unwrap();
            if found.len() >= count {
                return found;
            }
            assert!(begun.elapsed() < PATIENCE, "in vain: {found:?}");
            sleep(Duration::from_millis(1)).await;
        }
    }

    /// Waits until the journal holds back so many appends.
    pub(crate) async fn held(&self, count: usize) {
        eventually("held appends", || (self.journal.held() == count).then_some(())).await;
    }

    /// How often something was ignored for this reason.
    pub(crate) fn ignored(&self, reason: &str) -> u64 {
        self.metrics.ignored.get_or_create(&vec![("reason".to_owned(), reason.to_owned())]).get()
    }
}
