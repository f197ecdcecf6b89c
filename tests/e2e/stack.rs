use std::{future::Future, net::SocketAddr, path::Path, sync::Arc, time::Duration};

use pushgate::{
    gateway::{Gateway, GatewayError},
    settings::Settings,
};
use pushgate_journal::JournalError;
use pushgate_model::ConnectionState;
use pushgate_simulator::{Simulator, SimulatorConfig, SimulatorHandle};
use pushgate_subscriber::{EventStream, HttpClient, HttpConfig, Response, StreamConfig, get, post_json};
use pushgate_upstream::{Directory, Tenants, Vitals};
use tempfile::TempDir;
use tokio::{sync::oneshot, task::JoinHandle, time::sleep};

use crate::stream::TestStream;

/// How long anything may take before a test gives up. Never reached when all is well.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Runs a test inside an actix system.
pub(crate) fn run<T>(test: impl Future<Output = T>) -> T {
    actix_rt::System::new().block_on(async { tokio::time::timeout(PATIENCE * 3, test).await.expect("the test hangs") })
}

/// The upstream service.
pub(crate) struct Service {
    pub(crate) handle: SimulatorHandle,
    task: JoinHandle<()>,
}

impl Service {
    /// A simulator on a free port that redelivers fast.
    pub(crate) fn start() -> Self {
        Self::with(|_| {})
    }

    /// A simulator with other settings.
    pub(crate) fn with(change: impl FnOnce(&mut SimulatorConfig)) -> Self {
        let mut config = SimulatorConfig {
            bind: SocketAddr::from(([127, 0, 0, 1], 0)),
            redeliver_after: Duration::from_millis(300),
            workers: 1,
            ..SimulatorConfig::default()
        };
        change(&mut config);
        let simulator = Simulator::bind(config).expect("the simulator starts");
        let handle = simulator.handle();
        let task = actix_rt::spawn(async move { simulator.run().await.expect("the simulator serves") });
        Self { handle, task }
    }

    /// Pushes to an account; its id.
    pub(crate) fn push(&self, account: &str, title: &str) -> String {
        self.handle.push(account, title, "body").expect("the simulator takes the push").to_string()
    }

    /// Asks the control API.
    pub(crate) async fn control(&self, path: &str) -> serde_json::Value {
        json(&get(&format!("http://{}/control/{path}", self.handle.addr())).await.expect("the control API answers"))
    }

    /// Sends to the control API.
    pub(crate) async fn command(&self, path: &str, body: &serde_json::Value) -> serde_json::Value {
        let url = format!("http://{}/control/{path}", self.handle.addr());
        json(&post_json(&url, body).await.expect("the control API answers"))
    }

    /// Sets exactly these faults of an account.
    pub(crate) async fn faults(&self, account: &str, faults: &serde_json::Value) {
        let url = format!("http://{}/control/accounts/{account}/faults", self.handle.addr());
        let client = HttpClient::new(HttpConfig::default());
        let answer = client.put_json(&url, faults).await.expect("the control API answers");
        assert!((200..300).contains(&answer.status), "{}", answer.status);
    }

    /// Waits until a push has this answer.
    pub(crate) async fn answered(&self, push_id: &str, answer: &str) {
        until("an answer", || async {
            let push = self.control(&format!("pushes/{push_id}")).await;
            (push["answer"] == answer).then_some(())
        })
        .await;
    }

    /// Ends the service and all its sockets.
    pub(crate) async fn stop(self) {
        self.handle.stop().await;
        self.task.await.expect("the simulator ends in order");
    }
}

/// One gateway in this process.
pub(crate) struct TestGateway {
    pub(crate) public: SocketAddr,
    pub(crate) admin: SocketAddr,
    pub(crate) directory: Arc<Directory>,
    pub(crate) tenants: Tenants,
    pub(crate) vitals: Vitals,
    stop: oneshot::Sender<()>,
    task: JoinHandle<Result<(), GatewayError>>,
}

impl TestGateway {
    /// A gateway with its journal in `folder`, tenants `a`, `b` and `c` at the service, and `more` settings in TOML.
    pub(crate) async fn start(folder: &Path, service: &str, more: &str) -> Self {
        until("a free journal", || async {
            match Self::try_start(folder, service, more).await {
                // A process that another test is about to start has the lock of the gateway before until it runs.
                Err(GatewayError::Journal(JournalError::Locked { .. })) => None,
                started => Some(started.expect("the gateway starts")),
            }
        })
        .await
    }

