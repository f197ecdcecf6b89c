use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use pushgate_http::{AuthConfig, AuthMode, Claims, JwtConfig, Keys, Scope, SigningKey, StreamLimits, VerifyKey, mint};
use pushgate_model::Timestamp;

use crate::{
    client::{Answer, Stream, get, request},
    gateway::Gateway,
};

const EVENTS: &str = "Accept: text/event-stream";

fn limited(limits: impl FnOnce(&mut StreamLimits)) -> Gateway {
    Gateway::start_with(|config| limits(&mut config.policy.limits))
}

fn open(gateway: &Gateway, path: &str) -> Stream {
    let (mut stream, head) = Stream::events(gateway.public, path, &[EVENTS]);
    assert_eq!(head.status, 200);
    stream.until("event: open");
    stream
}

/// Both kinds of callers are told to come back, each in a way that it understands.
fn assert_refused(gateway: &Gateway, path: &str, limit: &str) {
    let before = refused(gateway, limit);
    let (mut browser, head) = Stream::events(gateway.public, path, &[EVENTS]);
    assert_eq!((head.status, head.header("content-type")), (200, Some("text/event-stream")), "{limit}");
    let text = browser.rest();
    let retry: u64 = text.strip_prefix("retry: ").unwrap().trim_end().parse().unwrap();
    assert!((1_000..=5_000).contains(&retry), "{text}");
    let other = get(gateway.public, path, &["Accept: */*"]);
    assert_eq!((other.status, other.problem().as_str()), (429, "over-limit"), "{limit}");
    assert!(other.header("retry-after").unwrap().parse::<u32>().unwrap() > 0);
    let detail = other.json()["detail"].as_str().unwrap().to_owned();
    assert!(detail.ends_with(&format!("server.limits.{limit}")), "{detail}");
    assert_eq!(refused(gateway, limit), before + 2, "{limit}");
}

fn refused(gateway: &Gateway, limit: &str) -> u64 {
    let body = get(gateway.admin, "/metrics", &[]).body;
    let sample = format!("pushgate_http_streams_refused_total{{reason=\"{limit}\"}} ");
    body.lines().find_map(|line| line.strip_prefix(&sample)).unwrap().parse().unwrap()
}

/// Asks until a place is free.
fn open_once_free(gateway: &Gateway, path: &str) -> Stream {
    let until = Instant::now() + Duration::from_secs(20);
    loop {
        let (mut stream, head) = Stream::events(gateway.public, path, &["Accept: */*"]);
        if head.status == 200 {
            stream.until("event: open");
            return stream;
        }
        assert!(Instant::now() < until, "no place became free");
    }
}

#[test]
fn each_limit_refuses_in_two_ways_and_frees_its_places() {
    type Set = fn(&mut StreamLimits);
    let table: [(&str, Set, &str); 3] = [
        ("streams", |limits| limits.streams = 2, "/events/globex"),
        ("streams_per_tenant", |limits| limits.streams_per_tenant = 2, "/events?tenant=globex&tenant=acme"),
        ("streams_per_address", |limits| limits.streams_per_address = 2, "/events/globex"),
    ];
    for (limit, set, path) in table {
        let gateway = limited(set);
        let first = open(&gateway, "/events/acme");
        let _second = open(&gateway, "/events/acme");
        assert_refused(&gateway, path, limit);
        drop(first);
        let _third = open_once_free(&gateway, path);
        assert_refused(&gateway, path, limit);
    }
}

#[test]
fn a_tenant_with_room_is_open_while_another_is_full() {
    let gateway = limited(|limits| limits.streams_per_tenant = 1);
    let _first = open(&gateway, "/events/acme");
    let _other = open(&gateway, "/events/globex");
    assert_refused(&gateway, "/events/acme", "streams_per_tenant");
}

