use std::time::Duration;

use crate::{
    client::{Stream, get, request},
    gateway::Gateway,
};

const EVENTS: &str = "Accept: text/event-stream";

#[test]
fn a_stream_has_the_headers_that_proxies_and_browsers_need() {
    let gateway = Gateway::start();
    let (mut stream, head) = Stream::events(gateway.public, "/events/acme", &["Accept-Encoding: gzip, br"]);
    assert_eq!(head.status, 200);
    for (name, value) in [
        ("content-type", "text/event-stream"),
        ("cache-control", "no-store, no-transform"),
        ("x-accel-buffering", "no"),
        ("x-content-type-options", "nosniff"),
    ] {
        assert_eq!(head.header(name), Some(value), "{name}");
    }
    assert_eq!((head.header("content-encoding"), head.header("content-length")), (None, None));
    assert!(stream.until("event: open").contains("\nretry: "));
}

#[test]
fn head_tells_the_headers_and_opens_no_stream() {
    let gateway = Gateway::start();
    let answer = request(gateway.public, "HEAD", "/events/acme", &[EVENTS]);
    assert_eq!((answer.status, answer.body.as_str()), (200, ""));
    assert_eq!(answer.header("content-type"), Some("text/event-stream"));
    assert_eq!(request(gateway.public, "HEAD", "/events/nobody", &[EVENTS]).status, 404);
    assert!(get(gateway.admin, "/metrics", &[]).body.contains("\npushgate_http_streams_opened_total 0\n"));
}

#[test]
fn a_commit_reaches_the_streams_that_carry_its_tenant() {
    let gateway = Gateway::start();
    let (mut both, _) = Stream::events(gateway.public, "/events?tenant=acme&tenant=globex&tenant=acme", &[]);
    let (mut one, _) = Stream::events(gateway.public, "/events/globex", &[]);
    both.until("event: open");
    one.until("event: open");
    gateway.commit("acme", "for-acme", None);
    gateway.commit("globex", "for-globex", None);
    let text = both.until("for-globex");
    assert!(text.contains("id: memory-1\ndata: {\"tenant\":\"acme\",\"id\":\"for-acme\""), "{text}");
    let text = one.until("for-globex");
    assert!(!text.contains("for-acme"), "{text}");
}

#[test]
fn a_cursor_is_read_from_header_and_query_in_their_order() {
    let gateway = Gateway::start();
    for n in 1..=4 {
        gateway.commit("acme", &format!("p-{n}"), None);
    }
    let table: [(&[&str], &str, &[&str]); 7] = [
        (&["Last-Event-ID: memory-3"], "?last_event_id=memory-1", &["p-4"]),
        (&["Last-Event-ID:"], "?last_event_id=memory-2", &["p-3", "p-4"]),
        (&[], "?lastEventId=memory-2&since=memory-3", &["p-3", "p-4"]),
        (&[], "?since=memory-1", &["p-2", "p-3", "p-4"]),
        (&[], "?since=earliest", &["p-1", "p-2", "p-3", "p-4"]),
        (&[], "?since=", &[]),
        (&["Last-Event-ID: other-1"], "", &["p-1", "p-2", "p-3", "p-4"]),
    ];
    for (count, (headers, query, expected)) in table.into_iter().enumerate() {
        let (mut stream, _) = Stream::events(gateway.public, &format!("/events/acme{query}"), headers);
        let mut text = stream.until("event: open");
        let last = format!("last-{count}");
        gateway.commit("acme", &last, None);
        text.push_str(&stream.until(&last));
        let seen: Vec<_> = (1..=4).map(|n| format!("p-{n}")).filter(|id| text.contains(&format!("\"{id}\""))).collect();
        assert_eq!(seen, expected, "{headers:?} {query}");
    }
}

#[test]
fn what_is_no_cursor_gets_a_gap_and_never_an_error() {
    let gateway = Gateway::start();
    for (header, query) in
        [("Last-Event-ID: <script>", ""), ("Last-Event-ID: \u{fe}\u{ff}", ""), ("X: y", "?since=%ff%00")]
    {
        let (mut stream, head) = Stream::events(gateway.public, &format!("/events/acme{query}"), &[header]);
        assert_eq!(head.status, 200);
        let text = stream.until("event: gap");
        let text = if text.contains("malformed") { text } else { stream.until("malformed") };
        assert!(text.contains("\"reason\":\"malformed\""), "{text}");
    }
}

#[test]
fn a_stream_that_hung_up_is_gone() {
    let gateway = Gateway::start();
    let (mut stream, _) = Stream::events(gateway.public, "/events/acme", &[]);
    stream.until("event: open");
    gateway.wait_for_subscribers("acme", 1);
    drop(stream);
    gateway.wait_for_subscribers("acme", 0);
}