    pub(crate) async fn try_start(folder: &Path, service: &str, more: &str) -> Result<Self, GatewayError> {
        let file = folder.join(format!("gateway-{}.toml", fastrand::u32(..)));
        let text = config_text(folder, service, more);
        std::fs::write(&file, text).expect("the folder is writable");
        let settings = Settings::load(&[file], &[]).expect("the settings are valid");
        let gateway = Gateway::start(settings).await?;
        let (public, admin, directory) = (gateway.public_addr(), gateway.admin_addr(), gateway.directory());
        let (tenants, vitals) = (gateway.tenants(), gateway.vitals());
        let (stop, stopped) = oneshot::channel();
        let task = actix_rt::spawn(gateway.run(async move {
            // A dropped sender stops it too.
            let _ = stopped.await;
        }));
        Ok(Self { public, admin, directory, tenants, vitals, stop, task })
    }

    /// Subscribes.
    pub(crate) fn subscribe(&self, path: &str) -> TestStream {
        self.subscribe_after(path, None)
    }

    /// Subscribes with a cursor.
    pub(crate) fn subscribe_after(&self, path: &str, cursor: Option<&str>) -> TestStream {
        let mut config = StreamConfig::new(format!("http://{}{path}", self.public));
        config.cursor = cursor.map(ToOwned::to_owned);
        TestStream::new(EventStream::connect(config).expect("the URL is valid"))
    }

    /// Asks the public listener.
    pub(crate) async fn get(&self, path: &str) -> Response {
        get(&format!("http://{}{path}", self.public)).await.expect("the gateway answers")
    }

    /// Asks the admin listener.
    pub(crate) async fn admin(&self, path: &str) -> Response {
        get(&format!("http://{}{path}", self.admin)).await.expect("the gateway answers")
    }

    /// Waits for a tenant's state.
    pub(crate) async fn reaches(&self, tenant: &str, state: ConnectionState) {
        let tenant = tenant.parse().expect("valid");
        until("a state", || async {
            self.directory.get(&tenant).filter(|snapshot| snapshot.status.state == state).map(drop)
        })
        .await;
    }

    /// Drains and ends.
    pub(crate) async fn stop(self) {
        drop(self.stop);
        self.task.await.expect("no panic").expect("the gateway ends in order");
    }
}

/// A service, a gateway and its folder.
pub(crate) struct Stack {
    pub(crate) folder: TempDir,
    pub(crate) service: Service,
    pub(crate) gateway: TestGateway,
}

impl Stack {
    /// Everything up, tenants `a`, `b` and `c` connected.
    pub(crate) async fn start() -> Self {
        Self::with("").await
    }

    /// The same with further settings.
    pub(crate) async fn with(more: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let service = Service::start();
        let gateway = TestGateway::start(folder.path(), &service.handle.upstream_url(), more).await;
        for tenant in ["a", "b", "c"] {
            gateway.reaches(tenant, ConnectionState::Connected).await;
        }
        Self { folder, service, gateway }
    }

    /// Ends all of it in order.
    pub(crate) async fn stop(self) {
        self.gateway.stop().await;
        self.service.stop().await;
    }
}

/// The configuration of a gateway for tests: everything on free ports, fast reconnects.
pub(crate) fn config_text(folder: &Path, service: &str, more: &str) -> String {
    let journal = folder.join("journal.db");
    format!(
        "server.bind = \"127.0.0.1:0\"\nadmin.bind = \"127.0.0.1:0\"\njournal.path = \"{}\"\n\
         upstream.url = {service:?}\nupstream.threads = 1\n\
         upstream.backoff = {{ initial = \"50ms\", max = \"200ms\", healthy_after = \"1s\" }}\n\
         server.workers = 2\n{more}\n[[tenants]]\nid = \"a\"\n[[tenants]]\nid = \"b\"\n[[tenants]]\nid = \"c\"\n",
        journal.display()
    )
}

/// Asks again and again until there is something; the pause only spares the machine.
pub(crate) async fn until<T, F: Future<Output = Option<T>>>(what: &str, mut ask: impl FnMut() -> F) -> T {
    let patient = async {
        loop {
            if let Some(found) = ask().await {
                return found;
            }
            sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, patient).await.unwrap_or_else(|_| panic!("waited in vain for {what}"))
}

/// The body as JSON.
pub(crate) fn json(response: &Response) -> serde_json::Value {
    serde_json::from_slice(&response.body).unwrap_or(serde_json::Value::Null)
}
