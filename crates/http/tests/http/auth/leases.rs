//! How long a stream may go on.

use pushgate_http::{AuthMode, Policy};
use serde_json::json;

use super::{COOKIE, EVENTS, HS256, SIGNERS, auth, bearer, claims, cookie, now, ticket, token_for};
use crate::{client::Stream, gateway::Gateway};

/// Opens a stream of `acme` that goes on.
fn open(gateway: &Gateway, path: &str, headers: &[&str]) -> Stream {
    let headers: Vec<_> = [EVENTS].iter().chain(headers).copied().collect();
    let (mut stream, head) = Stream::events(gateway.public, path, &headers);
    assert_eq!(head.status, 200, "{head:?}");
    stream.until("event: open");
    stream
}

/// A stream of each way that a token comes, and the last way of the frontend's cookie.
fn open_all(gateway: &Gateway) -> [Stream; 3] {
    let token = token_for(&["acme"]);
    let by_ticket = format!("/events/acme?ticket={}", ticket(gateway, &token));
    [
        open(gateway, "/events/acme", &[&bearer(&token)]),
        open(gateway, &by_ticket, &[]),
        open(gateway, "/events/acme", &[&cookie(COOKIE, &token)]),
    ]
}

fn ends_as_revoked(stream: &mut Stream) {
    let text = stream.rest();
    assert!(text.contains("event: auth-expired\ndata: {\"reason\":\"revoked\"}"), "{text}");
}

#[test]
fn a_stream_ends_with_its_token() {
    let gateway = HS256.gateway();
    let short = HS256.sign(&claims(&json!({"exp": now() + 2})));
    let mut stream = open(&gateway, "/events/acme", &[&bearer(&short)]);
    let text = stream.rest();
    let (warned, ended) = (text.find("event: auth-expiring\n"), text.find("event: auth-expired\n"));
    assert!(warned.is_some() && ended > warned, "{text}");
    gateway.wait_for_subscribers("acme", 0);
}

#[test]
fn another_key_ends_the_streams_that_rested_on_the_old_one() {
    let gateway = HS256.gateway();
    let streams = open_all(&gateway);
    gateway.reload(|policy| policy.auth = auth(SIGNERS[3].jwt()));
    for mut stream in streams {
        ends_as_revoked(&mut stream);
    }
}

#[test]
fn a_reload_that_changes_nothing_for_a_stream_lets_it_go_on() {
    let gateway = HS256.gateway();
    let streams = open_all(&gateway);
    let changes: [fn(&mut Policy); 3] = [
        |_| {},
        |policy| {
            policy.auth.ticket_expiry *= 2;
            policy.cors_origins.insert("https://app.example.com".to_owned());
        },
        |policy| policy.auth.mode = AuthMode::None,
    ];
    for change in changes {
        gateway.reload(change);
    }
    gateway.commit("acme", "still-here", None);
    for mut stream in streams {
        stream.until("still-here");
    }
}

#[test]
fn another_cookie_ends_what_came_by_the_old_one() {
    let gateway = HS256.gateway();
    let [mut by_header, mut by_ticket, mut by_cookie] = open_all(&gateway);
    let mut jwt = HS256.jwt();
    jwt.cookie = None;
    gateway.reload(|policy| policy.auth = auth(jwt));
    ends_as_revoked(&mut by_cookie);
    gateway.commit("acme", "still-here", None);
    by_header.until("still-here");
    by_ticket.until("still-here");
}

#[test]
fn streams_of_everybody_end_when_tokens_are_asked_for() {
    let gateway = Gateway::start();
    let mut stream = open(&gateway, "/events/acme", &[]);
    gateway.reload(|policy| policy.auth = auth(HS256.jwt()));
    ends_as_revoked(&mut stream);
}

#[test]
fn a_key_that_left_the_fetched_set_ends_its_streams() {
    let mut jwt = HS256.jwt();
    jwt.keys = pushgate_http::Keys::Remote { url: "https://login.example/jwks".to_owned() };
    let gateway = Gateway::start_with(|config| config.policy.auth = auth(jwt));
    let jwk = |secret: &str| {
        use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
        json!({"kty": "oct", "k": URL_SAFE_NO_PAD.encode(secret)})
    };
    let set = |secrets: &[&str]| {
        let keys: Vec<_> = secrets.iter().map(|secret| jwk(secret)).collect();
        gateway.keys.set("https://login.example/jwks", &json!({"keys": keys}).to_string()).unwrap();
    };
    set(&[HS256.public]);
    let mut stream = open(&gateway, "/events/acme", &[&bearer(&token_for(&["acme"]))]);
    set(&[HS256.other, HS256.public]);
    gateway.commit("acme", "still-here", None);
    stream.until("still-here");
    set(&[HS256.other]);
    ends_as_revoked(&mut stream);
}
