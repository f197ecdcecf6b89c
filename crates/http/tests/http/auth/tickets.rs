use std::time::Duration;

use pushgate_http::{AuthMode, SameSite};
use serde_json::json;

use super::{
    COOKIE, EVENTS, HS256, ask_ticket, auth, bearer, claims, cookie, counter, gateway_with, now, refused, subscribe,
    ticket, token_for,
};
use crate::{
    client::{Stream, get, request, send_with},
    gateway::Gateway,
};

#[test]
fn a_ticket_is_given_out_and_kept_by_no_cache() {
    let gateway = HS256.gateway();
    let answer = ask_ticket(&gateway, &[&bearer(&token_for(&["acme"]))]);
    assert_eq!((answer.status, answer.header("cache-control")), (201, Some("no-store")));
    let (body, other) = (answer.json(), ticket(&gateway, &token_for(&["acme"])));
    assert_eq!((body.as_object().unwrap().len(), &body["expires_in"]), (2, &json!(30)));
    assert!(body["ticket"].as_str().unwrap().len() >= 22 && body["ticket"] != other.as_str());
    assert_eq!(counter(&gateway, "pushgate_auth_tickets_issued_total"), 2);
}

#[test]
fn whoever_has_no_good_token_gets_no_ticket() {
    let gateway = HS256.gateway();
    assert_eq!(ask_ticket(&gateway, &[]).problem(), "no-token");
    for bad in [HS256.sign(&claims(&json!({"exp": now() - 1}))), "rubbish".to_owned()] {
        let answer = ask_ticket(&gateway, &[&bearer(&bad)]);
        assert_eq!((answer.status, answer.problem().as_str()), (401, "invalid-token"));
    }
    assert_eq!(get(gateway.public, "/tickets", &[]).problem(), "method-not-allowed");
    assert_eq!(counter(&gateway, "pushgate_auth_tickets_issued_total"), 0);
}

#[test]
fn a_ticket_opens_one_stream_and_no_more() {
    let gateway = HS256.gateway();
    let path = format!("/events/acme?ticket={}", ticket(&gateway, &token_for(&["acme"])));
    assert_eq!(request(gateway.public, "HEAD", &path, &[EVENTS]).status, 401, "HEAD opens nothing");
    assert_eq!(subscribe(&gateway, &path, &[]).status, 200);
    for _ in 0..2 {
        let again = get(gateway.public, &path, &[EVENTS]);
        assert_eq!((again.status, again.problem().as_str()), (401, "invalid-token"));
    }
    for unknown in ["x", &"A".repeat(43), "%00", &"y".repeat(3000)] {
        assert_eq!(get(gateway.public, &format!("/events/acme?ticket={unknown}"), &[EVENTS]).status, 401);
    }
    assert_eq!(counter(&gateway, "pushgate_auth_tickets_redeemed_total"), 1);
    assert!(refused(&gateway, "ticket") >= 6);
}

#[test]
fn a_ticket_is_for_streams_alone() {
    let gateway = HS256.gateway();
    let ticket = ticket(&gateway, &token_for(&["acme"]));
    let history = get(gateway.public, &format!("/tenants/acme/pushes?ticket={ticket}"), &[]);
    assert_eq!((history.status, history.problem().as_str()), (401, "no-token"));
    assert_eq!(request(gateway.public, "POST", &format!("/tickets?ticket={ticket}"), &[]).status, 401);
    assert_eq!(subscribe(&gateway, &format!("/events/acme?ticket={ticket}"), &[]).status, 200);
}

#[test]
fn a_ticket_stands_for_the_tenants_of_its_token() {
    let gateway = HS256.gateway();
    let path = format!("/events/acme?ticket={}", ticket(&gateway, &token_for(&["globex"])));
    let answer = get(gateway.public, &path, &[EVENTS]);
    assert_eq!((answer.status, answer.problem().as_str()), (403, "forbidden"));
    assert_eq!(answer.header("set-cookie"), None);
}