#[test]
fn whoever_connects_too_often_waits() {
    let gateway = limited(|limits| limits.connects_per_second_per_address = 1);
    let head = |_| request(gateway.public, "HEAD", "/events/acme", &["Accept: */*"]);
    let answers: Vec<Answer> = (0..1_000).map(head).take_while(|answer| answer.status == 200).collect();
    assert!((1..1_000).contains(&answers.len()), "a HEAD counts too");
    assert!(refused(&gateway, "connects_per_second_per_address") > 0);
    assert_eq!(get(gateway.public, "/tenants/acme/pushes", &[]).status, 200, "it is about streams only");
}

#[test]
fn a_head_takes_no_place() {
    let gateway = limited(|limits| limits.streams = 1);
    for _ in 0..3 {
        assert_eq!(request(gateway.public, "HEAD", "/events/acme", &[EVENTS]).status, 200);
    }
    let _only = open(&gateway, "/events/acme");
}

#[test]
fn a_reload_changes_limits_and_leaves_streams() {
    let gateway = Gateway::start();
    let mut first = open(&gateway, "/events/acme");
    let _second = open(&gateway, "/events/acme");
    gateway.reload(|policy| policy.limits.streams = 1);
    assert_refused(&gateway, "/events/acme", "streams");
    gateway.commit("acme", "still-here", None);
    first.until("still-here");
    gateway.reload(|policy| policy.limits.streams = 3);
    let _third = open(&gateway, "/events/acme");
}

#[test]
fn a_token_has_its_own_limit_and_a_used_ticket_is_not_lost_on_it() {
    const SECRET: &str = "0123456789abcdef0123456789abcdef";
    let gateway = Gateway::start_with(|config| {
        let keys = Keys::Known(vec![VerifyKey::new("HS256", SECRET).unwrap()]);
        let jwt = JwtConfig { keys, issuer: None, audience: None, cookie: None };
        config.policy.auth = AuthConfig { mode: AuthMode::Jwt(jwt), ..AuthConfig::default() };
        config.policy.limits.streams_per_token = 1;
    });
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64;
    let bearer = |subject: &str| {
        let claims = Claims {
            tenants: Scope::All,
            presence: false,
            issuer: None,
            audience: None,
            subject: Some(subject.to_owned()),
            issued_at: Timestamp::from_millis(now),
            expires_at: Timestamp::from_millis(now + 600_000),
            key_id: None,
        };
        format!("Authorization: Bearer {}", mint(&SigningKey::new("HS256", SECRET).unwrap(), &claims))
    };
    let (ann, bob) = (bearer("ann"), bearer("bob"));
    let (mut first, head) = Stream::events(gateway.public, "/events/acme", &[&ann]);
    assert_eq!(head.status, 200);
    first.until("event: open");
    let over = get(gateway.public, "/events/globex", &[&ann, "Accept: */*"]);
    assert_eq!((over.status, over.problem().as_str()), (429, "over-limit"));
    assert!(over.json()["detail"].as_str().unwrap().ends_with("server.limits.streams_per_token"), "{over:?}");
    let (mut other, head) = Stream::events(gateway.public, "/events/acme", &[&bob]);
    assert_eq!(head.status, 200);
    other.until("event: open");

    let ticket = request(gateway.public, "POST", "/tickets", &[&ann]).json()["ticket"].as_str().unwrap().to_owned();
    let by_ticket = get(gateway.public, &format!("/events/acme?ticket={ticket}"), &[EVENTS]);
    assert_eq!((by_ticket.status, by_ticket.body.starts_with("retry: ")), (200, true), "{by_ticket:?}");
    assert!(by_ticket.header("set-cookie").is_some(), "a browser comes back by its cookie: {by_ticket:?}");
    assert_eq!(refused(&gateway, "streams_per_token"), 2);
}

kept!(
    each_limit_refuses_in_two_ways_and_frees_its_places,
    a_reload_changes_limits_and_leaves_streams,
    a_token_has_its_own_limit_and_a_used_ticket_is_not_lost_on_it,
);
