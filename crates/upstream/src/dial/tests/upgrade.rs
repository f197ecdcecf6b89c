use futures_util::StreamExt;
use pushgate_session::Frame;

use super::{
    peer::{Peer, Then},
    *,
};

fn says(text: &str) -> Then {
    Then::Say(text.replace('\n', "\r\n"))
}

async fn ending_after(then: Then) -> Ending {
    ending(AMPLE, &plain(Peer::start(then).await.address)).await
}

#[tokio::test]
async fn headers_credentials_and_query_arrive() {
    let mut peer = Peer::start(Then::Upgrade("", b"")).await;
    let mut tenant = plain(peer.address);
    tenant.bearer = Some("b3arer".into());
    tenant.headers = vec![("X-Account".to_owned(), "acme".into()), ("X-More".to_owned(), "1".into())];
    tenant.query = vec![("token".to_owned(), "a b".into())];
    dial(&config(AMPLE, &[]), &tenant).await.unwrap();
    let request = peer.request().await;
    let mut lines = request.split("\r\n");
    assert_eq!(lines.next(), Some("GET /ws?token=a%20b HTTP/1.1"));
    let lines: Vec<_> = lines.map(str::to_ascii_lowercase).collect();
    for expected in [
        &format!("host: {}", peer.address),
        "authorization: bearer b3arer",
        "x-account: acme",
        "x-more: 1",
        "upgrade: websocket",
        "sec-websocket-version: 13",
    ] {
        assert_eq!(lines.iter().filter(|line| *line == expected).count(), 1, "{expected} in {request}");
    }
    assert!(!request.contains("sec-websocket-protocol"), "{request}");
}