#[cfg(target_os = "linux")]
#[test]
fn a_stream_that_takes_no_bytes_is_closed_and_others_go_on() {
    let gateway = Gateway::start_with(|config| config.public.stall_timeout = Duration::from_millis(500));
    let (mut stalled, _) = Stream::events(gateway.public, "/events/acme", &[]);
    stalled.until("event: open");
    let (mut other, _) = Stream::events(gateway.public, "/events/globex", &[]);
    other.until("event: open");
    // More than both kernels hold for a connection.
    let body = "x".repeat(1 << 20);
    for n in 0..24 {
        gateway.commit_text("acme", &format!("p-{n}"), None, &body);
    }
    gateway.wait_for_subscribers("acme", 0);
    gateway.commit("globex", "still-here", None);
    other.until("still-here");
}

#[test]
fn a_drain_ends_streams_with_a_word_and_turns_others_away() {
    let gateway = Gateway::start();
    let (mut stream, _) = Stream::events(gateway.public, "/events/acme", &[EVENTS]);
    stream.until("event: open");
    gateway.lifecycle.set_draining();
    gateway.fanout.drain(std::time::Duration::ZERO);
    let text = stream.rest();
    assert!(text.contains("event: shutdown\n") && text.contains("retry: "), "{text}");

    let (mut late, head) = Stream::events(gateway.public, "/events/acme", &[EVENTS]);
    assert_eq!(head.status, 200);
    let text = late.rest();
    assert!(text.contains("event: shutdown\n") && text.contains("retry: "), "{text}");

    let fetch = get(gateway.public, "/events/acme", &["Accept: */*"]);
    assert_eq!((fetch.status, fetch.problem().as_str()), (503, "draining"));
    assert!(fetch.header("retry-after").unwrap().parse::<u32>().unwrap() > 0);
}

#[test]
fn before_the_tenants_are_loaded_a_stream_is_told_to_come_back() {
    let gateway = Gateway::start_unready();
    let events = get(gateway.public, "/events/nobody-yet", &[EVENTS]);
    assert_eq!(events.status, 200);
    let retry: u64 = events.body.strip_prefix("retry: ").unwrap().trim_end().parse().unwrap();
    assert!((1_000..=5_000).contains(&retry), "{retry}");
    assert_eq!(events.header("connection"), Some("close"));
    let fetch = get(gateway.public, "/events/nobody-yet", &[]);
    assert_eq!((fetch.status, fetch.problem().as_str()), (503, "starting"));
    let metrics = get(gateway.admin, "/metrics", &[]).body;
    assert!(metrics.contains("pushgate_http_streams_refused_total{reason=\"starting\"} 2"), "{metrics}");
}

#[test]
fn a_removed_tenant_ends_its_streams_and_is_no_content_until_its_name_returns() {
    let gateway = Gateway::start_dialling();
    gateway.make("beta");
    let (mut one, _) = Stream::events(gateway.public, "/events/beta", &[EVENTS]);
    let (mut both, _) = Stream::events(gateway.public, "/events?tenant=beta&tenant=globex", &[EVENTS]);
    one.until("event: open");
    both.until("event: open");
    gateway.remove("beta");
    assert!(one.rest().contains("event: tenant-removed\ndata: {\"tenant\":\"beta\"}"));
    assert!(both.until("event: tenant-removed").contains("beta"));
    gateway.commit("globex", "still-here", None);
    both.until("still-here");

    let gone = get(gateway.public, "/events/beta", &[EVENTS]);
    assert_eq!((gone.status, gone.body.as_str(), gone.header("content-type")), (204, "", None));
    assert_eq!(request(gateway.public, "HEAD", "/events/beta", &[EVENTS]).status, 204);
    assert_eq!(get(gateway.public, "/events?tenant=beta&tenant=nobody", &[EVENTS]).problem(), "unknown-tenant");
    assert_eq!(get(gateway.public, "/tenants/beta/pushes", &[]).problem(), "unknown-tenant");
    let (mut rest, head) = Stream::events(gateway.public, "/events?tenant=beta&tenant=globex", &[EVENTS]);
    assert_eq!(head.status, 200);
    let open = rest.until("event: open");
    assert!(open.contains("\"globex\"") && !open.contains("\"beta\""), "{open}");

    gateway.make("beta");
    let (mut again, head) = Stream::events(gateway.public, "/events/beta", &[EVENTS]);
    assert_eq!(head.status, 200);
    again.until("event: open");
    gateway.commit("beta", "back-again", None);
    again.until("back-again");
}

kept!(
    a_stream_has_the_headers_that_proxies_and_browsers_need,
    a_commit_reaches_the_streams_that_carry_its_tenant,
    a_cursor_is_read_from_header_and_query_in_their_order,
    what_is_no_cursor_gets_a_gap_and_never_an_error,
    a_stream_that_hung_up_is_gone,
    a_drain_ends_streams_with_a_word_and_turns_others_away,
    a_removed_tenant_ends_its_streams_and_is_no_content_until_its_name_returns,
);