#[test]
fn a_ticket_waits_no_longer_than_it_is_said() {
    let gateway = gateway_with(|config| config.policy.auth.ticket_expiry = Duration::from_nanos(1));
    let path = format!("/events/acme?ticket={}", ticket(&gateway, &token_for(&["acme"])));
    assert_eq!(get(gateway.public, &path, &[EVENTS]).status, 401);
}

#[test]
fn a_ticket_does_not_outlive_its_token() {
    let gateway = HS256.gateway();
    let short = HS256.sign(&claims(&json!({"exp": now() + 9})));
    let answer = ask_ticket(&gateway, &[&bearer(&short)]);
    let expires_in = answer.json()["expires_in"].as_u64().unwrap();
    assert!(expires_in <= 9, "{expires_in}");
}

#[test]
fn a_redeemed_ticket_lets_the_same_url_in_again_by_its_cookie() {
    let gateway = HS256.gateway();
    let path = format!("/events/acme?ticket={}", ticket(&gateway, &token_for(&["acme"])));
    let head = subscribe(&gateway, &path, &[]);
    let set = head.header("set-cookie").unwrap().to_owned();
    for part in ["pushgate_ticket=", "; HttpOnly", "; SameSite=Strict", "; Path=/events/acme", "; Max-Age="] {
        assert!(set.contains(part), "{part}: {set}");
    }
    assert!(!set.contains("Secure") && !set.contains("Domain"), "{set}");
    let age: u64 = set.split("Max-Age=").nth(1).unwrap().split(';').next().unwrap().parse().unwrap();
    assert!((500..=600).contains(&age), "{age}");
    let pair = format!("Cookie: {}", set.split(';').next().unwrap());
    let again = subscribe(&gateway, &path, &[&pair]);
    assert_eq!((again.status, again.header("set-cookie")), (200, None));
    assert_eq!(get(gateway.public, &path, &[EVENTS]).status, 401);
}

#[test]
fn a_stream_that_is_told_to_come_back_comes_in_by_its_used_ticket() {
    let gateway = gateway_with(|config| config.policy.limits.streams = 1);
    let other = Stream::events(gateway.public, "/events/acme", &[EVENTS, &bearer(&token_for(&["acme"]))]);
    gateway.wait_for_subscribers("acme", 1);
    let path = format!("/events/acme?ticket={}", ticket(&gateway, &token_for(&["acme"])));
    let refused = get(gateway.public, &path, &[EVENTS]);
    assert!(refused.status == 200 && refused.body.starts_with("retry: "), "{refused:?}");
    let pair = format!("Cookie: {}", refused.header("set-cookie").unwrap().split(';').next().unwrap());
    drop(other);
    gateway.wait_for_subscribers("acme", 0);
    assert_eq!(subscribe(&gateway, &path, &[&pair]).status, 200);
}

#[test]
fn the_cookie_is_as_configured() {
    let gateway = gateway_with(|config| config.policy.auth.cookie_same_site = SameSite::None);
    let path = format!("/events?tenant=acme&ticket={}", ticket(&gateway, &token_for(&["acme"])));
    let head = subscribe(&gateway, &path, &[]);
    let set = head.header("set-cookie").unwrap();
    assert!(set.contains("SameSite=None") && set.contains("; Secure") && set.contains("; Path=/events;"), "{set}");
}

#[test]
fn the_cookies_path_is_the_one_that_the_browser_sees() {
    let gateway = gateway_with(|config| config.public.base_path = "/push".to_owned());
    let asked = send_with(gateway.public, ("POST", "/push/tickets"), &[&bearer(&token_for(&["acme"]))], "");
    let path = format!("/push/events/acme?ticket={}", asked.json()["ticket"].as_str().unwrap());
    let head = subscribe(&gateway, &path, &[]);
    let set = head.header("set-cookie").unwrap();
    assert!(set.contains("; Path=/push/events/acme;"), "{set}");
}

