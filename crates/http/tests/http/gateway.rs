//! The real listeners and fan-out on a journal in memory.

use std::{
    net::SocketAddr,
    sync::Arc,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use actix_web::rt::System;
use futures_util::FutureExt as _;
use pushgate_fanout::{Fanout, FanoutConfig};
use pushgate_http::{AdminConfig, Deps, Http, HttpConfig, HttpHandle, Lifecycle, PublicConfig, StreamLimits, bind};
use pushgate_journal::{Append, Entry, Journal as _, testing::MemoryJournal};
use pushgate_model::{Answer, ConnectionState, Push, TenantId, TenantStatus, Timestamp};
use pushgate_upstream::{Directory, Source, TenantSnapshot, UpstreamMetrics};
use tokio::sync::mpsc;

/// How long a test waits for something that must happen.
const DEADLINE: Duration = Duration::from_secs(20);

pub(crate) struct Gateway {
    pub(crate) public: SocketAddr,
    pub(crate) admin: SocketAddr,
    pub(crate) journal: Arc<MemoryJournal>,
    pub(crate) lifecycle: Lifecycle,
    pub(crate) fanout: Fanout,
    directory: Arc<Directory>,
    handle: HttpHandle,
    thread: Option<JoinHandle<()>>,
}

impl Gateway {
    /// With the tenants `acme` and `globex`, ready, without a token.
    pub(crate) fn start() -> Self {
        Self::start_with(|_| {})
    }

    /// The same with another configuration.
    pub(crate) fn start_with(change: impl FnOnce(&mut HttpConfig)) -> Self {
        let gateway = Self::start_unready_with(change);
        gateway.lifecycle.set_ready();
        gateway
    }

    /// Listeners are open, tenants still being loaded.
    pub(crate) fn start_unready() -> Self {
        Self::start_unready_with(|_| {})
    }

    fn start_unready_with(change: impl FnOnce(&mut HttpConfig)) -> Self {
        let mut config = config();
        change(&mut config);
        let (inlet, inbox) = Fanout::channel(64);
        let journal = MemoryJournal::new(Box::new(inlet));
        let fanout = Fanout::start(FanoutConfig::default(), journal.clone(), inbox);
        let (directory, lifecycle) = (Arc::<Directory>::default(), Lifecycle::default());
        let deps = Deps {
            fanout: fanout.clone(),
            journal: journal.clone(),
            directory: directory.clone(),
            upstream_metrics: UpstreamMetrics::default(),
            lifecycle: lifecycle.clone(),
        };
        let http = bind(config, deps).unwrap();
        let (public, admin, handle) = (http.public_addr, http.admin_addr, http.handle());
        let thread = Some(thread::spawn(move || serve(http)));
        let gateway = Self { public, admin, journal, lifecycle, fanout, directory, handle, thread };
        gateway.put("acme", ConnectionState::Connected);
        gateway.put("globex", ConnectionState::Backoff);
        gateway
    }

    /// Adds a tenant, or changes its state.
    pub(crate) fn put(&self, id: &str, state: ConnectionState) {
        let status = TenantStatus { state, since: Timestamp::from_millis(1_000), reason: None };
        let id = tenant(id);
        self.directory.put(TenantSnapshot {
            id: id.clone(),
            status: status.clone(),
            attempt: 3,
            next_retry_at: (state == ConnectionState::Backoff).then(|| Timestamp::from_millis(2_000)),
            connected_since: (state == ConnectionState::Connected).then(|| Timestamp::from_millis(1_000)),
            last_push_at: None,
            pushes: 7,
            duplicates: 2,
            answers: 9,
            source: Source::File,
        });
        self.fanout.publish(&id, status);
    }

    /// Commits one push with the given id, and an answer unless that is still due.
    pub(crate) fn commit(&self, tenant_id: &str, push_id: &str, answer: Option<Answer>) {
        self.commit_text(tenant_id, push_id, answer, "body");
    }

    pub(crate) fn commit_text(&self, tenant_id: &str, push_id: &str, answer: Option<Answer>, body: &str) {
        let push = Push {
            id: push_id.into(),
            created_at: "2026-01-01T00:00:00Z".to_owned(),
            title: "title".to_owned(),
            body: body.to_owned(),
        };
        let append = Append {
            tenant: tenant(tenant_id),
            entry: Entry::Push { push, answer },
            received_at: Timestamp::from_millis(5_000),
            tag: 0,
            reply: mpsc::channel(1).0,
        };
        self.journal.append(append).now_or_never().expect("a journal in memory never waits").unwrap();
    }

    /// Waits until `tenant` has exactly `count` streams.
    pub(crate) fn wait_for_subscribers(&self, tenant_id: &str, count: usize) {
        let until = Instant::now() + DEADLINE;
        while self.fanout.subscribers(&tenant(tenant_id)) != count {
            assert!(Instant::now() < until, "{} streams", self.fanout.subscribers(&tenant(tenant_id)));
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// Stops both listeners and waits until they are gone.
    pub(crate) fn stop(&mut self) {
        if let Some(thread) = self.thread.take() {
            System::new().block_on(self.handle.stop());
            thread.join().unwrap();
        }
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        if !thread::panicking() {
            self.stop();
        }
    }
}

/// On loopback, free ports, one worker.
pub(crate) fn config() -> HttpConfig {
    let bind = SocketAddr::from(([127, 0, 0, 1], 0));
    HttpConfig {
        public: PublicConfig {
            bind,
            stall_timeout: Duration::from_secs(30),
            limits: StreamLimits { tenants_per_stream: 3, head_timeout: Duration::from_secs(10), body: 1024 },
            workers: 1,
            demo_page: false,
        },
        admin: AdminConfig { bind, token: None },
    }
}

/// Dependencies of a gateway that nobody asks for anything.
pub(crate) fn deps() -> Deps {
    let (inlet, inbox) = Fanout::channel(1);
    let journal = MemoryJournal::new(Box::new(inlet));
    Deps {
        fanout: Fanout::start(FanoutConfig::default(), journal.clone(), inbox),
        journal,
        directory: Arc::default(),
        upstream_metrics: UpstreamMetrics::default(),
        lifecycle: Lifecycle::default(),
    }
}

fn serve(http: Http) {
    System::new().block_on(http.run()).unwrap();
}

fn tenant(id: &str) -> TenantId {
    id.parse().unwrap()
}
