//! Keys that are fetched.

use std::thread;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, Header};
use pushgate_http::{JwtConfig, Keys};
use serde_json::{Value, json};

use super::{EVENTS, HS256, auth, bearer, claims, counter, gateway_with, refused, sign, subscribe};
use crate::{client::get, gateway::Gateway};

const URL: &str = "https://login.example/jwks";

fn secret(id: &str) -> String {
    format!("the secret of the key {id:>20}")
}

/// A JWKS of keys with these ids.
fn jwks(ids: &[&str]) -> String {
    let key = |id: &&str| json!({"kty": "oct", "kid": id, "k": URL_SAFE_NO_PAD.encode(secret(id))});
    json!({"keys": ids.iter().map(key).collect::<Vec<Value>>()}).to_string()
}

fn token_by(id: &str) -> String {
    let header = Header { kid: Some(id.to_owned()), ..Header::new(Algorithm::HS256) };
    bearer(&sign(&header, &claims(&json!({})), &secret(id)))
}

fn remote() -> JwtConfig {
    JwtConfig { keys: Keys::Remote { url: URL.to_owned() }, ..HS256.jwt() }
}

fn gateway() -> Gateway {
    gateway_with(|config| config.policy.auth = auth(remote()))
}

fn status(gateway: &Gateway, id: &str) -> u16 {
    subscribe(gateway, "/events/acme", &[&token_by(id)]).status
}

#[test]
fn before_any_keys_are_known_nobody_is_told_that_his_token_is_bad() {
    let gateway = gateway();
    assert_eq!(gateway.keys.url().as_deref(), Some(URL));
    gateway.keys.failed();
    let answer = get(gateway.public, "/tenants/acme/pushes", &[&token_by("a")]);
    assert_eq!((answer.status, answer.problem().as_str()), (503, "keys-unknown"));
    assert!(answer.header("retry-after").is_some());
    // An EventSource would give up for good.
    let events = get(gateway.public, "/events/acme", &[EVENTS, &token_by("a")]);
    assert!(events.status == 200 && events.body.starts_with("retry: "), "{events:?}");
    assert_eq!(get(gateway.public, "/events/acme", &[EVENTS]).status, 401, "nor does whoever sends nothing wait");
    gateway.keys.set(URL, &jwks(&["a"])).unwrap();
    assert_eq!(status(&gateway, "a"), 200);
    assert_eq!(counter(&gateway, "pushgate_auth_jwks_fetches_total{outcome=\"ok\"}"), 1);
    assert_eq!(counter(&gateway, "pushgate_auth_jwks_fetches_total{outcome=\"failed\"}"), 1);
}

#[test]
fn a_request_waits_for_keys_that_are_being_fetched() {
    let gateway = gateway();
    let keys = gateway.keys.clone();
    thread::scope(|scope| {
        let waiting = scope.spawn(|| status(&gateway, "a"));
        actix_web::rt::System::new().block_on(keys.wanted());
        keys.set(URL, &jwks(&["a"])).unwrap();
        assert_eq!(waiting.join().unwrap(), 200);
    });
}

#[test]
fn keys_rotate_by_their_ids() {
    let gateway = gateway();
    for (ids, good, bad) in [(&["a"][..], "a", "b"), (&["a", "b"], "b", "c"), (&["b"], "b", "a")] {
        gateway.keys.set(URL, &jwks(ids)).unwrap();
        assert_eq!((status(&gateway, good), status(&gateway, bad)), (200, 401), "{ids:?}");
    }
    let wrong = Header { kid: Some("b".to_owned()), ..Header::new(Algorithm::HS256) };
    let answer = get(gateway.public, "/events/acme", &[&bearer(&sign(&wrong, &claims(&json!({})), &secret("a")))]);
    assert_eq!(answer.status, 401, "another key under a known id");
    assert_eq!(refused(&gateway, "signature"), 1);
}

#[test]
fn made_up_ids_cause_no_fetch_after_fetch_and_nobody_waits_for_them() {
    let gateway = gateway();
    gateway.keys.set(URL, &jwks(&["a"])).unwrap();
    for n in 0..50 {
        assert_eq!(status(&gateway, &format!("made-up-{n}")), 401);
    }
    assert_eq!(refused(&gateway, "unknown_key"), 50);
    let wanted = gateway.keys.wanted();
    assert!(futures_util::FutureExt::now_or_never(wanted).is_none());
    assert_eq!(status(&gateway, "a"), 200);
}

#[test]
fn the_last_good_set_stays() {
    let gateway = gateway();
    gateway.keys.set(URL, &jwks(&["a"])).unwrap();
    for bad in ["", "<html>", r#"{"keys":[]}"#, r#"{"keys":[{"kty":"oct","k":"c2hvcnQ"}]}"#] {
        gateway.keys.set(URL, bad).unwrap_err();
        gateway.keys.failed();
        assert_eq!(status(&gateway, "a"), 200, "{bad}");
    }
    gateway.keys.set("https://old.example/jwks", &jwks(&["b"])).unwrap();
    assert_eq!((status(&gateway, "a"), status(&gateway, "b")), (200, 401), "a late answer of another url");
}

#[test]
fn a_reload_changes_where_keys_come_from() {
    let gateway = gateway();
    gateway.keys.set(URL, &jwks(&["a"])).unwrap();
    gateway.reload(|policy| policy.auth = auth(remote()));
    assert_eq!(status(&gateway, "a"), 200, "the same url");
    let other = "https://other.example/jwks";
    gateway.reload(|policy| {
        policy.auth = auth(JwtConfig { keys: Keys::Remote { url: other.to_owned() }, ..HS256.jwt() });
    });
    assert_eq!(gateway.keys.url().as_deref(), Some(other));
    gateway.keys.failed();
    assert_eq!(get(gateway.public, "/tenants/acme/pushes", &[&token_by("a")]).status, 503);
    gateway.keys.set(other, &jwks(&["b"])).unwrap();
    assert_eq!((status(&gateway, "a"), status(&gateway, "b")), (401, 200));
    gateway.reload(|policy| policy.auth = auth(HS256.jwt()));
    assert_eq!(gateway.keys.url(), None);
}
