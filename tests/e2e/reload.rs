//! What a running gateway makes of changed settings: SIGHUP, and the folder of tenants.

use std::{net::SocketAddr, path::PathBuf, sync::Arc};

use pushgate_simulator::AccountConfig;
use pushgate_subscriber::{ControlEvent, Event, EventStream, HttpClient, HttpConfig, StreamConfig, StreamItem, get};
use rcgen::CertifiedKey;
use rustls::{ClientConfig, RootCertStore, crypto::ring, pki_types::CertificateDer};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    process::{Log, Process, free_addresses, output, ready, write_config},
    stack::{Service, json, run, until},
    stream::TestStream,
};

/// A service, and a gateway in a process of its own whose files a test changes.
pub(crate) struct Bed {
    folder: TempDir,
    service: Service,
    addresses: [SocketAddr; 2],
    process: Process,
    log: Log,
}

impl Bed {
    /// Accounts `a`, `b`, `c` let everybody in; `tokened` ask for the token `new`.
    pub(crate) async fn start(tokened: &[&str], more: impl FnOnce(&TempDir) -> String) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let account = |id: &str, token: Option<&str>| AccountConfig { id: id.to_owned(), token: token.map(Into::into) };
        let service = Service::with(|config| {
            config.accounts = ["a", "b", "c"].map(|id| account(id, None)).into();
            config.accounts.extend(tokened.iter().map(|id| account(id, Some("new"))));
        });
        let addresses = free_addresses();
        let more = more(&folder);
        let config = write_config(folder.path(), &service.handle.upstream_url(), addresses, &more);
        let (process, log) = Process::serve_logging(&config, "info");
        ready(addresses[1]).await;
        let bed = Self { folder, service, addresses, process, log };
        for tenant in ["a", "b", "c"] {
            bed.reaches(tenant, "connected").await;
        }
        bed
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.file(name), text).unwrap();
    }

    /// Where subscribers reach it.
    pub(crate) fn public(&self) -> SocketAddr {
        self.addresses[0]
    }

    /// Changes a part of the configuration.
    pub(crate) fn replace(&self, old: &str, new: &str) {
        let text = std::fs::read_to_string(self.file("gateway.toml")).unwrap();
        assert!(text.contains(old), "{old:?} is missing in {text}");
        self.write("gateway.toml", &text.replacen(old, new, 1));
    }

    async fn tenant(&self, id: &str) -> Value {
        json(&get(&format!("http://{}/api/tenants/{id}", self.addresses[1])).await.unwrap())
    }

    async fn tenants(&self) -> Value {
        json(&get(&format!("http://{}/api/tenants", self.addresses[1])).await.unwrap())
    }

    async fn reaches(&self, id: &str, state: &str) {
        until(state, || async { (self.tenant(id).await["state"] == state).then_some(()) }).await;
    }

    /// How often each of these was connected to.
    async fn connects<const N: usize>(&self, ids: [&str; N]) -> [u64; N] {
        let mut all = [0; N];
        for (count, id) in all.iter_mut().zip(ids) {
            *count = self.service.control(&format!("accounts/{id}")).await["connects"].as_u64().unwrap_or(0);
        }
        all
    }

    fn subscribe(&self, path: &str) -> TestStream {
        let config = StreamConfig::new(format!("http://{}{path}", self.addresses[0]));
        TestStream::new(EventStream::connect(config).unwrap())
    }

    /// SIGHUP, and what the log says of the reload: how many were added, changed, removed, unchanged.
    pub(crate) async fn hang_up(&mut self) -> [u64; 4] {
        self.process.signal("HUP");
        self.reloaded().await
    }

    async fn reloaded(&mut self) -> [u64; 4] {
        let said = self.log.says("settings reloaded").await;
        ["added", "changed", "removed", "unchanged"].map(|key| said[key].as_u64().unwrap())
    }

    /// The next reload that changed something: a folder that was written shortly before the start is read once more.
    async fn changed(&mut self) -> [u64; 4] {
        loop {
            let numbers = self.reloaded().await;
            if numbers[..3] != [0, 0, 0] {
                return numbers;
            }
        }
    }

    pub(crate) async fn stop(mut self) {
        self.process.signal("TERM");
        assert_eq!(self.process.ended().await.code(), Some(0));
        self.service.stop().await;
    }
}

