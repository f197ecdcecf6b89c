use crate::{
    client::{Answer, Stream, get, request},
    gateway::Gateway,
};

const PAGE: &str = "Origin: https://app.example.com";
const FOREIGN: &str = "Origin: https://app.example.com.evil.example";

fn gateway() -> Gateway {
    Gateway::start_with(|config| {
        config.policy.cors_origins = ["https://app.example.com", "http://localhost:5173"].map(str::to_owned).into();
        config.policy.limits.streams_per_tenant = 1;
    })
}

/// What a page of `origin` may do with an answer.
fn assert_readable(answer: &Answer, origin: &str) {
    assert_eq!(answer.header("access-control-allow-origin"), Some(origin), "{answer:?}");
    assert_eq!(answer.header("access-control-allow-credentials"), Some("true"));
    assert!(answer.varies_by("Origin"), "{answer:?}");
}

fn assert_unreadable(answer: &Answer) {
    for name in ["allow-origin", "allow-credentials", "allow-methods", "allow-headers", "expose-headers", "max-age"] {
        assert_eq!(answer.header(&format!("access-control-{name}")), None, "{answer:?}");
    }
}

#[test]
fn a_listed_page_may_read_streams_and_errors() {
    let gateway = gateway();
    let (mut stream, head) = Stream::events(gateway.public, "/events/acme", &[PAGE]);
    stream.until("event: open");
    assert_readable(&head, "https://app.example.com");
    for (path, status) in [("/events/acme", 429), ("/events/nobody", 404), ("/nothing", 404), ("/events", 400)] {
        let answer = get(gateway.public, path, &[PAGE]);
        assert_eq!(answer.status, status);
        assert_readable(&answer, "https://app.example.com");
        assert_eq!(answer.header("access-control-expose-headers"), Some("Retry-After, WWW-Authenticate, ETag"));
    }
    let other = get(gateway.public, "/tenants/acme/pushes", &["Origin: http://localhost:5173"]);
    assert_readable(&other, "http://localhost:5173");
}

#[test]
fn a_preflight_is_answered_with_what_the_path_takes() {
    let gateway = gateway();
    let ask = ["Access-Control-Request-Method: POST", "Access-Control-Request-Headers: authorization,content-type"];
    for (path, methods) in [
        ("/events", "GET, HEAD, OPTIONS"),
        ("/events/acme", "GET, HEAD, OPTIONS"),
        ("/tenants/acme/pushes", "GET, HEAD, OPTIONS"),
        ("/tenants/acme/pushes/p-1/ack", "POST, OPTIONS"),
    ] {
        let answer = request(gateway.public, "OPTIONS", path, &[PAGE, ask[0], ask[1]]);
        assert_eq!((answer.status, answer.body.as_str()), (204, ""), "{path}");
        assert_readable(&answer, "https://app.example.com");
        assert_eq!(answer.header("access-control-allow-methods"), Some(methods), "{path}");
        let headers = answer.header("access-control-allow-headers").unwrap();
        for name in ["Authorization", "Content-Type", "Last-Event-ID", "Cache-Control"] {
            assert!(headers.contains(name), "{headers}");
        }
        assert!(answer.header("access-control-max-age").unwrap().parse::<u32>().unwrap() > 0);
    }
    let plain = request(gateway.public, "OPTIONS", "/events/acme", &[PAGE]);
    assert_eq!((plain.status, plain.header("access-control-allow-methods")), (204, None), "it is no preflight");
}

#[test]
fn other_pages_are_served_and_may_not_read() {
    let gateway = gateway();
    for origin in [FOREIGN, "Origin: null", "Origin: http://app.example.com", "Origin: https://APP.example.com", "X: y"]
    {
        let answer = get(gateway.public, "/tenants/acme/pushes", &[origin]);
        assert_eq!((answer.status, answer.varies_by("Origin")), (200, true), "{origin}");
        assert_unreadable(&answer);
        let preflight =
            request(gateway.public, "OPTIONS", "/events/acme", &[origin, "Access-Control-Request-Method: GET"]);
        assert_eq!((preflight.status, preflight.varies_by("Origin")), (204, true), "{origin}");
        assert_unreadable(&preflight);
    }
    let twice = get(gateway.public, "/tenants/acme/pushes", &[PAGE, FOREIGN]);
    assert_unreadable(&twice);
}

#[test]
fn without_a_list_nothing_is_said_and_a_reload_sets_one() {
    let gateway = Gateway::start();
    let answer = get(gateway.public, "/tenants/acme/pushes", &[PAGE]);
    assert_unreadable(&answer);
    assert!(!answer.varies_by("Origin"), "{answer:?}");
    gateway.reload(|policy| policy.cors_origins = ["https://app.example.com".to_owned()].into());
    assert_readable(&get(gateway.public, "/tenants/acme/pushes", &[PAGE]), "https://app.example.com");
    let admin = get(gateway.admin, "/api/tenants", &["Host: localhost", "Origin: http://localhost"]);
    assert_eq!(admin.status, 200);
    assert_unreadable(&admin);
}
