//! Subscribers in other languages and on other libraries, each as its page in the docs shows it: `tests/clients`.

use std::{
    io::{BufRead, BufReader, Write},
    net::{SocketAddr, TcpListener},
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
    thread::{self, JoinHandle},
};

use pushgate_subscriber::get;
use serde_json::json;
use tempfile::TempDir;

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

/// A folder for the clients: copies of their scripts, so that Node finds the libraries beside them.
fn prepare() -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    symlink(node_modules(), folder.path().join("node_modules")).expect("the folder is writable");
    for (script, _) in CLIENTS {
        let source = project().join("tests/clients").join(script);
        std::fs::copy(source, folder.path().join(script)).expect("the script is there");
    }
    folder
}

/// A client that follows `url`.
fn start((script, interpreter): (&str, &str), folder: &Path, url: &str) -> Program {
    let mut command = match interpreter {
        "python" => Command::new(python()),
        other => Command::new(other),
    };
    Program::start(script, folder, command.arg(folder.join(script)).arg(url))
}

fn python() -> PathBuf {
    let python = project().join("target/python/bin/python");
    assert!(python.exists(), "{} is missing: `make python` installs it", python.display());
    python
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
        let folder = prepare();
        let service = Service::start();
        let addresses @ [public, admin] = free_addresses();
        let config = write_config(folder.path(), &service.handle.upstream_url(), addresses, "");
        let mut gateway = Process::serve(&config);
        ready(admin).await;
        let url = format!("http://{public}/events/a");
        let clients = CLIENTS.map(|client| start(client, folder.path(), &url));
        until("all streams", || async { (streams(admin).await? == clients.len() as u64).then_some(()) }).await;

        // Killed while the pushes come: some were printed, some are on their way, some were not sent yet.
        let flood = json!({ "title": "t", "body": "b", "count": 900, "per_second": 300 });
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

/// What a gateway sends, one connection after the other: pushes of which the last is cut in two, in its data and then before it;
/// the end of an overloaded stream; and that the tenant was removed. The first break is one by HTTP's own rules, as it is through
/// some proxies; of the second one HTTP knows nothing, as where the gateway itself ends the connection.
const SCRIPT: [&str; 4] = [
    "id: e-1\nevent: open\ndata: {}\n\nid: e-2\ndata: {\"id\":\"one\"}\n\n:\n\nid: e-3\ndata: {\"id\":\"tw",
    "id: e-3\ndata: {\"id\":\"two\",\"title\":\"\\\"id\\\":\\\"no\\\"\"}\n\nid: e-4\n",
    "",
    "204",
];

/// A server that follows the script, and tells which cursor it was asked for.
fn scripted() -> (SocketAddr, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("bound");
    let server = thread::spawn(move || SCRIPT.map(|body| answer(&listener, body)).to_vec());
    (address, server)
}

fn answer(listener: &TcpListener, body: &str) -> String {
    let (mut stream, _) = listener.accept().expect("a client comes");
    let mut cursor = String::new();
    for line in BufReader::new(&stream).lines() {
        let line = line.expect("the client goes on").to_lowercase();
        if let Some(value) = line.strip_prefix("last-event-id: ") {
            value.clone_into(&mut cursor);
        }
        if line.is_empty() {
            break;
        }
    }
    let response = if body == "204" {
        "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n".to_owned()
    } else {
        let text = format!(":ok\nretry: 50\n\n{body}");
        let length = match body {
            // A length that is not reached is a break.
            _ if body.contains("open") => format!("Content-Length: {}\r\n", text.len() + 1),
            "" => format!("Content-Length: {}\r\n", text.len()),
            _ => String::new(),
        };
        format!("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n{length}Connection: close\r\n\r\n{text}")
    };
    stream.write_all(response.as_bytes()).expect("the client reads");
    cursor
}

#[test]
fn every_client_asks_again_for_a_push_that_was_cut_in_two() {
    run(async {
        let folder = prepare();
        let runs = CLIENTS.map(|client| {
            let (address, server) = scripted();
            (start(client, folder.path(), &format!("http://{address}/events/a")), server)
        });
        for (mut client, server) in runs {
            let status = until("an end", || {
                let ended = client.ended();
                async move { ended }
            })
            .await;
            assert_eq!(status.code(), Some(1), "{}: a tenant that was removed is the end", client.name());
            assert_eq!(client.printed(), ["e-2 one", "e-3 two"], "{}", client.name());
            assert_eq!(server.join().unwrap(), ["", "e-2", "e-3", "e-3"], "{}", client.name());
        }
    });
}
