//! Each algorithm, each mistake, each way that a token may come.

use jsonwebtoken::{Algorithm, Header};
use serde_json::{Value, json};

use super::{
    AUDIENCE, COOKIE, EVENTS, HS256, ISSUER, SIGNERS, Signer, ask_ticket, bearer, claims, cookie, now, refused, sign,
    subscribe, ticket, token_for, unsigned,
};
use crate::{client::get, gateway::Gateway};

/// A way that a token comes.
#[derive(Clone, Copy, Debug)]
enum Way {
    Bearer,
    Cookie,
    Ticket,
}

/// What comes of it: a stream, or a status and the reason that is counted.
type Outcome = Result<(), (u16, &'static str)>;

impl Way {
    /// Opens a stream of `acme`.
    fn subscribe(self, gateway: &Gateway, token: &str) -> u16 {
        let path = "/events/acme";
        match self {
            Self::Bearer => subscribe(gateway, path, &[&bearer(token)]).status,
            Self::Cookie => subscribe(gateway, path, &[&cookie(COOKIE, token)]).status,
            Self::Ticket => {
                let asked = ask_ticket(gateway, &[&bearer(token)]);
                if asked.status != 201 {
                    return asked.status;
                }
                let ticket = asked.json()["ticket"].as_str().unwrap().to_owned();
                subscribe(gateway, &format!("{path}?ticket={ticket}"), &[]).status
            }
        }
    }
}

/// The rows of the matrix: tokens that one signer's gateway is shown, and what comes of each.
fn rows(signer: &Signer) -> Vec<(&'static str, String, Outcome)> {
    let with = |change: Value| signer.sign(&claims(&change));
    let bad = |reason| Err((401, reason));
    let header = Header::new(signer.algorithm);
    let stranger = SIGNERS.iter().find(|other| other.algorithm != signer.algorithm).unwrap();
    let mut rows = vec![
        ("valid", with(json!({})), Ok(())),
        ("valid for all", with(json!({"tenants": ["*"]})), Ok(())),
        ("valid since now", with(json!({"nbf": now()})), Ok(())),
        ("one of two audiences", with(json!({"aud": ["other", AUDIENCE]})), Ok(())),
        ("expired", with(json!({"exp": now() - 1})), bad("expired")),
        ("not yet valid", with(json!({"nbf": now() + 60})), bad("not_yet_valid")),
        ("wrong audience", with(json!({"aud": "other"})), bad("audience")),
        ("no audience", with(json!({"aud": null})), bad("audience")),
        ("wrong issuer", with(json!({"iss": format!("{ISSUER}/")})), bad("issuer")),
        ("wrong key", sign(&header, &claims(&json!({})), signer.other), bad("signature")),
        ("wrong algorithm", stranger.sign(&claims(&json!({}))), bad("algorithm")),
        ("no exp", with(json!({"exp": null})), bad("claim")),
        ("no tenants", with(json!({"tenants": null})), bad("claim")),
        ("empty tenants", with(json!({"tenants": []})), bad("claim")),
        ("no name of a tenant", with(json!({"tenants": ["acme", "Acme!"]})), bad("claim")),
        ("wrong tenant", with(json!({"tenants": ["globex"]})), Err((403, "forbidden"))),
    ];
    if signer.algorithm != Algorithm::HS256 {
        // Whoever takes the key for a secret, because the token says so, is fooled by what everybody knows.
        let confused = sign(&Header::new(Algorithm::HS256), &claims(&json!({})), signer.public);
        rows.push(("public key as a secret", confused, bad("algorithm")));
    }
    rows
}

fn check(signer: &Signer) {
    let gateway = signer.gateway();
    for (name, token, expected) in rows(signer) {
        for way in [Way::Bearer, Way::Cookie, Way::Ticket] {
            let before = expected.err().map(|(_, reason)| refused(&gateway, reason));
            let status = way.subscribe(&gateway, &token);
            let at = format!("{:?}, {name}, {way:?}", signer.algorithm);
            assert_eq!(status, expected.map_or_else(|(status, _)| status, |()| 200), "{at}");
            if let Err((_, reason)) = expected {
                assert!(refused(&gateway, reason) > before.unwrap(), "{at} is counted as {reason}");
            }
        }
    }
}

#[test]
fn each_token_by_hs256_opens_what_it_should() {
    check(&SIGNERS[0]);
}

#[test]
fn each_token_by_rs256_opens_what_it_should() {
    check(&SIGNERS[1]);
}

#[test]
fn each_token_by_es256_opens_what_it_should() {
    check(&SIGNERS[2]);
}

#[test]
fn each_token_by_eddsa_opens_what_it_should() {
    check(&SIGNERS[3]);
}

#[test]
fn what_is_no_proper_token_is_refused() {
    let gateway = HS256.gateway();
    let all = claims(&json!({}));
    let crit = unsigned(&json!({"alg": "HS256", "crit": ["b64"], "b64": false}), &all);
    let good = token_for(&["acme"]);
    for (token, reason) in [
        (unsigned(&json!({"alg": "none"}), &all), "algorithm"),
        (format!("{}.", good.rsplit_once('.').unwrap().0), "signature"),
        (unsigned(&json!({"alg": "HS512"}), &all), "algorithm"),
        (crit, "critical"),
        (unsigned(&json!({"alg": "HS256", "typ": "logout+jwt"}), &all), "type"),
        (HS256.sign(&claims(&json!({"padding": "x".repeat(8 << 10)}))), "too_long"),
        ("rubbish".to_owned(), "malformed"),
        (format!("{good}.{good}"), "malformed"),
    ] {
        let before = refused(&gateway, reason);
        let answer = get(gateway.public, "/events/acme", &[EVENTS, &bearer(&token)]);
        assert_eq!((answer.status, answer.problem().as_str()), (401, "invalid-token"), "{reason}");
        assert_eq!(answer.header("www-authenticate"), Some("Bearer error=\"invalid_token\""));
        assert_eq!(refused(&gateway, reason), before + 1, "{reason}");
        assert!(!answer.body.contains("b64"), "nothing of the token is repeated");
    }
}

#[test]
fn whoever_sends_nothing_is_told_what_to_send() {
    let gateway = HS256.gateway();
    for headers in [&[EVENTS][..], &[], &["Cookie: other=1"]] {
        let answer = get(gateway.public, "/events/acme", headers);
        assert_eq!((answer.status, answer.problem().as_str()), (401, "no-token"), "{headers:?}");
        assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
    }
    assert_eq!(refused(&gateway, "no_token"), 3);
}

#[test]
fn the_header_comes_once_and_as_bearer_and_beats_all_else() {
    let gateway = HS256.gateway();
    let good = token_for(&["acme"]);
    let ok = |headers: &[&str]| subscribe(&gateway, "/events/acme", headers).status == 200;
    assert!(ok(&[&format!("authorization: bearer   {good} ")]));
    for headers in [
        vec![bearer(&good), bearer(&good)],
        vec![format!("Authorization: Basic {good}")],
        vec![format!("Authorization: {good}")],
        vec!["Authorization: Bearer".to_owned()],
        vec!["Authorization:".to_owned()],
        vec![format!("Authorization: Bearer {good}, Bearer {good}")],
        vec![bearer("wrong"), cookie(COOKIE, &good)],
    ] {
        let headers: Vec<_> = headers.iter().map(String::as_str).collect();
        assert!(!ok(&headers), "{headers:?}");
    }
    let path = format!("/events/acme?ticket={}", ticket(&gateway, &good));
    assert_eq!(subscribe(&gateway, &path, &[&bearer("wrong")]).status, 401);
    assert_eq!(subscribe(&gateway, &path, &[]).status, 200, "the ticket was not used up");
}

#[test]
fn every_endpoint_asks_who_comes() {
    let gateway = HS256.gateway();
    gateway.commit("acme", "p-1", None);
    let good = token_for(&["acme"]);
    for path in ["/events/acme", "/events?tenant=acme", "/tenants/acme/pushes"] {
        assert_eq!(get(gateway.public, path, &[]).status, 401, "{path}");
        let other = get(gateway.public, path, &[&bearer(&token_for(&["globex"]))]);
        assert_eq!((other.status, other.problem().as_str()), (403, "forbidden"), "{path}");
    }
    let two = get(gateway.public, "/events?tenant=acme&tenant=globex", &[&bearer(&good)]);
    assert_eq!((two.status, two.problem().as_str()), (403, "forbidden"));
    assert_eq!(get(gateway.public, "/tenants/acme/pushes", &[&bearer(&good)]).status, 200);
    let word = |headers: &[&str]| {
        let path = "/tenants/acme/pushes/p-1/ack";
        crate::client::send_with(gateway.public, ("POST", path), headers, r#"{"status":"ack"}"#).status
    };
    assert_eq!((word(&[]), word(&[&bearer(&token_for(&["globex"]))])), (401, 403));
    assert!(![401, 403].contains(&word(&[&bearer(&good)])));
}

#[test]
fn whoever_has_no_right_does_not_learn_which_tenants_there_are() {
    let gateway = HS256.gateway();
    let token = bearer(&token_for(&["globex"]));
    for shape in ["/events/NAME", "/events?tenant=globex&tenant=NAME", "/tenants/NAME/pushes"] {
        for headers in [&[EVENTS, token.as_str()][..], &[EVENTS]] {
            let body = |name: &str| {
                let answer = get(gateway.public, &shape.replace("NAME", name), headers);
                (answer.status, answer.body.replace(name, "NAME"))
            };
            assert_eq!(body("acme"), body("nobody"), "{shape}");
        }
    }
    let all = bearer(&token_for(&["*"]));
    assert_eq!(get(gateway.public, "/events/nobody", &[EVENTS, &all]).problem(), "unknown-tenant");
}

#[test]
fn nothing_is_replayed_before_the_token_is_checked() {
    let gateway = HS256.gateway();
    gateway.commit("acme", "secret-push", None);
    for headers in [vec![], vec![bearer("wrong")], vec![bearer(&token_for(&["globex"]))]] {
        let headers: Vec<_> = headers.iter().map(String::as_str).chain(["Last-Event-ID: memory-0"]).collect();
        let answer = get(gateway.public, "/events/acme?since=earliest", &headers);
        assert!([401, 403].contains(&answer.status) && !answer.body.contains("secret-push"), "{answer:?}");
    }
    assert_eq!(gateway.fanout.subscribers(&"acme".parse().unwrap()), 0);
}

#[test]
fn without_tokens_everybody_may_whatever_he_sends() {
    let gateway = Gateway::start();
    for headers in [&[][..], &["Authorization: Bearer rubbish"], &["Cookie: pushgate_ticket=rubbish"]] {
        assert_eq!(subscribe(&gateway, "/events/acme", headers).status, 200, "{headers:?}");
    }
}