#[test]
fn a_rotated_secret_and_a_changed_tenant_dial_anew_and_nobody_else_does() {
    run(async {
        let mut bed = Bed::start(&["d"], |folder| {
            let token = folder.path().join("token");
            std::fs::write(&token, "old\n").unwrap();
            format!("[[tenants]]\nid = \"d\"\nbearer = {{ file = {token:?} }}")
        })
        .await;
        // The next attempt by itself would come in minutes.
        bed.reaches("d", "auth_failed").await;
        assert_eq!(bed.hang_up().await, [0, 0, 0, 4], "nothing changed yet");
        bed.write("token", "new\n");
        assert_eq!(bed.hang_up().await, [0, 1, 0, 3]);
        bed.reaches("d", "connected").await;
        assert_eq!(bed.connects(["a", "b", "c", "d"]).await, [1, 1, 1, 1]);
        // A tenant that is well redials too when what it dials with changed.
        bed.replace("id = \"b\"", "id = \"b\"\nquery = { version = \"2\" }");
        assert_eq!(bed.hang_up().await, [0, 1, 0, 3]);
        until("a second socket of b", || async { (bed.connects(["b"]).await == [2]).then_some(()) }).await;
        bed.reaches("b", "connected").await;
        assert_eq!(bed.connects(["a", "c", "d"]).await, [1, 1, 1]);
        bed.stop().await;
    });
}

#[test]
fn a_reload_with_a_mistake_changes_nothing() {
    run(async {
        let mut bed = Bed::start(&[], |_| String::new()).await;
        let before = bed.tenants().await;
        let mut stream = bed.subscribe("/events/a");
        stream.opened().await;
        // Tenants a and b would go, c would change; but e has a mistake.
        let text = std::fs::read_to_string(bed.file("gateway.toml")).unwrap();
        let (head, _) = text.split_once("[[tenants]]").unwrap();
        let wrong = format!(
            "{head}[[tenants]]\nid = \"c\"\nquery = {{ version = \"2\" }}\n[[tenants]]\nid = \"e\"\nenabled = \"yes\"\n"
        );
        bed.write("gateway.toml", &wrong);
        bed.process.signal("HUP");
        let mistake = bed.log.says("a mistake in the settings").await;
        assert!(mistake["mistake"].as_str().unwrap().contains("enabled"), "{mistake}");
        bed.log.says("reload refused").await;
        let mut after = bed.tenants().await;
        // The one thing that this test itself changed.
        after["tenants"][0]["subscribers"] = json!(0);
        assert_eq!(after, before);
        assert_eq!(bed.connects(["a", "b", "c"]).await, [1, 1, 1]);
        let id = bed.service.push("a", "goes on");
        assert_eq!(stream.push().await.id, id);
        bed.stop().await;
    });
}

#[test]
fn a_file_in_the_folder_is_a_tenant_for_as_long_as_it_is_there() {
    run(async {
        let mut bed = Bed::start(&[], |folder| {
            let tenants = folder.path().join("tenants.d");
            std::fs::create_dir(&tenants).unwrap();
            std::fs::write(tenants.join("first.toml"), "enabled = false").unwrap();
            format!("tenants_dir = {tenants:?}")
        })
        .await;
        // Without a signal: the folder is watched.
        bed.write("tenants.d/new.toml", "url = \"ws://127.0.0.1:1/ws\"\nenabled = false");
        assert_eq!(bed.changed().await, [1, 0, 0, 4]);
        bed.reaches("new", "paused").await;
        let mut stream = bed.subscribe("/events?tenant=new&tenant=a");
        stream.opened().await;
        std::fs::remove_file(bed.file("tenants.d/new.toml")).unwrap();
        loop {
            if let ControlEvent::TenantRemoved(_) = stream.control().await {
                break;
            }
        }
        assert_eq!(bed.changed().await, [0, 0, 1, 4]);
        assert_eq!(get(&format!("http://{}/events/new", bed.addresses[0])).await.unwrap().status, 204);
        assert_eq!(bed.connects(["a", "b", "c"]).await, [1, 1, 1]);
        bed.stop().await;
    });
}

#[test]
fn a_rotated_secret_of_a_tenant_of_the_api_is_read_again() {
    run(async {
        let mut bed = Bed::start(&["e"], |_| String::new()).await;
        bed.write("token", "old");
        let url = format!("http://{}/api/tenants/e", bed.addresses[1]);
        let settings = json!({ "bearer": { "file": bed.file("token") } });
        let put = HttpClient::new(HttpConfig::default()).put_json(&url, &settings).await.unwrap();
        assert_eq!(put.status, 201, "{}", put.text());
        bed.reaches("e", "auth_failed").await;
        bed.write("token", "new");
        bed.hang_up().await;
        bed.reaches("e", "connected").await;
        assert_eq!(bed.connects(["a", "b", "c", "e"]).await, [1, 1, 1, 1]);
        bed.stop().await;
    });
}

/// HS256 with this secret.
fn jwt(secret: &str) -> String {
    format!("[auth]\nmode = \"jwt\"\nalgorithm = \"HS256\"\nkey = {secret:?}\n")
}

