use serde_json::json;

use super::{COOKIE, EVENTS, HS256, bearer, claims, cookie, gateway_with, now, subscribe, token_for};
use crate::client::{get, request, send_with};

const LIST: &str = "https://app.example.com";

#[test]
fn a_cookie_counts_only_for_pages_that_may_use_it() {
    let gateway = gateway_with(|config| {
        config.policy.cors_origins.insert(LIST.to_owned());
    });
    let login = cookie(COOKIE, &token_for(&["acme"]));
    let own = format!("Origin: http://{}", gateway.public);
    let list = format!("Origin: {LIST}");
    // Header lines of a browser; whether it may look, and whether it may change something.
    let table: [(&[&str], bool, bool); 11] = [
        (&[&own], true, true),
        (&[&own, "Sec-Fetch-Site: same-origin"], true, true),
        (&[&list, "Sec-Fetch-Site: cross-site"], true, true),
        (&["Sec-Fetch-Site: same-origin"], true, true),
        (&["Sec-Fetch-Site: none"], true, true),
        (&[], true, false),
        (&["Origin: https://evil.example"], false, false),
        (&["Origin: null"], false, false),
        (&[&own, "Origin: https://evil.example"], false, false),
        (&["Sec-Fetch-Site: same-site"], false, false),
        (&["Sec-Fetch-Site: cross-site"], false, false),
    ];
    for (headers, may_look, may_change) in table {
        let headers: Vec<_> = headers.iter().copied().chain([login.as_str()]).collect();
        let stream = subscribe(&gateway, "/events/acme", &headers).status;
        let history = get(gateway.public, "/tenants/acme/pushes", &headers).status;
        assert_eq!((stream, history), if may_look { (200, 200) } else { (403, 403) }, "{headers:?}");
        let path = "/tenants/acme/pushes/p-1/ack";
        let word = send_with(gateway.public, ("POST", path), &headers, r#"{"status":"ack"}"#);
        assert_eq!(word.status != 403, may_change, "{headers:?}: {word:?}");
    }
}

#[test]
fn a_header_is_no_ambient_credential() {
    let gateway = HS256.gateway();
    let token = bearer(&token_for(&["acme"]));
    for foreign in ["Origin: https://evil.example", "Sec-Fetch-Site: cross-site"] {
        assert_eq!(get(gateway.public, "/tenants/acme/pushes", &[&token, foreign]).status, 200, "{foreign}");
    }
}

#[test]
fn of_several_cookies_the_first_that_counts_and_covers_is_taken() {
    let gateway = HS256.gateway();
    let (acme, globex) = (token_for(&["acme"]), token_for(&["globex"]));
    let expired = HS256.sign(&claims(&json!({"exp": now() - 1})));
    let status = |value: &str| subscribe(&gateway, "/events/acme", &[value]).status;
    assert_eq!(status(&format!("Cookie: {COOKIE}={globex}; pushgate_ticket={acme}")), 200);
    assert_eq!(status(&format!("Cookie: pushgate_ticket={expired}; pushgate_ticket=\"{acme}\"")), 200);
    assert_eq!(status(&format!("Cookie: a=b; {COOKIE}=x\r\nCookie: {COOKIE}={acme}")), 200);
    assert_eq!(status(&format!("Cookie: {COOKIE}=x; {COOKIE}=x; {COOKIE}=x; {COOKIE}=x; {COOKIE}={acme}")), 401);
    assert_eq!(status(&format!("Cookie: other={acme}")), 401);
    // Known, and without this right.
    assert_eq!(status(&format!("Cookie: {COOKIE}={expired}; {COOKIE}={globex}; {COOKIE}=x")), 403);
    let answer = get(gateway.public, "/events/acme", &[EVENTS, &cookie(COOKIE, &expired)]);
    assert!(answer.body.contains("expired"), "{answer:?}");
}

#[test]
fn without_a_name_in_the_settings_only_the_tickets_cookie_counts() {
    let mut jwt = HS256.jwt();
    jwt.cookie = None;
    let gateway = gateway_with(|config| config.policy.auth = super::auth(jwt));
    let token = token_for(&["acme"]);
    assert_eq!(subscribe(&gateway, "/events/acme", &[&cookie(COOKIE, &token)]).status, 401);
    assert_eq!(subscribe(&gateway, "/events/acme", &[&cookie("pushgate_ticket", &token)]).status, 200);
    assert_eq!(request(gateway.public, "HEAD", "/events/acme", &[&cookie("pushgate_ticket", &token)]).status, 200);
}
