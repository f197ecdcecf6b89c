//! Subscribers in other languages and on other libraries, each as its page in the docs shows it: `tests/clients`.

use std::{net::SocketAddr, os::unix::fs::symlink, path::Path, process::Command};

use pushgate_subscriber::get;
use serde_json::json;

use crate::{
    process::{Process, free_addresses, ready, write_config},
    program::{Program, node_modules, project},
    stack::{Service, json as body, run, until},
};

/// Each with its interpreter.
const CLIENTS: [(&str, &str); 5] = [
    ("eventsource.mjs", "node"),
    ("fetch-event-source.mjs", "node"),
    ("with_httpx.py", "python"),
    ("with_aiohttp.py", "python"),
    ("curl.sh", "bash"),
];

/// All clients, following `url`. Their scripts are copied, so that Node finds the libraries beside them.
fn start(folder: &Path, url: &str) -> Vec<Program> {
    symlink(node_modules(), folder.join("node_modules")).expect("the folder is writable");
    let python = project().join("target/python/bin/python");
    assert!(python.exists(), "{} is missing: `make python` installs it", python.display());
    let start = |(script, interpreter): (&str, &str)| {
        let copy = folder.join(script);
        std::fs::copy(project().join("tests/clients").join(script), &copy).expect("the script is there");
        let mut command = if interpreter == "python" { Command::new(&python) } else { Command::new(interpreter) };
        Program::start(script, command.arg(copy).arg(url))
    };
    CLIENTS.into_iter().map(start).collect()
}

/// How many streams the gateway has of tenant `a`.
pub(crate) async fn streams(admin: SocketAddr) -> Option<u64> {
    let tenant = body(&get(&format!("http://{admin}/api/tenants/a")).await.ok()?);
    tenant["subscribers"].as_u64()
}

/// What tenant `a` has in the journal: `cursor push-id`, oldest first.
async fn stored(public: SocketAddr) -> Vec<String> {
    let history = body(&get(&format!("http://{public}/tenants/a/pushes?limit=1000")).await.expect("it answers"));
    let line = |push: &serde_json::Value| Some(format!("{} {}", push["cursor"].as_str()?, push["id"].as_str()?));
    history["pushes"].as_array().expect("a list").iter().map(|push| line(push).expect("both texts")).collect()
}

/// Waits until each client has printed so many pushes.
async fn have_printed(clients: &[Program], count: usize) {
    until("the pushes at every client", || async {
        clients.iter().all(|client| client.printed().len() >= count).then_some(())
    })
    .await;
}

#[test]
fn every_client_gets_each_push_once_and_in_order_across_a_kill() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let service = Service::start();
        let addresses @ [public, admin] = free_addresses();
        let config = write_config(folder.path(), &service.handle.upstream_url(), addresses, "");
        let mut gateway = Process::serve(&config);
        ready(admin).await;
        let clients = start(folder.path(), &format!("http://{public}/events/a"));
        until("all streams", || async { (streams(admin).await? == clients.len() as u64).then_some(()) }).await;

        // Killed while the pushes come: some were printed, some are on their way, some were not sent yet.
        let flood = json!({ "title": "t", "body": "b", "count": 600, "per_second": 300 });
        let sent = service.command("accounts/a/pushes", &flood).await["ids"].as_array().unwrap().len();
        have_printed(&clients, 100).await;
        gateway.kill();
        assert!(clients.iter().all(|client| client.printed().len() < sent), "it was killed too late");
        gateway = Process::serve(&config);
        ready(admin).await;
        let last = service.push("a", "after the kill");
        service.answered(&last, "ack").await;
        until("all pushes", || async { (stored(public).await.len() > sent).then_some(()) }).await;

        let stored = stored(public).await;
        have_printed(&clients, stored.len()).await;
        for mut client in clients {
            assert_eq!(client.printed(), stored, "{}", client.name());
            let again = client.complained().into_iter().find(|line| line.starts_with("again"));
            assert_eq!(again, None, "{}", client.name());
            assert!(client.ended().is_none(), "{} goes on", client.name());
        }
        drop(gateway);
        service.stop().await;
    });
}
