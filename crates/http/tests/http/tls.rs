use std::{
    fs,
    io::{ErrorKind, Read as _},
    net::{SocketAddr, TcpStream},
    path::Path,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use actix_web::{
    rt::{System, spawn, time::timeout},
    web::Bytes,
};
use h2::{RecvStream, client::SendRequest};
use http::{HeaderMap, HeaderValue};
use pushgate_http::{HttpError, TlsConfig, bind};
use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ED25519, date_time_ymd};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName},
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream as AsyncStream,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::{
    client::get,
    gateway::{Gateway, config, deps},
};

pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// A folder with a certificate for `localhost` and its key.
pub(crate) struct Pki {
    folder: TempDir,
    pub(crate) config: TlsConfig,
}

impl Pki {
    pub(crate) fn new() -> (Self, CertificateDer<'static>) {
        let folder = TempDir::new().unwrap();
        let config = TlsConfig { cert: folder.path().join("cert.pem"), key: folder.path().join("key.pem") };
        let pki = Self { folder, config };
        let certificate = pki.renew(&KeyPair::generate().unwrap(), 2099);
        (pki, certificate)
    }

    /// Puts another certificate in its place.
    fn renew(&self, key: &KeyPair, until: i32) -> CertificateDer<'static> {
        let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(until, 1, 1);
        let certificate = params.self_signed(key).unwrap();
        fs::write(&self.config.cert, certificate.pem()).unwrap();
        fs::write(&self.config.key, key.serialize_pem()).unwrap();
        certificate.der().clone()
    }

    fn write(&self, name: &str, text: &str) -> std::path::PathBuf {
        let path = self.folder.path().join(name);
        fs::write(&path, text).unwrap();
        path
    }
}

pub(crate) fn secure() -> (Gateway, Pki, CertificateDer<'static>) {
    let (pki, certificate) = Pki::new();
    let gateway = Gateway::start_with(|config| config.public.tls = Some(pki.config.clone()));
    (gateway, pki, certificate)
}

/// Trusts this certificate alone and speaks this protocol alone.
pub(crate) async fn connect(
    addr: SocketAddr,
    trusted: &CertificateDer<'static>,
    alpn: &[u8],
) -> std::io::Result<TlsStream<AsyncStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let mut config = config.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![alpn.to_vec()];
    let socket = AsyncStream::connect(addr).await?;
    TlsConnector::from(Arc::new(config)).connect(ServerName::try_from("localhost").unwrap(), socket).await
}

