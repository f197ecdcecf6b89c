use super::*;
use crate::raw_server::{RawServer, STAY_OPEN, run};

/// The response of a stream that ends, or breaks off, with its connection after this text.
fn ends(text: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nConnection: close\r\n\r\n{text}")
}

/// The same in chunks, of which the last one does not come.
fn breaks(text: &str) -> String {
    let head =
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nTransfer-Encoding: chunked\r\n\r\n";
    format!("{head}{:x}\r\n{text}\r\n", text.len())
}

/// The response of a stream that stays open after this text.
fn stays(text: &str) -> String {
    ends(text) + STAY_OPEN
}

fn follow(server: &RawServer) -> EventStream {
    let retry = Duration::from_millis(1);
    EventStream::connect(StreamConfig { retry, ..StreamConfig::new(server.url("/events/acme")) }).unwrap()
}

async fn next(stream: &mut EventStream) -> StreamItem {
    stream.next().await.unwrap().unwrap()
}

async fn next_event(stream: &mut EventStream) -> Event {
    loop {
        if let StreamItem::Event(event) = next(stream).await {
            return event;
        }
    }
}

#[test]
fn items_come_as_the_server_wrote_them() {
    run(async {
        let server = RawServer::start([&stays(": hi\nretry: 5\nid: e-1\ndata: x\n\n")]);
        let mut stream = follow(&server);
        assert_eq!(next(&mut stream).await, StreamItem::Opened);
        assert_eq!(next(&mut stream).await, StreamItem::Comment(" hi".into()));
        assert_eq!(next(&mut stream).await, StreamItem::Retry(Duration::from_millis(5)));
        let event = next_event(&mut stream).await;
        assert_eq!((event.data.as_str(), event.cursor().unwrap().to_string()), ("x", "e-1".to_owned()));
        assert!(server.request().to_lowercase().contains("\r\naccept: text/event-stream\r\n"));
    });
}

#[test]
fn an_ended_stream_resumes_from_its_last_event() {
    run(async {
        let server = RawServer::start([
            &breaks("id: e-1\ndata: a\n\nid: e-2\ndata: cut off"),
            &(breaks("data: b\n\n") + "0\r\n\r\n"),
            &ends("data: c\n\nid: e-3\ndata: cut off"),
            &stays("data: d\n\n"),
        ]);
        let mut stream = follow(&server);
        let mut seen = Vec::new();
        for _ in 0..4 {
            seen.push(next_event(&mut stream).await.data);
        }
        assert_eq!(seen, ["a", "b", "c", "d"]);
        assert!(!server.request().to_lowercase().contains("last-event-id"));
        for _ in 0..3 {
            assert!(server.request().to_lowercase().contains("\r\nlast-event-id: e-1\r\n"));
        }
    });
}

#[test]
fn the_given_cursor_token_and_headers_are_sent() {
    run(async {
        let server = RawServer::start([&stays("data: a\n\n")]);
        let config = StreamConfig {
            cursor: Some("e-9".into()),
            bearer: Some("secret".into()),
            headers: vec![("X-Test".into(), "1".into())],
            ..StreamConfig::new(server.url("/"))
        };
        let mut stream = EventStream::connect(config).unwrap();
        next_event(&mut stream).await;
        let request = server.request().to_lowercase();
        for line in ["last-event-id: e-9", "authorization: bearer secret", "x-test: 1"] {
            assert!(request.contains(&format!("\r\n{line}\r\n")), "{request}");
        }
        assert!(!format!("{stream:?}").contains("secret"));
    });
}

#[test]
fn another_token_is_sent_from_the_next_connect_on() {
    run(async {
        let server = RawServer::start([&ends("data: a\n\n"), &stays("data: b\n\n")]);
        let mut stream = follow(&server);
        stream.set_bearer(Some("one".into())).unwrap();
        next_event(&mut stream).await;
        stream.set_bearer(Some("two".into())).unwrap();
        assert!(matches!(stream.set_bearer(Some("a\nb".into())), Err(StreamError::Config(_))));
        next_event(&mut stream).await;
        for token in ["one", "two"] {
            assert!(server.request().to_lowercase().contains(&format!("\r\nauthorization: bearer {token}\r\n")));
        }
    });
}

