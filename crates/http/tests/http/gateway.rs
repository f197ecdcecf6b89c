//! The real listeners and fan-out on a journal in memory.

use std::{
    cell::Cell,
    net::SocketAddr,
    sync::Arc,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use actix_web::rt::System;
use futures_util::FutureExt as _;
use pushgate_fanout::{DeliverySink, Fanout, FanoutConfig};
use pushgate_http::{
    AdminConfig, Deps, Http, HttpConfig, HttpHandle, Lifecycle, Policy, PublicConfig, RemoteKeys, StreamLimits,
    TlsConfig, TlsError, bind,
};
use pushgate_journal::{Append, Appended, Entry, Journal as _, QuarantineEntry, testing::MemoryJournal};
use pushgate_model::{Answer, ConnectionState, Push, TenantId, TenantStatus, Timestamp};
use pushgate_upstream::{
    Directory, Prepared, Source, TenantSnapshot, TenantSources, Upstream, UpstreamDeps, Words, testing::still_since,
};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::{
    client::{get, request, send_with},
    settings::{self, Reader},
};

/// Bytes of a body on the admin listener, whatever the public one takes.
pub(crate) const ADMIN_BODY: usize = 1 << 20;

/// How long a test waits for something that must happen.
const DEADLINE: Duration = Duration::from_secs(20);

pub(crate) struct Gateway {
    pub(crate) public: SocketAddr,
    pub(crate) admin: SocketAddr,
    pub(crate) journal: Arc<MemoryJournal>,
    pub(crate) lifecycle: Lifecycle,
    pub(crate) fanout: Fanout,
    pub(crate) keys: RemoteKeys,
    /// As it began.
    policy: Policy,
    directory: Arc<Directory>,
    handle: HttpHandle,
    thread: Option<JoinHandle<()>>,
}

/// What the tenants' connections do.
#[derive(Clone, Copy, Debug)]
enum Connections {
    /// Nothing: a tenant's state is what a test says.
    Idle,
    /// They dial.
    Dialling,
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

    /// Ready and with connections: the tenants `acme` and `globex` of the files, which dial where nobody listens.
    pub(crate) fn start_dialling() -> Self {
        let gateway = Self::open(config(), Connections::Dialling, |_| {});
        gateway.lifecycle.set_ready();
        gateway
    }

    /// Ready, and a thread of its connections stands still for so long.
    pub(crate) fn start_still_for(time: Duration) -> Self {
        let begun = Instant::now().checked_sub(time).expect("the machine runs for longer than that");
        let gateway = Self::open(config(), Connections::Idle, |deps| deps.vitals = still_since(begun));
        gateway.lifecycle.set_ready();
        gateway
    }

    fn start_unready_with(change: impl FnOnce(&mut HttpConfig)) -> Self {
        let mut config = config();
        change(&mut config);
        let gateway = Self::open(config, Connections::Idle, |_| {});
        gateway.put("acme", ConnectionState::Connected);
        gateway.put("globex", ConnectionState::Backoff);
        gateway
    }

    fn open(config: HttpConfig, connections: Connections, change: impl FnOnce(&mut Deps)) -> Self {
        let (journal, prepared, mut deps) = parts();
        change(&mut deps);
        let (fanout, directory, lifecycle) = (deps.fanout.clone(), deps.directory.clone(), deps.lifecycle.clone());
        let policy = config.policy.clone();
        let http = bind(config, deps).unwrap();
        let (public, admin, handle, keys) = (http.public_addr, http.admin_addr, http.handle(), http.remote_keys());
        let thread = Some(thread::spawn(move || serve(http, prepared, connections)));
        Self { public, admin, journal, lifecycle, fanout, keys, policy, directory, handle, thread }
    }

    /// Takes another policy: the one at the beginning, changed.
    pub(crate) fn reload(&self, change: impl FnOnce(&mut Policy)) {
        let mut policy = self.policy.clone();
        change(&mut policy);
        self.handle.reload(policy, None).unwrap();
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
            last_close: None,
            in_flight: 4,
            waits: 5,
            source: Source::File,
        });
        self.fanout.publish(&id, status);
    }

    /// Changes what is known about a tenant.
    pub(crate) fn change(&self, id: &str, change: impl FnOnce(&mut TenantSnapshot)) {
        let mut snapshot = self.directory.get(&tenant(id)).unwrap();
        change(&mut snapshot);
        self.directory.put(snapshot);
    }

    /// Makes a tenant by the admin API that never dials. Needs connections.
    pub(crate) fn make(&self, id: &str) {
        let path = format!("/api/tenants/{id}");
        let made = send_with(self.admin, ("PUT", &path), &["Content-Type: application/json"], r#"{"enabled":false}"#);
        assert_eq!(made.status, 201, "{made:?}");
    }

    /// Removes a tenant by the admin API.
    pub(crate) fn remove(&self, id: &str) {
        let removed = request(self.admin, "DELETE", &format!("/api/tenants/{id}"), &[]);
        assert_eq!(removed.status, 204, "{removed:?}");
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
        self.append(tenant_id, Entry::Push { push, answer }, 5_000);
    }

    /// Stores a push that was received so many milliseconds after 1970.
    pub(crate) fn commit_at(&self, tenant_id: &str, push_id: &str, millis: u64) {
        let text = || "text".to_owned();
        let push = Push { id: push_id.into(), created_at: text(), title: text(), body: text() };
        self.append(tenant_id, Entry::Push { push, answer: Some(Answer::Ack) }, millis);
    }

    /// Puts bytes into quarantine.
    pub(crate) fn quarantine(&self, tenant_id: &str, raw: &'static [u8], push_id: Option<&str>) {
        let push_id = push_id.map(Into::into);
        let entry = QuarantineEntry { raw: raw.into(), push_id, reason: "malformed", size: raw.len() as u64 };
        self.append(tenant_id, Entry::Quarantine(entry), 5_000);
    }

    fn append(&self, tenant_id: &str, entry: Entry, received_at: u64) -> Appended {
        let (reply, mut replies) = mpsc::channel(1);
        let received_at = Timestamp::from_millis(received_at);
        let append = Append { tenant: tenant(tenant_id), entry, received_at, tag: 0, reply };
        self.journal.append(append).now_or_never().expect("a journal in memory never waits").unwrap();
        replies.try_recv().unwrap()
    }

    /// Asks the admin API for a tenant until it is as `wanted`.
    pub(crate) fn wait_for_tenant(&self, id: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let until = Instant::now() + DEADLINE;
        loop {
            let tenant = get(self.admin, &format!("/api/tenants/{id}"), &[]).json();
            if wanted(&tenant) {
                return tenant;
            }
            assert!(Instant::now() < until, "{tenant}");
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits until `tenant` has exactly `count` streams.
    pub(crate) fn wait_for_subscribers(&self, tenant_id: &str, count: usize) {
        let until = Instant::now() + DEADLINE;
        while self.fanout.subscribers(&tenant(tenant_id)) != count {
            assert!(Instant::now() < until, "{} streams", self.fanout.subscribers(&tenant(tenant_id)));
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// Gives the public listener other settings and reads its certificate again.
    pub(crate) fn reload_tls(&self, change: impl FnOnce(&mut Policy), tls: &TlsConfig) -> Result<(), TlsError> {
        let mut policy = self.policy.clone();
        change(&mut policy);
        self.handle.reload(policy, Some(tls))
    }

    /// Takes no new connections on the public listener.
    pub(crate) fn close_public(&self) {
        System::new().block_on(self.handle.close_public());
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

thread_local! {
    /// Whether streams stay with the framework.
    static KEPT: Cell<bool> = const { Cell::new(false) };
}

/// Runs a test with streams that stay with the framework.
pub(crate) fn kept(test: impl FnOnce()) {
    KEPT.set(true);
    test();
}

/// On loopback, free ports, one worker.
pub(crate) fn config() -> HttpConfig {
    let bind = SocketAddr::from(([127, 0, 0, 1], 0));
    HttpConfig {
        public: PublicConfig {
            bind,
            stall_timeout: Duration::from_secs(30),
            base_path: String::new(),
            tls: None,
            head_timeout: Duration::from_secs(10),
            hand_over: !KEPT.get(),
            workers: 1,
            demo_page: false,
        },
        admin: AdminConfig { bind, token: None },
        policy: Policy {
            limits: StreamLimits { tenants_per_stream: 3, body: 1024, ..StreamLimits::default() },
            ..Policy::default()
        },
    }
}

/// Dependencies of a gateway that nobody asks for anything.
pub(crate) fn deps() -> Deps {
    parts().2
}

/// A journal in memory, connections that did not begin yet, and what the listeners get of them.
fn parts() -> (Arc<MemoryJournal>, Prepared, Deps) {
    let words = Words::default();
    let (inlet, inbox) = Fanout::channel(64);
    let journal = MemoryJournal::new(Box::new(inlet));
    let sink: Arc<dyn DeliverySink> = Arc::new(words.clone());
    let fanout = Fanout::start(FanoutConfig::default(), journal.clone(), inbox, sink);
    let reader = Arc::new(Reader);
    let files = ["acme", "globex"].map(|id| settings::of_file(id, &json!({ "bearer": "s3cret" })));
    let sources = TenantSources { files: files.into(), stored: Vec::new() };
    let upstream = UpstreamDeps { journal: journal.clone(), fanout: fanout.clone(), words, reader };
    let prepared = Upstream::prepare(&settings::upstream(), sources, upstream).unwrap();
    let deps = Deps {
        fanout,
        journal: journal.clone(),
        directory: prepared.directory(),
        tenants: prepared.tenants(),
        vitals: prepared.vitals(),
        upstream_metrics: prepared.metrics(),
        lifecycle: Lifecycle::default(),
    };
    (journal, prepared, deps)
}

fn serve(http: Http, prepared: Prepared, connections: Connections) {
    System::new().block_on(async move {
        // Either is kept as long as the listeners are open.
        let (_idle, _dialling) = match connections {
            Connections::Idle => (Some(prepared), None),
            Connections::Dialling => (None, Some(prepared.start())),
        };
        http.run().await.unwrap();
    });
}

fn tenant(id: &str) -> TenantId {
    id.parse().unwrap()
}