#[tokio::test]
async fn what_comes_right_behind_the_upgrade_is_kept() {
    let peer = Peer::start(Then::Upgrade("", b"\x82\x02hi")).await;
    let mut socket = dial(&config(AMPLE, &[]), &plain(peer.address)).await.unwrap();
    match socket.next().await {
        Some(Ok(Frame::Binary(bytes))) => assert_eq!(&bytes[..], b"hi"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn the_subprotocol_must_be_the_one_asked_for() {
    for (asked, headers, taken) in [
        (None, "", true),
        (Some("push.v1"), "Sec-WebSocket-Protocol: push.v1\r\n", true),
        (Some("push.v1"), "Sec-WebSocket-Protocol: push.v2\r\n", false),
        (Some("push.v1"), "", false),
        (None, "Sec-WebSocket-Protocol: push.v1\r\n", false),
    ] {
        let mut peer = Peer::start(Then::Upgrade(headers, b"")).await;
        let tenant = TenantConfig { subprotocol: asked.map(str::to_owned), ..plain(peer.address) };
        match dial(&config(AMPLE, &[]), &tenant).await {
            Ok(_) => assert!(taken, "{asked:?} {headers}"),
            Err(Ending::Subprotocol(_)) => assert!(!taken, "{asked:?} {headers}"),
            Err(other) => panic!("{other:?}"),
        }
        let asking = asked.map(|asked| format!("sec-websocket-protocol: {asked}\r\n"));
        let request = peer.request().await;
        assert!(asking.is_none_or(|asking| request.contains(&asking)), "{request}");
    }
}

#[tokio::test]
async fn a_subprotocol_that_is_no_header_is_an_ending() {
    let peer = Peer::start(Then::Upgrade("", b"")).await;
    let tenant = TenantConfig { subprotocol: Some("push\nv1".to_owned()), ..plain(peer.address) };
    assert!(matches!(ending(AMPLE, &tenant).await, Ending::Io(_)));
}

#[tokio::test]
async fn rejections_carry_their_status_and_retry_after_and_no_body_is_awaited() {
    for (answer, status, retry_after) in [
        ("HTTP/1.1 401 No\nContent-Length: 1000000\n\n", 401, None),
        ("HTTP/1.1 429 Slow\nRetry-After: 7\nTransfer-Encoding: chunked\n\n", 429, Some(7)),
        ("HTTP/1.1 503 Off\nRetry-After: Fri, 31 Dec 1999 23:59:59 GMT\n\n", 503, Some(0)),
        ("HTTP/1.1 503 Off\nRetry-After: soon\n\n", 503, None),
        ("HTTP/1.1 200 OK\n\n", 200, None),
    ] {
        let retry_after = retry_after.map(Duration::from_secs);
        assert_eq!(ending_after(says(answer)).await, Ending::Rejected { status, retry_after }, "{answer}");
    }
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let elsewhere = Peer::start(Then::Upgrade("", b"")).await;
    for status in [301, 302, 307, 308] {
        let there = elsewhere.address;
        let answer = format!("HTTP/1.1 {status} Moved\nLocation: ws://{there}/\nContent-Length: 0\n\n");
        assert_eq!(ending_after(says(&answer)).await, Ending::Rejected { status, retry_after: None });
    }
    assert_eq!(elsewhere.unseen(), 0);
}

#[tokio::test]
async fn answers_that_are_no_upgrade_are_bad() {
    let long = format!("HTTP/1.1 101 Switching\nX: {}\n\n", "x".repeat(200_000));
    for answer in [
        "HTTP/1.1 101 Switching\nUpgrade: websocket\nConnection: Upgrade\nSec-WebSocket-Accept: d3Jvbmc=\n\n",
        "HTTP/1.1 101 Switching\nUpgrade: websocket\nConnection: Upgrade\n\n",
        "HTTP/1.1 101 Switching\nUpgrade: h2c\nConnection: Upgrade\n\n",
        "HTTP/1.1 101 Switching\nUpgrade: websocket\n\n",
        "SSH-2.0-OpenSSH_9.9\n",
        &long,
    ] {
        let ending = ending_after(says(answer)).await;
        assert!(matches!(ending, Ending::BadUpgrade(_)), "{ending:?} after {answer:.60}");
    }
    let extension = Then::Upgrade("Sec-WebSocket-Extensions: permessage-deflate\r\n", b"");
    assert!(matches!(ending_after(extension).await, Ending::BadUpgrade(_)));
}

#[tokio::test]
async fn a_cut_answer_is_not_the_services_mistake() {
    assert_eq!(ending_after(Then::SayAndEnd(String::new())).await, Ending::Eof);
    let half = ending_after(Then::SayAndEnd("HTTP/1.1 101 Swit".to_owned())).await;
    assert!(matches!(half, Ending::Io(_) | Ending::Eof), "{half:?}");
    let reset = ending_after(Then::Reset).await;
    assert!(matches!(reset, Ending::Io(_)), "{reset:?}");
}

#[tokio::test]
async fn a_service_that_says_nothing_is_timed_out() {
    let peer = Peer::start(Then::Nothing).await;
    assert_eq!(ending(SHORT, &plain(peer.address)).await, Ending::ConnectTimeout);
    // The same peer for wss: it awaits a request and answers no handshake.
    let secure = tenant(format!("wss://{}/", peer.address));
    assert_eq!(ending(SHORT, &secure).await, Ending::ConnectTimeout);
}

#[tokio::test]
async fn nobody_there_and_no_name_are_told_apart() {
    let nobody = ending(AMPLE, &plain(Peer::nobody().await)).await;
    assert!(matches!(nobody, Ending::Connect(_)), "{nobody:?}");
    // A label of more than 63 bytes: no resolver is asked.
    let nameless = ending(AMPLE, &tenant(format!("ws://{}/", "a".repeat(100)))).await;
    assert!(matches!(nameless, Ending::Resolve(_)), "{nameless:?}");
}

#[tokio::test]
async fn ipv6_addresses_are_dialled() {
    let mut peer = Peer::start_at("[::1]:0", None, Then::Upgrade("", b"")).await;
    dial(&config(AMPLE, &[]), &plain(peer.address)).await.unwrap();
    let host = format!("host: {}\r\n", peer.address);
    assert!(peer.request().await.to_ascii_lowercase().contains(&host));
}
