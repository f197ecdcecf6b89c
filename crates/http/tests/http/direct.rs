//! Streams that have their connection for themselves: what only they can get wrong.

use std::time::Duration;

use crate::{client::Stream, gateway::Gateway};

const REQUEST: &str = "GET /events/acme HTTP/1.1\r\nHost: a\r\nAccept: text/event-stream\r\n\r\n";

fn opened(gateway: &Gateway) -> Stream {
    let (mut stream, head) = Stream::events(gateway.public, "/events/acme", &[]);
    assert_eq!((head.status, head.header("transfer-encoding")), (200, None));
    stream.until("event: open");
    stream
}

#[test]
fn what_the_socket_did_not_take_comes_whole_and_in_order() {
    let gateway = Gateway::start();
    let mut slow = opened(&gateway);
    let mut quick = opened(&gateway);
    // More than both kernels hold for a connection, and more than the tail keeps.
    let body = "x".repeat(100 << 10);
    for n in 1..=100 {
        gateway.commit_text("acme", &format!("p-{n};"), None, &body);
    }
    for stream in [&mut quick, &mut slow] {
        let text = stream.until("\"id\":\"p-100;\"");
        let ids: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("id: memory-")).collect();
        assert_eq!(ids, (1..=100).map(|n| n.to_string()).collect::<Vec<_>>());
        let data = text.lines().filter(|line| line.starts_with("data: {")).take(99);
        assert!(data.clone().count() == 99 && data.clone().all(|line| line.len() > body.len() && line.ends_with('}')));
    }
    gateway.commit("acme", "p-after", None);
    slow.until("p-after");
}

#[test]
fn a_client_that_sends_into_its_stream_is_ignored_and_then_cut() {
    let gateway = Gateway::start();
    let mut stream = opened(&gateway);
    stream.write(REQUEST.as_bytes());
    gateway.commit("acme", "p-1", None);
    stream.until("p-1");
    gateway.wait_for_subscribers("acme", 1);
    let mut flood = opened(&gateway);
    flood.write(&vec![b'x'; (64 << 10) + 1]);
    gateway.wait_for_subscribers("acme", 1);
    gateway.commit("acme", "p-2", None);
    assert!(!stream.until("p-2").contains("HTTP/1.1"), "a request that came behind is not answered");
}

#[test]
fn a_request_that_came_with_the_first_one_is_not_answered() {
    let gateway = Gateway::start();
    let mut stream = Stream::with(gateway.public, &REQUEST.repeat(2));
    assert_eq!(stream.head().status, 200);
    gateway.commit("acme", "p-1", None);
    assert!(!stream.until("p-1").contains("HTTP/1.1"));
    gateway.wait_for_subscribers("acme", 1);
}

#[test]
fn a_stop_waits_for_what_a_stream_is_being_sent() {
    let mut gateway = Gateway::start();
    let mut stream = opened(&gateway);
    let body = "x".repeat(64 << 10);
    for n in 1..=4 {
        gateway.commit_text("acme", &format!("p-{n}"), None, &body);
    }
    gateway.fanout.drain(Duration::ZERO);
    gateway.wait_for_subscribers("acme", 0);
    gateway.stop();
    let text = stream.rest();
    assert!(text.contains("event: shutdown") && text.ends_with("\n\n"), "{}", text.len());
}

#[test]
fn a_stream_that_has_ended_gives_its_place_back_before_its_client_hangs_up() {
    let gateway = Gateway::start_with(|config| config.policy.limits.streams_per_address = 1);
    let mut first = opened(&gateway);
    gateway.fanout.drain(Duration::ZERO);
    assert!(first.rest().contains("event: shutdown"));
    let (_second, head) = Stream::events(gateway.public, "/events/acme", &["Accept: */*"]);
    assert_eq!(head.status, 200, "it has seen the end of the first, whose socket it has not closed yet");
}