#[test]
fn errors_that_may_pass_are_tried_again() {
    run(async {
        let server = RawServer::start([
            "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n",
            "HTTP/1.1 429 Slow\r\nContent-Length: 0\r\n\r\n",
            "garbage\r\n\r\n",
            &stays("data: a\n\n"),
        ]);
        let mut stream = follow(&server);
        for _ in 0..3 {
            assert!(matches!(next(&mut stream).await, StreamItem::Closed { .. }));
        }
        assert_eq!(next_event(&mut stream).await.data, "a");
    });
}

#[test]
fn a_retry_after_is_obeyed() {
    run(async {
        let server = RawServer::start(["HTTP/1.1 503 Busy\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n"]);
        let StreamItem::Closed { again_in, .. } = next(&mut follow(&server)).await else { panic!("open") };
        assert!(again_in >= Duration::from_secs(7));
    });
}

#[test]
fn refusals_end_the_stream_for_good() {
    let refused = |status| StreamError::Refused { status, detail: "why".into() };
    let cases = [
        ("HTTP/1.1 204 No Content\r\n\r\n", StreamError::Gone),
        ("HTTP/1.1 401 No\r\nContent-Length: 3\r\n\r\nwhy", refused(401)),
        ("HTTP/1.1 404 No\r\nContent-Length: 3\r\n\r\nwhy", refused(404)),
        (
            "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 0\r\n\r\n",
            StreamError::NotAnEventStream("text/html".into()),
        ),
    ];
    for (response, error) in cases {
        run(async move {
            let server = RawServer::start([response]);
            let mut stream = follow(&server);
            assert_eq!(stream.next().await, Some(Err(error)));
            assert_eq!(stream.next().await, None);
        });
    }
}

#[test]
fn a_stream_without_a_byte_is_dead() {
    run(async {
        let server = RawServer::start([&stays(": hi\n")]);
        let idle_timeout = Duration::from_millis(20);
        let config = StreamConfig { idle_timeout, ..StreamConfig::new(server.url("/")) };
        let mut stream = EventStream::connect(config).unwrap();
        assert_eq!(next(&mut stream).await, StreamItem::Opened);
        assert!(matches!(next(&mut stream).await, StreamItem::Comment(_)));
        assert!(matches!(next(&mut stream).await, StreamItem::Closed { .. }));
    });
}

#[test]
fn the_wait_follows_the_server_and_grows_with_failures() {
    run(async {
        let server = RawServer::start([&ends("retry: 100\n\n")]);
        let mut stream = follow(&server);
        for base in [100, 100, 200, 400] {
            let again_in = loop {
                if let StreamItem::Closed { again_in, .. } = next(&mut stream).await {
                    break again_in;
                }
            };
            let base = Duration::from_millis(base);
            assert!(again_in >= base.mul_f64(0.8) && again_in <= base.mul_f64(1.2), "{again_in:?} for {base:?}");
            // From here on nobody listens, and nobody waits for the next attempt.
            stream.config.url = "http://127.0.0.1:1/".into();
            stream.phase = Phase::Waiting(Box::pin(sleep(Duration::ZERO)));
        }
    });
}

#[test]
fn what_cannot_be_sent_is_refused_at_once() {
    let with_header = |value: &str| StreamConfig {
        headers: vec![("X-A".into(), value.into())],
        ..StreamConfig::new("http://localhost/")
    };
    let with_token =
        |token: &str| StreamConfig { bearer: Some(token.into()), ..StreamConfig::new("http://localhost/") };
    for config in [
        StreamConfig::new("nowhere"),
        StreamConfig::new("https://localhost/"),
        with_header("a\nb"),
        with_token("a b"),
        with_token(""),
    ] {
        run(async move { assert!(matches!(EventStream::connect(config), Err(StreamError::Config(_)))) });
    }
}
