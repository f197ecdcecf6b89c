use std::{
    net::SocketAddr,
    path::PathBuf,
    time::{Duration, SystemTime},
};

use pushgate_http::{Claims, Scope, SigningKey, mint};
use pushgate_model::Timestamp;
use pushgate_subscriber::{HttpClient, HttpConfig, get};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    process::{Process, free_addresses, ready, write_config},
    stack::{Service, until},
};

const SECRET: &str = "a secret of the tests, long enough";

/// Settings by which tokens are asked for.
pub(super) fn jwt() -> String {
    format!("auth.mode = \"jwt\"\nauth.algorithm = \"HS256\"\nauth.key = {SECRET:?}\n")
}

/// A token for one tenant.
pub(super) fn token(tenant: &str) -> String {
    let now = Timestamp::from(SystemTime::now());
    let claims = Claims {
        tenants: Scope::Some(vec![tenant.parse().unwrap()]),
        presence: false,
        issuer: None,
        audience: None,
        subject: None,
        issued_at: now,
        expires_at: now.plus(Duration::from_secs(3600)),
        key_id: None,
    };
    mint(&SigningKey::new("HS256", SECRET).unwrap(), &claims)
}

/// A gateway in a process of its own, and its service.
pub(super) struct Killable {
    _folder: TempDir,
    pub(super) service: Service,
    process: Process,
    config: PathBuf,
    pub(super) public: SocketAddr,
    admin: SocketAddr,
}

impl Killable {
    /// With settings that may know where it listens.
    pub(super) async fn start(more: impl FnOnce(SocketAddr) -> String) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let service = Service::start();
        let addresses = free_addresses();
        let [public, admin] = addresses;
        let config = write_config(folder.path(), &service.handle.upstream_url(), addresses, &more(public));
        let process = Process::serve(&config);
        ready(admin).await;
        Self { _folder: folder, service, process, config, public, admin }
    }

    /// kill -9, amid pushes, and a new beginning; the ids of the pushes.
    pub(super) async fn kill_amid_pushes(&mut self) -> Vec<String> {
        let body = json!({"title": "t", "body": "b", "count": 300, "per_second": 1000});
        let sent = self.service.command("accounts/a/pushes", &body).await;
        self.process.kill();
        self.process = Process::serve(&self.config);
        ready(self.admin).await;
        serde_json::from_value(sent["ids"].clone()).unwrap()
    }

    /// The ids of all that is kept, in order.
    pub(super) async fn kept(&self, count: usize) -> Vec<String> {
        let url = format!("http://{}/tenants/a/pushes?limit=1000", self.public);
        let client = HttpClient::new(HttpConfig { bearer: Some(token("a").into()), ..HttpConfig::default() });
        until("all pushes", || async {
            let page: Value = client.get(&url).await.ok()?.json().ok()?;
            let ids: Vec<_> =
                page["pushes"].as_array()?.iter().map(|push| push["id"].as_str().unwrap().to_owned()).collect();
            (ids.len() >= count).then_some(ids)
        })
        .await
    }

    /// Streams that carry this tenant.
    pub(super) async fn subscribers(&self, tenant: &str) -> u64 {
        let answer = get(&format!("http://{}/api/tenants/{tenant}", self.admin)).await.expect("the gateway answers");
        answer.json::<Value>().unwrap()["subscribers"].as_u64().expect("a number")
    }
}