#[test]
fn behind_a_proxy_that_speaks_tls_the_cookie_is_for_tls_alone() {
    let gateway = gateway_with(|config| config.policy.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()]);
    for (proto, secure) in [("https", true), ("http", false)] {
        let path = format!("/events/acme?ticket={}", ticket(&gateway, &token_for(&["acme"])));
        let head = subscribe(&gateway, &path, &[&format!("X-Forwarded-Proto: {proto}")]);
        assert_eq!(head.header("set-cookie").unwrap().contains("; Secure"), secure, "{proto}");
    }
}

#[test]
fn a_page_whose_cookie_would_not_count_gets_none() {
    let gateway = HS256.gateway();
    for foreign in ["Origin: https://evil.example", "Sec-Fetch-Site: cross-site"] {
        let path = format!("/events/acme?ticket={}", ticket(&gateway, &token_for(&["acme"])));
        let head = subscribe(&gateway, &path, &[foreign]);
        assert_eq!((head.status, head.header("set-cookie")), (200, None), "{foreign}");
    }
}

#[test]
fn a_token_that_is_too_long_for_a_cookie_opens_its_stream_all_the_same() {
    let gateway = HS256.gateway();
    let long = HS256.sign(&claims(&json!({"padding": "x".repeat(3500)})));
    let head = subscribe(&gateway, &format!("/events/acme?ticket={}", ticket(&gateway, &long)), &[]);
    assert_eq!((head.status, head.header("set-cookie")), (200, None));
    assert_eq!(counter(&gateway, "pushgate_auth_cookies_too_long_total"), 1);
}

#[test]
fn a_ticket_whose_key_is_gone_counts_no_more() {
    let gateway = HS256.gateway();
    let path = format!("/events/acme?ticket={}", ticket(&gateway, &token_for(&["acme"])));
    gateway.reload(|policy| policy.auth = auth(super::SIGNERS[2].jwt()));
    assert_eq!(get(gateway.public, &path, &[EVENTS]).status, 401);
}

#[test]
fn a_ticket_is_got_by_the_frontends_cookie_too() {
    let gateway = HS256.gateway();
    let login = cookie(COOKIE, &token_for(&["acme"]));
    let own = format!("Origin: http://{}", gateway.public);
    assert_eq!(ask_ticket(&gateway, &[&login, &own]).status, 201);
    for headers in [vec![login.as_str()], vec![&login, "Origin: https://evil.example"]] {
        assert_eq!(ask_ticket(&gateway, &headers).problem(), "foreign-origin", "{headers:?}");
    }
}

#[test]
fn one_token_holds_so_many_tickets_and_no_more() {
    let gateway = HS256.gateway();
    let token = bearer(&token_for(&["acme"]));
    let answer = (0..=1000).map(|_| ask_ticket(&gateway, &[&token])).find(|answer| answer.status != 201).unwrap();
    assert_eq!((answer.status, answer.problem().as_str()), (429, "too-many-tickets"));
    assert!(answer.header("retry-after").is_some());
    assert_eq!(counter(&gateway, "pushgate_auth_tickets_issued_total"), 1000);
    assert_eq!(ask_ticket(&gateway, &[&bearer(&token_for(&["acme", "globex"]))]).status, 201);
}

#[test]
fn without_tokens_tickets_work_so_that_frontends_need_no_switch() {
    let gateway = Gateway::start_with(|config| config.policy.auth.mode = AuthMode::None);
    let answer = ask_ticket(&gateway, &[]);
    assert_eq!((answer.status, &answer.json()["expires_in"]), (201, &json!(30)));
    let path = format!("/events/acme?ticket={}", answer.json()["ticket"].as_str().unwrap());
    for _ in 0..2 {
        let head = subscribe(&gateway, &path, &[]);
        assert_eq!((head.status, head.header("set-cookie")), (200, None));
    }
}