pub(crate) async fn connect_h2(addr: SocketAddr, trusted: &CertificateDer<'static>) -> SendRequest<Bytes> {
    let socket = connect(addr, trusted, b"h2").await.unwrap();
    assert_eq!(socket.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let (requests, connection) = h2::client::handshake(socket).await.unwrap();
    drop(spawn(connection));
    requests
}

/// One stream of events on an HTTP/2 connection, read until it holds `needle`.
pub(crate) struct Events {
    pub(crate) body: RecvStream,
    text: String,
}

impl Events {
    pub(crate) async fn open(requests: &mut SendRequest<Bytes>, path: &str) -> (Self, http::response::Parts) {
        let request = http::Request::builder().uri(format!("https://localhost{path}")).body(()).unwrap();
        let mut ready = requests.clone().ready().await.unwrap();
        let (response, _) = ready.send_request(request, true).unwrap();
        let (head, body) = timeout(DEADLINE, response).await.unwrap().unwrap().into_parts();
        (Self { body, text: String::new() }, head)
    }

    pub(crate) async fn until(&mut self, needle: &str) {
        while !self.text.contains(needle) {
            let chunk = timeout(DEADLINE, self.body.data()).await.expect("nothing comes").expect("it ended").unwrap();
            self.body.flow_control().release_capacity(chunk.len()).unwrap();
            self.text.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }
}

pub(crate) fn run(test: impl Future<Output = ()>) {
    System::new().block_on(test);
}

#[test]
fn http_1_1_works_over_tls() {
    let (gateway, _pki, certificate) = secure();
    run(async {
        let mut socket = connect(gateway.public, &certificate, b"http/1.1").await.unwrap();
        socket.write_all(b"GET /tenants/acme/pushes HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await.unwrap();
        let mut answer = String::new();
        timeout(DEADLINE, socket.read_to_string(&mut answer)).await.unwrap().unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\"next\":null}"), "{answer}");

        let mut stream = connect(gateway.public, &certificate, b"http/1.1").await.unwrap();
        stream.write_all(b"GET /events/acme HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
        let mut begin = String::new();
        while !begin.contains("event: open") {
            let mut bytes = [0; 4096];
            let read = timeout(DEADLINE, stream.read(&mut bytes)).await.unwrap().unwrap();
            assert!(read > 0, "ended: {begin}");
            begin.push_str(std::str::from_utf8(&bytes[..read]).unwrap());
        }
        assert!(begin.contains("\r\ntransfer-encoding: chunked\r\n"), "{begin}");
    });
    let metrics = get(gateway.admin, "/metrics", &[]).body;
    assert!(metrics.contains("\npushgate_http_certificate_expiry_time_seconds 4070908800\n"), "{metrics}");
}

#[test]
fn http_2_carries_a_hundred_streams_on_one_connection() {
    let (gateway, _pki, certificate) = secure();
    run(async {
        let mut requests = connect_h2(gateway.public, &certificate).await;
        let mut streams = Vec::new();
        for _ in 0..100 {
            let (mut stream, head) = Events::open(&mut requests, "/events/acme").await;
            assert_eq!((head.status.as_u16(), head.headers.get("connection")), (200, None));
            assert_eq!(head.headers["content-type"], "text/event-stream");
            stream.until("event: open").await;
            streams.push(stream);
        }
        gateway.commit("acme", "for-all", None);
        for stream in &mut streams {
            stream.until("for-all").await;
        }
        drop(streams.split_off(1));
        let (_, head) = Events::open(&mut requests, "/events/nobody").await;
        assert_eq!(
            (head.status.as_u16(), &head.headers["content-type"]),
            (404, &"application/problem+json".parse().unwrap())
        );
    });
}

#[test]
fn a_stream_that_was_given_up_frees_its_place_and_its_connection_goes_on() {
    let (pki, certificate) = Pki::new();
    let gateway = Gateway::start_with(|config| {
        config.public.tls = Some(pki.config.clone());
        config.policy.limits.streams = 2;
    });
    run(async {
        let mut requests = connect_h2(gateway.public, &certificate).await;
        let (mut first, _) = Events::open(&mut requests, "/events/acme").await;
        first.until("event: open").await;
        let (mut second, _) = Events::open(&mut requests, "/events/acme").await;
        second.until("event: open").await;
        let (_, head) = Events::open(&mut requests, "/events/acme").await;
        assert_eq!(head.status.as_u16(), 429);
        drop(first);
        // Long before the next heartbeat would find out.
        let begun = Instant::now();
        let open_again = async { while Events::open(&mut requests, "/events/globex").await.1.status != 200 {} };
        timeout(DEADLINE, open_again).await.expect("a place became free");
        assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
        gateway.wait_for_subscribers("acme", 1);
        gateway.commit("acme", "p-1", None);
        second.until("p-1").await;
    });
}

#[test]
fn limits_of_heads_hold_for_http_2_too() {
    let (gateway, _pki, certificate) = secure();
    run(async {
        let mut requests = connect_h2(gateway.public, &certificate).await;
        let (_, head) = Events::open(&mut requests, &format!("/events/acme?{}", "x".repeat(9_000))).await;
        assert_eq!(head.status.as_u16(), 414);
        let large = "x".repeat(20_000);
        let request = http::Request::builder().uri("https://localhost/events/acme").header("x-large", large);
        let mut ready = requests.clone().ready().await.unwrap();
        let (response, _) = ready.send_request(request.body(()).unwrap(), true).unwrap();
        assert_eq!(timeout(DEADLINE, response).await.unwrap().unwrap().status().as_u16(), 431);
    });
}

/// An answer to the end.
pub(crate) async fn ask(
    requests: &SendRequest<Bytes>,
    request: http::Request<()>,
    body: &'static [u8],
) -> (u16, HeaderMap, String) {
    let mut ready = requests.clone().ready().await.unwrap();
    let (response, mut sender) = ready.send_request(request, body.is_empty()).unwrap();
    if !body.is_empty() {
        sender.send_data(body.into(), true).unwrap();
    }
    let (head, mut rest) = timeout(DEADLINE, response).await.unwrap().unwrap().into_parts();
    let mut text = Vec::new();
    while let Some(chunk) = timeout(DEADLINE, rest.data()).await.unwrap() {
        let chunk = chunk.unwrap();
        rest.flow_control().release_capacity(chunk.len()).unwrap();
        text.extend_from_slice(&chunk);
    }
    (head.status.as_u16(), head.headers, String::from_utf8(text).unwrap())
}

pub(crate) fn request(method: &str, path: &str) -> http::request::Builder {
    http::Request::builder().method(method).uri(format!("https://localhost{path}"))
}

#[test]
fn bodies_go_both_ways_over_http_2() {
    let (gateway, _pki, certificate) = secure();
    // More than the windows of both sides, so that it comes in many pieces.
    for n in 0..3 {
        gateway.commit_text("acme", &format!("p-{n}"), None, &"x".repeat(200_000));
    }
    run(async {
        let requests = connect_h2(gateway.public, &certificate).await;
        let history = request("GET", "/tenants/acme/pushes").body(()).unwrap();
        let (status, headers, text) = ask(&requests, history, b"").await;
        assert_eq!((status, headers["content-length"].to_str().unwrap()), (200, text.len().to_string().as_str()));
        assert!(text.len() > 600_000 && headers.contains_key("date"), "{headers:?}");

        let known = request("GET", "/tenants/acme/pushes").header("if-none-match", &headers["etag"]).body(()).unwrap();
        let (status, same, nothing) = ask(&requests, known, b"").await;
        assert_eq!((status, same.get("content-length"), nothing.as_str()), (304, None, ""));

        let head = request("HEAD", "/tenants/acme/pushes").body(()).unwrap();
        let (status, same, nothing) = ask(&requests, head, b"").await;
        assert_eq!((status, &same["content-length"], nothing.as_str()), (200, &headers["content-length"], ""));

        let word = || request("POST", "/tenants/acme/pushes/p-1/ack").body(()).unwrap();
        let (status, _, text) = ask(&requests, word(), b"{\"status\":\"perhaps\"}").await;
        assert_eq!(status, 422, "{text}");
        let (status, headers, text) = ask(&requests, word(), &[b' '; 2000]).await;
        assert_eq!(
            (status, &headers["content-type"]),
            (413, &HeaderValue::from_static("application/problem+json")),
            "{text}"
        );
        let options = request("OPTIONS", "/events/acme").body(()).unwrap();
        let (status, headers, text) = ask(&requests, options, b"").await;
        assert_eq!((status, headers.get("content-length"), text.as_str()), (204, None, ""));
    });
}

#[test]
fn a_head_that_is_out_of_all_proportion_ends_nothing_else() {
    let (gateway, _pki, certificate) = secure();
    run(async {
        let mut requests = connect_h2(gateway.public, &certificate).await;
        let (mut stream, _) = Events::open(&mut requests, "/events/acme").await;
        stream.until("event: open").await;
        let many = (0..20_000).fold(request("GET", "/events/acme"), |head, n| head.header(format!("x-{n}"), "y"));
        let mut ready = requests.clone().ready().await.unwrap();
        let (response, _) = ready.send_request(many.body(()).unwrap(), true).unwrap();
        // Refused as too large, or, with even more of it, as an attack on the whole connection.
        if let Ok(response) = timeout(DEADLINE, response).await.unwrap() {
            assert_eq!(response.status().as_u16(), 431);
            gateway.commit("acme", "p-1", None);
            stream.until("p-1").await;
        }
        let mut again = connect_h2(gateway.public, &certificate).await;
        let (mut other, _) = Events::open(&mut again, "/events/acme").await;
        other.until("event: open").await;
    });
}

#[test]
fn a_connection_that_breaks_takes_its_streams_along() {
    let (gateway, _pki, certificate) = secure();
    run(async {
        let socket = connect(gateway.public, &certificate, b"h2").await.unwrap();
        let (mut requests, connection) = h2::client::handshake(socket).await.unwrap();
        let connection = spawn(connection);
        let (mut stream, _) = Events::open(&mut requests, "/events/acme").await;
        stream.until("event: open").await;
        gateway.wait_for_subscribers("acme", 1);
        connection.abort();
    });
    let begun = Instant::now();
    gateway.wait_for_subscribers("acme", 0);
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
}

#[test]
fn a_drain_sends_http_2_elsewhere_and_a_stop_says_goodbye() {
    let (mut gateway, _pki, certificate) = secure();
    run(async {
        let socket = connect(gateway.public, &certificate, b"h2").await.unwrap();
        let (mut requests, connection) = h2::client::handshake(socket).await.unwrap();
        let connection = spawn(connection);
        let idle = connect(gateway.public, &certificate, b"h2").await.unwrap();
        let (_idle_requests, idle) = h2::client::handshake(idle).await.unwrap();
        let idle = spawn(idle);
        let (mut stream, _) = Events::open(&mut requests, "/events/acme").await;
        stream.until("event: open").await;
        gateway.lifecycle.set_draining();
        let (late, head) = Events::open(&mut requests, "/events/globex").await;
        assert_eq!(head.status.as_u16(), 503);
        gateway.commit("acme", "p-1", None);
        stream.until("p-1").await;
        gateway.fanout.drain(Duration::ZERO);
        stream.until("event: shutdown").await;
        drop((stream, late));
        timeout(DEADLINE, connection).await.expect("it ends once nothing is in hand").unwrap().unwrap();
        let stopping = thread::spawn(move || gateway.stop());
        // Told to go, it closes at the same time as the server, and may not get rid of its own goodbye.
        drop(timeout(DEADLINE, idle).await.expect("it ends at the stop").unwrap());
        stopping.join().unwrap();
    });
}

#[test]
fn a_request_under_way_at_a_stop_is_answered() {
    let (mut gateway, _pki, certificate) = secure();
    run(async {
        let mut requests = connect_h2(gateway.public, &certificate).await;
        let word = request("POST", "/tenants/acme/pushes/p-1/ack").body(()).unwrap();
        requests = requests.ready().await.unwrap();
        let (response, mut body) = requests.send_request(word, false).unwrap();
        body.send_data(Bytes::from_static(b"{\"status\":"), false).unwrap();
        let mut idle = connect(gateway.public, &certificate, b"http/1.1").await.unwrap();
        // Answered, so it is known that the other one has come too.
        idle.write_all(b"GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
        idle.read_exact(&mut [0; 12]).await.unwrap();
        let stopping = thread::spawn(move || gateway.stop());
        timeout(DEADLINE, idle.read_to_end(&mut Vec::new())).await.expect("the stop has begun").unwrap();
        body.send_data(Bytes::from_static(b"\"ack\"}"), true).unwrap();
        let answer = timeout(DEADLINE, response).await.unwrap().expect("it is answered");
        assert_eq!(answer.status().as_u16(), 404);
        stopping.join().unwrap();
    });
}

#[test]
fn whoever_never_opens_a_window_is_given_up() {
    let (pki, certificate) = Pki::new();
    let gateway = Gateway::start_with(|config| {
        config.public.tls = Some(pki.config.clone());
        config.public.stall_timeout = Duration::from_secs(1);
        config.policy.limits.streams = 1;
    });
    run(async {
        let socket = connect(gateway.public, &certificate, b"h2").await.unwrap();
        let (requests, connection) = h2::client::Builder::new().initial_window_size(0).handshake(socket).await.unwrap();
        let requests: SendRequest<Bytes> = requests;
        drop(spawn(connection));
        let (mut stream, head) = Events::open(&mut requests.clone(), "/events/acme").await;
        assert_eq!(head.status.as_u16(), 200);
        let end = timeout(DEADLINE, stream.body.data()).await.expect("it is given up");
        assert_eq!(end.unwrap().unwrap_err().reason(), Some(h2::Reason::CANCEL));
        // The connection goes on, and the place is free for whoever takes something.
        let mut others = connect_h2(gateway.public, &certificate).await;
        let (mut other, head) = Events::open(&mut others, "/events/acme").await;
        assert_eq!(head.status.as_u16(), 200);
        other.until("event: open").await;
        let (_, head) = Events::open(&mut requests.clone(), "/events/nobody").await;
        assert_eq!(head.status.as_u16(), 404);
    });
}

#[test]
fn a_reload_shows_another_certificate_and_ends_nothing() {
    let (gateway, pki, old) = secure();
    run(async {
        let mut requests = connect_h2(gateway.public, &old).await;
        let (mut stream, _) = Events::open(&mut requests, "/events/acme").await;
        stream.until("event: open").await;

        let new = pki.renew(&KeyPair::generate().unwrap(), 2098);
        gateway.reload_tls(|_| {}, &pki.config).unwrap();
        connect(gateway.public, &new, b"h2").await.expect("the new one is shown");
        connect(gateway.public, &old, b"h2").await.expect_err("the old one is not");

        fs::write(&pki.config.key, KeyPair::generate().unwrap().serialize_pem()).unwrap();
        let error = gateway.reload_tls(|policy| policy.limits.streams = 1, &pki.config).unwrap_err();
        assert!(error.path.ends_with("key.pem"), "{error}");
        connect(gateway.public, &new, b"http/1.1").await.expect("what can't be used changes nothing");

        gateway.commit("acme", "p-1", None);
        stream.until("p-1").await;
        let (mut other, _) = Events::open(&mut requests, "/events/acme").await;
        other.until("event: open").await;
    });
}

#[test]
fn half_a_handshake_is_given_up_and_keeps_nobody_out() {
    let (pki, certificate) = Pki::new();
    let gateway = Gateway::start_with(|config| {
        config.public.tls = Some(pki.config.clone());
        config.public.head_timeout = Duration::from_secs(1);
    });
    // More than the framework would begin at once by itself.
    let half: Vec<_> = (0..300).map(|_| TcpStream::connect(gateway.public).unwrap()).collect();
    run(async {
        let mut requests = connect_h2(gateway.public, &certificate).await;
        let (mut stream, _) = Events::open(&mut requests, "/events/acme").await;
        stream.until("event: open").await;
        // It began TLS and says no more: neither a preface nor a head.
        for protocol in [&b"h2"[..], b"http/1.1"] {
            let mut silent = connect(gateway.public, &certificate, protocol).await.unwrap();
            let end = timeout(DEADLINE, silent.read_to_end(&mut Vec::new())).await.expect("the server ends it");
            drop(end);
        }
    });
    for mut socket in half {
        socket.set_read_timeout(Some(DEADLINE)).unwrap();
        match socket.read(&mut [0; 1]) {
            Ok(0) => {}
            Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn what_can_not_be_used_is_named() {
    let (pki, _) = Pki::new();
    let (good, other) = (pki.config.clone(), KeyPair::generate().unwrap().serialize_pem());
    let with = |cert: &Path, key: &Path| TlsConfig { cert: cert.to_owned(), key: key.to_owned() };
    let (nothing, rubbish) =
        (pki.folder.path().join("nothing"), pki.write("rubbish", "-----BEGIN CERTIFICATE-----\n?"));
    let (empty, foreign) = (pki.write("empty", ""), pki.write("foreign", &other));
    let huge = pki.write("huge", &"x".repeat((1 << 20) + 1));
    let table = [
        (with(&nothing, &good.key), "nothing"),
        (with(&rubbish, &good.key), "rubbish"),
        (with(&empty, &good.key), "empty"),
        (with(&huge, &good.key), "huge"),
        (with(&good.key, &good.key), "key.pem"),
        (with(&good.cert, &nothing), "nothing"),
        (with(&good.cert, &empty), "empty"),
        (with(&good.cert, &good.cert), "cert.pem"),
        (with(&good.cert, &foreign), "foreign"),
    ];
    for (tls, named) in table {
        let error = tls.load().unwrap_err();
        assert!(error.path.ends_with(named), "{error}");
        assert!(!error.to_string().contains("PRIVATE"), "{error}");
        let mut config = config();
        config.public.tls = Some(tls);
        assert!(matches!(bind(config, deps()), Err(HttpError::Tls(_))), "{named}");
    }
    good.load().unwrap();
}

#[test]
fn keys_of_all_usual_kinds_are_read() {
    let (pki, _) = Pki::new();
    for kind in [&PKCS_ECDSA_P256_SHA256, &PKCS_ED25519] {
        pki.renew(&KeyPair::generate_for(kind).unwrap(), 2099);
        pki.config.load().unwrap();
    }
    pki.renew(&KeyPair::generate().unwrap(), 2021);
    pki.config.load().expect("an expired one is complained about, not refused");
}
