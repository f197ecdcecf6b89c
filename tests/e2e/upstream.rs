//! What the service and the network between ask of a gateway: patience, certificates, a proxy.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime},
};

use pushgate_model::{ConnectionState, Timestamp};
use pushgate_subscriber::post_json;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::{RootCertStore, ServerConfig, crypto::ring, pki_types::PrivateKeyDer, server::WebPkiClientVerifier};
use serde_json::json;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::TlsAcceptor;

use crate::stack::{Service, Stack, TestGateway, json, run, until};

#[test]
fn a_service_that_asks_for_patience_gets_it_and_operators_see_until_when() {
    run(async {
        const ASKED: Duration = Duration::from_secs(30);
        let stack = Stack::start().await;
        let begun = Timestamp::from(SystemTime::now());
        let refuse = json!({ "refuse": { "status": 429, "retry_after": ASKED.as_secs() } });
        stack.service.faults("a", &refuse).await;
        stack.service.command("accounts/a/cut", &json!({})).await;
        stack.gateway.reaches("a", ConnectionState::RateLimited).await;
        let page = json(&stack.gateway.admin("/api/tenants?state=rate_limited").await);
        let [tenant] = &page["tenants"].as_array().expect("a page")[..] else { panic!("one tenant: {page}") };
        assert_eq!((&tenant["id"], &tenant["reason"]), (&json!("a"), &json!("http_429")));
        let shown = tenant["next_retry_at"].as_str().expect("a time");
        let shown = Timestamp::from(humantime::parse_rfc3339(shown).expect("RFC 3339"));
        assert!(shown >= begun.plus(ASKED), "{shown} is less than 30 s after {begun}");
        assert!(shown <= Timestamp::from(SystemTime::now()).plus(ASKED * 2), "{shown} is far more than was asked for");
        // Nobody else is rate limited, and whoever knows better need not wait.
        stack.service.faults("a", &json!({})).await;
        stack.gateway.reaches("b", ConnectionState::Connected).await;
        let url = format!("http://{}/api/tenants/a/reconnect", stack.gateway.admin);
        assert_eq!(post_json(&url, &json!({})).await.expect("the gateway answers").status, 202);
        stack.gateway.reaches("a", ConnectionState::Connected).await;
        let id = stack.service.push("a", "x");
        stack.service.answered(&id, "ack").await;
        stack.stop().await;
    });
}

/// A certificate authority, and a key with a certificate of it.
struct Authority(CertifiedIssuer<'static, KeyPair>);

struct Issued {
    certificate: rcgen::Certificate,
    key: KeyPair,
}

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn issue(&self, name: &str) -> Issued {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, &*self.0).unwrap();
        Issued { certificate, key }
    }

    /// TLS for a server with a certificate of this authority, which lets in who has one of `clients`.
    fn acceptor(&self, name: &str, clients: &Self) -> TlsAcceptor {
        let provider = Arc::new(ring::default_provider());
        let mut roots = RootCertStore::empty();
        roots.add(clients.0.der().clone()).unwrap();
        let verifier =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).build().unwrap();
        let Issued { certificate, key } = self.issue(name);
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(verifier)
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        TlsAcceptor::from(Arc::new(config))
    }
}

/// Takes TLS off, and passes all that comes on to `service`. The port that it listens on.
async fn terminate(acceptor: TlsAcceptor, service: SocketAddr) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    actix_rt::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            actix_rt::spawn(async move {
                // Whoever has no certificate is not let in.
                if let Ok(stream) = acceptor.accept(stream).await {
                    pass(stream, service).await;
                }
            });
        }
    });
    port
}

async fn pass(mut stream: impl AsyncRead + AsyncWrite + Unpin, to: SocketAddr) {
    let mut service = TcpStream::connect(to).await.expect("the service listens");
    // Either side may go at any time.
    let _ = copy_bidirectional(&mut stream, &mut service).await;
}

/// A proxy that takes CONNECT from `user:word` alone, for `wanted` alone, which is at `at`. Where it listens, and how many
/// tunnels it made.
async fn proxy(wanted: String, at: SocketAddr) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (addr, tunnels) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
    let count = Arc::clone(&tunnels);
    actix_rt::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let (wanted, count) = (wanted.clone(), Arc::clone(&count));
            actix_rt::spawn(async move {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    head.push(stream.read_u8().await.expect("a whole head"));
                }
                let head = String::from_utf8(head).expect("a head in text");
                let is_wanted = head.starts_with(&format!("CONNECT {wanted} HTTP/1.1\r\n"));
                // RFC 7617: user and password of this test, in base64.
                let is_known = head.contains("Proxy-Authorization: Basic dXNlcjp3b3Jk\r\n");
                if !is_wanted || !is_known {
                    let status = if is_known { "403 Forbidden" } else { "407 Proxy Authentication Required" };
                    let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n");
                    stream.write_all(answer.as_bytes()).await.expect("the client reads");
                    return;
                }
                count.fetch_add(1, Ordering::Relaxed);
                stream.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await.expect("the client reads");
                pass(stream, at).await;
            });
        }
    });
    (addr, tunnels)
}

#[test]
fn certificates_roots_and_proxies_of_the_settings_reach_the_dial() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: String| {
            let file = folder.path().join(name);
            std::fs::write(&file, text).unwrap();
            file
        };
        let (authority, clients) = (Authority::new("services"), Authority::new("clients"));
        let service = Service::start();
        let port = terminate(authority.acceptor("push.internal", &clients), service.handle.addr()).await;
        // The name exists for the proxy alone.
        let (proxy, tunnels) = proxy("push.internal:443".to_owned(), SocketAddr::from(([127, 0, 0, 1], port))).await;
        let identity = clients.issue("acme.example");
        let ca_file = write("ca.pem", authority.0.pem());
        let certificate = write("cert.pem", identity.certificate.pem());
        let key = write("key.pem", identity.key.serialize_pem());
        let tenant = |id: &str, word: &str, identity: &str| {
            format!(
                "[[tenants]]\nid = \"{id}\"\nurl = \"wss://push.internal/ws/{{tenant}}\"\n\
                 proxy = \"http://user:{word}@{proxy}\"\n{identity}\n"
            )
        };
        let with_identity = format!("client_cert = {{ file = {certificate:?} }}\nclient_key = {{ file = {key:?} }}");
        let more = [
            format!("upstream.ca_file = {ca_file:?}\n"),
            tenant("d", "word", &with_identity),
            tenant("nameless", "word", ""),
            tenant("stranger", "wrong", &with_identity),
        ];
        let gateway = TestGateway::start(folder.path(), &service.handle.upstream_url(), &more.concat()).await;
        gateway.reaches("d", ConnectionState::Connected).await;
        let mut stream = gateway.subscribe("/events/d");
        stream.opened().await;
        let id = service.push("d", "through a proxy, under a certificate");
        assert_eq!(stream.push().await.id, id);
        service.answered(&id, "ack").await;
        assert!(tunnels.load(Ordering::Relaxed) >= 1);
        // Who shows no certificate, or the proxy does not know, gets nowhere, and is told why.
        for (id, reason) in [("nameless", "certificate"), ("stranger", "proxy_407")] {
            let shown = until(reason, || async {
                let shown = json(&gateway.admin(&format!("/api/tenants/{id}")).await);
                shown["reason"].as_str().map(ToOwned::to_owned)
            })
            .await;
            assert_eq!(shown, reason, "{id}");
        }
        // Nobody else is troubled: those without either dial as ever.
        gateway.reaches("a", ConnectionState::Connected).await;
        gateway.stop().await;
        service.stop().await;
    });
}