/// A token of `a` by the rules of this file.
fn token(config: &std::path::Path) -> String {
    let output = output(&["token", "a", "--config", config.to_str().unwrap()]);
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Everything up to the end of one connection.
async fn rest(stream: &mut TestStream) -> Vec<Event> {
    let mut events = Vec::new();
    loop {
        match stream.next().await {
            Ok(StreamItem::Event(event)) => events.push(event),
            Ok(StreamItem::Closed { .. }) | Err(_) => return events,
            Ok(_) => {}
        }
    }
}

#[test]
fn limits_and_origins_change_under_a_stream_that_goes_on() {
    run(async {
        let mut bed = Bed::start(&[], |_| "server.limits.tenants_per_stream = 2\n".to_owned()).await;
        let mut stream = bed.subscribe("/events/a");
        stream.opened().await;
        let two = format!("http://{}/events?tenant=a&tenant=b", bed.public());
        bed.replace(
            "tenants_per_stream = 2",
            "tenants_per_stream = 1\nserver.cors_origins = [\"https://app.example\"]",
        );
        bed.process.signal("HUP");
        let said = bed.log.says("settings reloaded").await;
        assert_eq!(said["keys"], "server.cors_origins, server.limits.tenants_per_stream");
        assert_eq!(get(&two).await.unwrap().status, 400);
        let id = bed.service.push("a", "goes on");
        assert_eq!(stream.push().await.id, id);
        bed.stop().await;
    });
}

#[test]
fn a_changed_key_ends_the_streams_that_rest_on_it_and_no_others() {
    run(async {
        let (old, new) = ("a".repeat(32), "b".repeat(32));
        let mut bed = Bed::start(&[], |_| jwt(&old)).await;
        let config = bed.file("gateway.toml");
        let url = format!("http://{}/events/a", bed.public());
        let follow = |token: &str| {
            let mut stream = StreamConfig::new(&url);
            stream.bearer = Some(token.into());
            TestStream::new(EventStream::connect(stream).unwrap())
        };
        let mut stream = follow(&token(&config));
        stream.opened().await;
        // A reload that changes other things leaves it alone.
        bed.replace("mode = \"jwt\"", "mode = \"jwt\"\nticket_expiry = \"10s\"");
        bed.hang_up().await;
        let id = bed.service.push("a", "goes on");
        assert_eq!(stream.push().await.id, id);
        bed.replace(&old, &new);
        bed.hang_up().await;
        let events = rest(&mut stream).await;
        let kinds: Vec<_> = events.iter().map(|event| event.event.as_str()).collect();
        assert_eq!(kinds.last(), Some(&"auth-expired"), "{kinds:?}");
        let mut stream = follow(&token(&config));
        stream.opened().await;
        bed.stop().await;
    });
}

/// Speaks TLS with whoever shows this certificate.
fn trusting(certificate: &CertificateDer<'static>) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(certificate.clone()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    Arc::new(config)
}

#[test]
fn a_new_certificate_is_shown_to_whoever_comes_and_ends_no_stream() {
    run(async {
        let [old, new] = [(), ()].map(|()| rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap());
        let write = |folder: &TempDir, identity: &CertifiedKey<rcgen::KeyPair>| {
            std::fs::write(folder.path().join("cert.pem"), identity.cert.pem()).unwrap();
            std::fs::write(folder.path().join("key.pem"), identity.signing_key.serialize_pem()).unwrap();
        };
        let mut bed = Bed::start(&[], |folder| {
            write(folder, &old);
            let path = |name| folder.path().join(name);
            format!("server.tls = {{ cert = {:?}, key = {:?} }}", path("cert.pem"), path("key.pem"))
        })
        .await;
        let url = format!("https://{}/tenants/a/pushes", bed.public());
        let asked = async |identity: &CertifiedKey<rcgen::KeyPair>| {
            let config = HttpConfig { tls: Some(trusting(identity.cert.der())), ..HttpConfig::default() };
            HttpClient::new(config).get(&url).await.map(|answer| answer.status)
        };
        let mut config = StreamConfig::new(format!("https://{}/events/a", bed.public()));
        config.tls = Some(trusting(old.cert.der()));
        let mut stream = TestStream::new(EventStream::connect(config).unwrap());
        stream.opened().await;
        assert!(asked(&old).await == Ok(200) && asked(&new).await.is_err());
        // One file without the other is no certificate: nothing changes, and nobody is without one meanwhile.
        bed.write("cert.pem", &new.cert.pem());
        bed.process.signal("HUP");
        let mistake = bed.log.says("a mistake in the settings").await;
        assert!(mistake["mistake"].as_str().unwrap().contains("server.tls.key"), "{mistake}");
        assert!(asked(&old).await == Ok(200) && asked(&new).await.is_err());
        write(&bed.folder, &new);
        bed.hang_up().await;
        assert!(asked(&new).await == Ok(200) && asked(&old).await.is_err());
        let id = bed.service.push("a", "goes on");
        assert_eq!(stream.push().await.id, id);
        bed.stop().await;
    });
}
