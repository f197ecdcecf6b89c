//! Keys that are fetched from a URL.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use pushgate_http::{Claims, Scope, SigningKey, mint};
use pushgate_model::Timestamp;
use pushgate_subscriber::{HttpClient, HttpConfig};

use crate::{
    reload::Bed,
    stack::{Stack, run, until},
};

/// A login service that answers every request alike, until told otherwise.
struct Login {
    addr: SocketAddr,
    answer: Arc<Mutex<String>>,
    requests: Arc<AtomicUsize>,
}

impl Login {
    fn start(body: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let login = Self { addr: listener.local_addr().unwrap(), answer: Arc::default(), requests: Arc::default() };
        login.answers("200 OK", body);
        let (answer, requests) = (Arc::clone(&login.answer), Arc::clone(&login.requests));
        thread::spawn(move || {
            for mut socket in listener.incoming().map_while(Result::ok) {
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n") {
                    let mut byte = [0];
                    if socket.read_exact(&mut byte).is_err() {
                        break;
                    }
                    request.extend(byte);
                }
                requests.fetch_add(1, Ordering::Relaxed);
                // Whoever asked may be gone.
                let _ = socket.write_all(answer.lock().unwrap().as_bytes());
            }
        });
        login
    }

    fn answers(&self, status: &str, body: &str) {
        let length = body.len();
        *self.answer.lock().unwrap() =
            format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}");
    }

    fn settings(&self) -> String {
        format!("[auth]\nmode = \"jwt\"\njwks_url = \"http://{}/jwks\"\n", self.addr)
    }
}

/// A secret of 32 bytes.
fn secret(of: char) -> String {
    of.to_string().repeat(32)
}

/// The set of these keys; the id of each is its character.
fn jwks(of: &str) -> String {
    let keys = of.chars().map(|of| {
        let secret = URL_SAFE_NO_PAD.encode(secret(of));
        format!("{{\"kty\":\"oct\",\"alg\":\"HS256\",\"kid\":\"{of}\",\"k\":\"{secret}\"}}")
    });
    format!("{{\"keys\":[{}]}}", keys.collect::<Vec<_>>().join(","))
}

/// A token for all tenants, signed with one of these keys.
fn token(of: char) -> String {
    let now = Timestamp::from(std::time::SystemTime::now());
    let claims = Claims {
        tenants: Scope::All,
        presence: false,
        issuer: None,
        audience: None,
        subject: None,
        issued_at: now,
        expires_at: now.plus(std::time::Duration::from_secs(3600)),
        key_id: Some(of.to_string()),
    };
    mint(&SigningKey::new("HS256", &secret(of)).unwrap(), &claims)
}

async fn status(public: SocketAddr, of: char) -> u16 {
    let config = HttpConfig { bearer: Some(token(of).into()), ..HttpConfig::default() };
    HttpClient::new(config).get(&format!("http://{public}/tenants/a/pushes")).await.unwrap().status
}

#[test]
fn keys_are_fetched_at_the_start_and_only_they_count() {
    run(async {
        let login = Login::start(&jwks("ab"));
        let stack = Stack::with(&login.settings()).await;
        let public = stack.gateway.public;
        until("fetched keys", || async { (status(public, 'a').await == 200).then_some(()) }).await;
        assert_eq!(status(public, 'b').await, 200);
        assert_eq!(status(public, 'c').await, 401);
        stack.stop().await;
    });
}

#[test]
fn a_gateway_without_keys_starts_and_refuses() {
    run(async {
        let login = Login::start("");
        login.answers("500 Internal Server Error", "");
        let stack = Stack::with(&login.settings()).await;
        assert_eq!(status(stack.gateway.public, 'a').await, 503);
        assert_eq!(stack.gateway.admin("/readyz").await.status, 200);
        stack.stop().await;
    });
}

#[test]
fn another_url_is_asked_at_once_and_the_same_one_not_so_soon() {
    run(async {
        let (first, second) = (Login::start(&jwks("a")), Login::start(&jwks("b")));
        let mut bed = Bed::start(&[], |_| first.settings()).await;
        let public = bed.public();
        until("fetched keys", || async { (status(public, 'a').await == 200).then_some(()) }).await;
        bed.hang_up().await;
        assert_eq!(status(public, 'a').await, 200);
        bed.replace(&first.settings(), &second.settings());
        bed.hang_up().await;
        until("other keys", || async { (status(public, 'b').await == 200).then_some(()) }).await;
        assert_eq!(status(public, 'a').await, 401);
        assert_eq!(first.requests.load(Ordering::Relaxed), 1);
        bed.stop().await;
    });
}

#[test]
fn a_reload_has_the_keys_fetched_again() {
    run(async {
        let login = Login::start(&jwks("ab"));
        let mut bed = Bed::start(&[], |_| login.settings()).await;
        let public = bed.public();
        until("fetched keys", || async { (status(public, 'a').await == 200).then_some(()) }).await;
        // Somebody stole it. No token names a key that the gateway does not know.
        login.answers("200 OK", &jwks("b"));
        bed.hang_up().await;
        until("the key's end", || async { (status(public, 'a').await == 401).then_some(()) }).await;
        assert_eq!(status(public, 'b').await, 200);
        assert_eq!(login.requests.load(Ordering::Relaxed), 2);
        bed.stop().await;
    });
}

#[test]
fn a_token_with_a_new_key_has_the_keys_fetched_again() {
    run(async {
        let login = Login::start(&jwks("a"));
        let stack = Stack::with(&login.settings()).await;
        let public = stack.gateway.public;
        until("fetched keys", || async { (status(public, 'a').await == 200).then_some(()) }).await;
        assert_eq!(status(public, 'b').await, 401);
        // The service signs with a new key, and has published it before. A few seconds pass between two fetches.
        login.answers("200 OK", &jwks("ab"));
        until("the new key", || async { (status(public, 'b').await == 200).then_some(()) }).await;
        assert_eq!(status(public, 'a').await, 200);
        assert_eq!(login.requests.load(Ordering::Relaxed), 2, "however often it was asked for");
        stack.stop().await;
    });
}
