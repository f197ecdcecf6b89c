//! A gateway that is killed, and comes back.

use std::net::SocketAddr;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    browser::driver::browse,
    process::{Process, free_addresses, ready, write_config},
    stack::{Service, until},
};

/// A gateway in a process of its own, and its service.
struct Killable {
    _folder: TempDir,
    service: Service,
    process: Process,
    config: std::path::PathBuf,
    public: SocketAddr,
    admin: SocketAddr,
}

impl Killable {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let service = Service::start();
        let addresses = free_addresses();
        let [public, admin] = addresses;
        let config = write_config(folder.path(), &service.handle.upstream_url(), addresses, "");
        let process = Process::serve(&config);
        ready(admin).await;
        Self { _folder: folder, service, process, config, public, admin }
    }

    /// kill -9, amid pushes, and a new beginning; the ids of the pushes.
    async fn kill_amid_pushes(&mut self) -> Vec<String> {
        let body = json!({"title": "t", "body": "b", "count": 300, "per_second": 1000});
        let sent = self.service.command("accounts/a/pushes", &body).await;
        self.process.kill();
        self.process = Process::serve(&self.config);
        ready(self.admin).await;
        serde_json::from_value(sent["ids"].clone()).unwrap()
    }

    /// The ids of all that is kept, in order.
    async fn kept(&self, count: usize) -> Vec<String> {
        let url = format!("http://{}/tenants/a/pushes?limit=1000", self.public);
        until("all pushes", || async {
            let page: Value = pushgate_subscriber::get(&url).await.ok()?.json().ok()?;
            let ids: Vec<_> =
                page["pushes"].as_array()?.iter().map(|push| push["id"].as_str().unwrap().to_owned()).collect();
            (ids.len() >= count).then_some(ids)
        })
        .await
    }
}

#[test]
fn a_killed_gateway_costs_no_tab_a_push() {
    browse(async |browser| {
        let mut gateway = Killable::start().await;
        let first = browser.first(gateway.public).await;
        first.follow(json!({"ticket": "ticket-"})).await;
        let second = browser.tab(gateway.public).await;
        second.follow(json!({"ticket": "ticket-"})).await;
        let mut sent = gateway.kill_amid_pushes().await;
        sent.sort();
        let kept = gateway.kept(300).await;
        for page in [&first, &second] {
            assert_eq!(page.pushes(300).await, kept, "each once, in order");
        }
        let mut sorted = kept.clone();
        sorted.sort();
        assert_eq!(sorted, sent, "all of them");
        // A ticket is for one connect; any of the tabs may have been asked for the next.
        let mut asked = 0;
        for page in [&first, &second] {
            asked += page.run("return stream.asked.length", Value::Null).await.as_u64().unwrap();
        }
        assert!(asked >= 2, "{asked}");
        gateway.service.stop().await;
    });
}

#[test]
fn a_plain_event_source_resumes_after_a_kill() {
    browse(async |browser| {
        let mut gateway = Killable::start().await;
        let page = browser.first(gateway.public).await;
        let script = "
            const source = new EventSource('/events/a');
            const heard = [];
            source.onmessage = ({ data }) => heard.push(['push', JSON.parse(data)]);
            window.stream = { heard };
            return new Promise((resolve) => source.addEventListener('open', ({ data }) => data && resolve()));";
        page.run(script, Value::Null).await;
        gateway.kill_amid_pushes().await;
        let kept = gateway.kept(300).await;
        assert_eq!(page.pushes(300).await, kept, "each once, in order");
        gateway.service.stop().await;
    });
}
