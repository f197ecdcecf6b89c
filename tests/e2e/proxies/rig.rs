use std::{
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
};

use pushgate_subscriber::get;
use rcgen::CertifiedKey;
use serde_json::Value;
use tempfile::TempDir;

use super::recipe::{Place, Proxy, Route};
use crate::{
    process::{Process, free_addresses, ready, write_config},
    program::Program,
    stack::{Service, json, until},
};

/// The name in the recipes.
pub(super) const HOST: &str = "push.example.com";

/// Comments fast enough for proxies that give up after three seconds, which are believed whom they speak for.
const SETTINGS: &str = "server.heartbeat = \"1500ms\"\nserver.trusted_proxies = [\"127.0.0.1\"]\n";

/// A service, a gateway in a process of its own, and a proxy in front of it.
pub(super) struct Rig {
    proxy: Proxy,
    route: Route,
    running: Program,
    gateway: Process,
    service: Service,
    config: PathBuf,
    addresses: [SocketAddr; 2],
    port: u16,
    folder: TempDir,
}

impl Rig {
    pub(super) async fn start(proxy: Proxy, route: Route) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        write_certificate(folder.path());
        let service = Service::start();
        let settings = format!("{SETTINGS}server.base_path = {:?}\n", route.base_path());
        let addresses @ [public, admin] = free_addresses();
        let config = write_config(folder.path(), &service.handle.upstream_url(), addresses, &settings);
        let gateway = Process::serve(&config);
        ready(admin).await;
        let port = free_addresses()[0].port();
        let place = Place { folder: folder.path(), route, port, gateway: public.port(), admin: admin.port() };
        let running = proxy.start(&place);
        let rig = Self { proxy, route, running, gateway, service, config, addresses, port, folder };
        until("a proxy that listens", || async { TcpStream::connect(("127.0.0.1", port)).ok().map(drop) }).await;
        rig
    }

    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A path of the gateway, as subscribers ask for it.
    pub(super) fn path(&self, path: &str) -> String {
        format!("{}{path}", self.route.base_path())
    }

    pub(super) fn proxy(&self) -> Proxy {
        self.proxy
    }

    /// Where the proxy listens.
    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// What a subscriber has to trust.
    pub(super) fn certificate(&self) -> PathBuf {
        self.folder().join("cert.pem")
    }

    /// The gateway's admin listener.
    pub(super) fn admin_address(&self) -> SocketAddr {
        self.addresses[1]
    }

    /// Asks the admin listener.
    pub(super) async fn admin(&self, path: &str) -> Value {
        json(&get(&format!("http://{}{path}", self.addresses[1])).await.expect("it answers"))
    }

    /// Pushes, and waits until it is stored.
    pub(super) async fn push(&self, title: &str) {
        let id = self.push_unseen(title);
        self.service.answered(&id, "ack").await;
    }

    /// Pushes; the push id.
    pub(super) fn push_unseen(&self, title: &str) -> String {
        self.service.push("a", title)
    }

    /// What is stored: cursor and push id.
    pub(super) async fn history(&self) -> Vec<(String, String)> {
        let url = format!("http://{}{}", self.addresses[0], self.path("/tenants/a/pushes?limit=1000"));
        let history = json(&get(&url).await.expect("it answers"));
        let text = |push: &Value, key: &str| push[key].as_str().expect("a text").to_owned();
        let pushes = history["pushes"].as_array().expect("a list");
        pushes.iter().map(|push| (text(push, "cursor"), text(push, "id"))).collect()
    }

    pub(super) async fn reload_proxy(&self) {
        self.proxy.reload(&self.running, self.folder()).await;
    }

    pub(super) fn proxy_log(&self) -> String {
        self.proxy.log(&self.running, self.folder())
    }

    pub(super) fn kill_gateway(&mut self) {
        self.gateway.kill();
    }

    pub(super) async fn restart_gateway(&mut self) {
        self.gateway = Process::serve(&self.config);
        ready(self.addresses[1]).await;
    }

    /// Ends the proxy first.
    pub(super) async fn stop(self) {
        drop(self.running);
        drop(self.gateway);
        self.service.stop().await;
    }
}

/// The certificate, its key, and both in one file.
fn write_certificate(folder: &Path) {
    let CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed([HOST.to_owned()]).expect("the name is valid");
    let (cert, key) = (cert.pem(), signing_key.serialize_pem());
    for (name, text) in [("cert.pem", cert.clone()), ("key.pem", key.clone()), ("both.pem", cert + &key)] {
        std::fs::write(folder.join(name), text).expect("the folder is writable");
    }
}
