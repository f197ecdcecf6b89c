//! What every client and proxy may rely on below the level of routes.

use crate::{
    client::{Stream, get, raw, request, send_with},
    gateway::Gateway,
};

const EVENTS: &str = "Accept: text/event-stream";

fn status(answer: &str) -> u16 {
    answer.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or_else(|| panic!("no answer: {answer:?}"))
}

#[test]
fn http_1_0_gets_a_body_that_the_end_of_the_connection_ends() {
    let gateway = Gateway::start();
    let answer = raw(gateway.public, b"GET /tenants/acme/pushes HTTP/1.0\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.0 200 OK\r\n") && answer.ends_with("\"next\":null}"), "{answer}");

    let head = Stream::with(gateway.public, "GET /events/acme HTTP/1.0\r\n\r\n").head();
    assert_eq!((head.status, head.header("transfer-encoding")), (200, None));
}

#[test]
fn the_end_of_a_plain_connection_ends_its_stream() {
    for (version, connection) in [("1.0", None), ("1.1", Some("close"))] {
        let gateway = Gateway::start();
        let request = format!("GET /events/acme HTTP/{version}\r\nHost: a\r\nConnection: keep-alive\r\n\r\n");
        let mut stream = Stream::with(gateway.public, &request);
        let head = stream.head();
        assert_eq!((head.status, head.header("connection")), (200, connection), "{version}");
        assert_eq!((head.header("transfer-encoding"), head.header("content-length")), (None, None), "{version}");
        let begin = stream.until("event: open");
        assert!(begin.starts_with(":ok\nretry: "), "no chunks: {begin}");
        gateway.commit("acme", "p-1", None);
        stream.until("p-1");
        gateway.fanout.drain(std::time::Duration::ZERO);
        let end = stream.rest();
        assert!(end.contains("event: shutdown") && end.ends_with("\n\n"), "{version}: {end}");
    }
}

#[test]
fn a_path_is_what_it_is() {
    let gateway = Gateway::start();
    for path in ["/events/acme", "/events/%61cme", "/events/%61%63%6D%65", "/events/acme?x=y&unknown", "/events/acme?"]
    {
        assert_eq!(request(gateway.public, "HEAD", path, &[EVENTS]).status, 200, "{path}");
    }
    for path in [
        "/events/acme/",
        "/events/",
        "//events/acme",
        "/events//acme",
        "/./events/acme",
        "/x/../events/acme",
        "/Events/acme",
        "/events/acme%2F",
        "/events/acme%00",
        "/events%2Facme",
        "/tenants/acme/pushes/",
    ] {
        let answer = get(gateway.public, path, &[EVENTS]);
        assert_eq!((answer.status, answer.header("location")), (404, None), "{path}");
        answer.problem();
    }
}

#[test]
fn the_target_may_have_its_absolute_form() {
    let gateway = Gateway::start();
    for target in ["http://push.example.com/events/acme", "https://push.example.com:8443/events/acme?since=earliest"] {
        assert_eq!(request(gateway.public, "HEAD", target, &[EVENTS]).status, 200, "{target}");
    }
    assert_eq!(request(gateway.public, "HEAD", "http://push.example.com/nothing", &[]).status, 404);
    for (method, target) in [("OPTIONS", "*"), ("CONNECT", "push.example.com:443")] {
        assert_eq!(request(gateway.public, method, target, &[]).status, 404, "{method} {target}");
    }
}

#[test]
fn parameters_may_come_twice() {
    let gateway = Gateway::start();
    gateway.commit("acme", "p-1", None);
    gateway.commit("acme", "p-2", None);
    let path = "/events?tenant=globex&tenant=acme&tenant=acme&since=&since=memory-1&since=earliest&other=1";
    let (mut stream, _) = Stream::events(gateway.public, path, &[EVENTS]);
    let text = stream.until("\"p-2\"");
    assert!(!text.contains("\"p-1\""), "the first that is not empty counts: {text}");
}

#[test]
fn a_host_is_needed_once() {
    let gateway = Gateway::start();
    for head in [
        "GET /tenants/acme/pushes HTTP/1.1\r\n\r\n",
        "GET /tenants/acme/pushes HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "GET /tenants/acme/pushes HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
    ] {
        let answer = raw(gateway.public, head.as_bytes());
        assert_eq!(status(&answer), 400, "{answer}");
    }
    assert_eq!(get(gateway.public, "/tenants/acme/pushes", &["Host:"]).status, 200, "an empty one is one");
}

#[test]
fn whoever_waits_for_a_word_before_a_body_gets_it() {
    let gateway = Gateway::start_dialling();
    gateway.commit("acme", "p-1", None);
    let body = r#"{"status":"ack"}"#;
    let head = format!(
        "POST /tenants/acme/pushes/p-1/ack HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: {}\r\n\
         Expect: 100-continue\r\n\r\n",
        body.len()
    );
    let mut stream = Stream::with(gateway.public, &head);
    assert_eq!(stream.head().status, 100);
    stream.write(body.as_bytes());
    assert_eq!(stream.answer().status, 204);
}

#[test]
fn nothing_is_upgraded() {
    let gateway = Gateway::start();
    for upgrade in ["websocket", "h2c", "TLS/1.2"] {
        let header = format!("Upgrade: {upgrade}");
        let answer = request(gateway.public, "HEAD", "/events/acme", &["Connection: Upgrade", &header]);
        assert_eq!((answer.status, answer.header("upgrade")), (200, None), "{upgrade}");
    }
    let answer = raw(gateway.public, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    assert_eq!(status(&answer), 400, "HTTP/2 needs TLS here: {answer}");
}

#[test]
fn a_body_that_nobody_asked_for_is_ignored() {
    let gateway = Gateway::start();
    let answer = send_with(gateway.public, ("GET", "/tenants/acme/pushes"), &[], "hello");
    assert_eq!(answer.status, 200);
    let (mut stream, head) = Stream::events(gateway.public, "/events/acme", &["Content-Length: 5"]);
    assert_eq!(head.status, 200);
    stream.write(b"hello");
    stream.until("event: open");
    gateway.commit("acme", "p-1", None);
    stream.until("p-1");
}

#[test]
fn everything_is_below_the_base_path() {
    let gateway = Gateway::start_with(|config| {
        config.public.base_path = "/push/v1".to_owned();
        config.public.demo_page = true;
    });
    gateway.commit("acme", "p-1", None);
    for path in ["/push/v1/events/acme", "/push/v1/events?tenant=acme", "/push/v1/tenants/acme/pushes", "/push/v1/"] {
        assert_eq!(request(gateway.public, "HEAD", path, &[EVENTS]).status, 200, "{path}");
    }
    assert_eq!(get(gateway.public, "/push/v1/demo.js", &[]).status, 200);
    assert_eq!(
        request(gateway.public, "OPTIONS", "/push/v1/events/acme", &[]).header("allow"),
        Some("GET, HEAD, OPTIONS")
    );
    for path in
        ["/events/acme", "/", "/push", "/push/v1", "/push/v1x/events/acme", "/push/v1/nothing", "/push/v1/push/v1/"]
    {
        let answer = get(gateway.public, path, &[EVENTS]);
        assert_eq!((answer.status, answer.problem().as_str()), (404, "not-found"), "{path}");
    }
    assert_eq!(request(gateway.public, "POST", "/push/v1/events/acme", &[]).problem(), "method-not-allowed");
}
