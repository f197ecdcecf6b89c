//! The scripted service itself, against a client that speaks by script too.

use std::time::Duration;

use pushgate_model::Answer;
use pushgate_protocol::encode_answer;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{
    frames::{BINARY, CLOSE, CONTINUATION, FIN, PING, PONG, TEXT, fragments, frame, header, masked, push, push_with},
    peer::{ClientFrame, Peer},
    service::Service,
};

const MASK: [u8; 4] = [1, 2, 3, 4];

async fn dial(service: &Service) -> TcpStream {
    let mut stream = TcpStream::connect(service.address()).await.unwrap();
    // The key and its answer are those of RFC 6455, section 1.3.
    let head = "GET /ws HTTP/1.1\r\nHost: x\r\nX-Who: acme\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    stream
}

async fn read_until(stream: &mut TcpStream, end: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    while !bytes.ends_with(end) {
        bytes.push(stream.read_u8().await.unwrap());
    }
    bytes
}

async fn upgraded() -> (Peer, TcpStream) {
    let service = Service::bind().await;
    assert_eq!(service.url(), format!("ws://{}/ws", service.address()));
    let (mut client, peer) = tokio::join!(dial(&service), service.accept());
    read_until(&mut client, b"\r\n\r\n").await;
    (peer, client)
}

#[tokio::test]
async fn it_upgrades_and_greets_in_one_piece() {
    let service = Service::bind().await;
    let greeting = frame(FIN | BINARY, &push("first"));
    let (mut client, peer) = tokio::join!(dial(&service), service.accept_with(&greeting));
    let head = String::from_utf8(read_until(&mut client, b"\r\n\r\n").await).unwrap();
    assert!(
        head.starts_with("HTTP/1.1 101 ") && head.contains("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n")
    );
    assert_eq!(read_until(&mut client, &greeting).await, greeting);
    assert_eq!(peer.request.line, "GET /ws HTTP/1.1");
    assert_eq!((peer.request.header("x-who"), peer.request.header("x")), (Some("acme"), None));
}

#[tokio::test]
async fn it_refuses_and_stalls() {
    let service = Service::bind().await;
    let (mut client, _) = tokio::join!(dial(&service), service.refuse(503, &[("Retry-After", "7")]));
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    assert_eq!(answer, "HTTP/1.1 503 Refused\r\nContent-Length: 0\r\nRetry-After: 7\r\n\r\n");
    let (mut client, _) = tokio::join!(dial(&service), service.answer(b"no http"));
    answer.clear();
    client.read_to_string(&mut answer).await.unwrap();
    assert_eq!(answer, "no http");
    let (_client, stalled) = tokio::join!(dial(&service), service.stall());
    stalled.readable().await.unwrap();
}

#[tokio::test]
async fn it_reads_what_a_client_says() {
    let (mut peer, mut client) = upgraded().await;
    let answer = encode_answer(&"a".into(), Answer::Nack);
    let long = "x".repeat(200);
    let said = [
        masked(FIN | PING, MASK, b"1"),
        masked(FIN | BINARY, MASK, &answer),
        masked(FIN | BINARY, MASK, &encode_answer(&long.as_str().into(), Answer::Ack)),
        masked(FIN | PONG, MASK, b""),
        masked(FIN | CLOSE, MASK, &1002u16.to_be_bytes()),
        masked(FIN | CLOSE, MASK, b""),
    ];
    client.write_all(&said.concat()).await.unwrap();
    assert_eq!(peer.next().await, ClientFrame::Ping(b"1".to_vec()));
    assert_eq!(peer.answer().await, ("a".to_owned(), false));
    assert_eq!(peer.answer().await, (long, true));
    assert_eq!(peer.closed().await, Some(1002));
    drop(client);
    assert_eq!(peer.rest().await, [ClientFrame::Close(None)]);
}

#[tokio::test]
async fn it_sends_what_it_is_told_to() {
    let (mut peer, mut client) = upgraded().await;
    peer.push("a").await;
    peer.ping(b"p").await;
    peer.close(1001).await;
    peer.raw(&fragments(TEXT, &[b"x", b"", b"y"])).await;
    let body = push_with("b", "c");
    peer.binary(&body).await;
    assert_eq!(peer.flood(&header(FIN | BINARY, 1 << 40), Duration::from_secs(1)).await, 10);
    peer.cut();
    let mut heard = Vec::new();
    client.read_to_end(&mut heard).await.unwrap();
    let expected = [
        frame(FIN | BINARY, &push("a")),
        frame(FIN | PING, b"p"),
        vec![FIN | CLOSE, 2, 0x03, 0xe9],
        vec![TEXT, 1, b'x', CONTINUATION, 0, FIN | CONTINUATION, 1, b'y'],
        frame(FIN | BINARY, &body),
        [&[FIN | BINARY, 127][..], &(1u64 << 40).to_be_bytes()].concat(),
    ];
    assert_eq!(heard, expected.concat());
}

#[tokio::test]
async fn it_answers_pings_while_it_waits_for_something_else() {
    let (mut peer, mut client) = upgraded().await;
    client.write_all(&[masked(FIN | PING, MASK, b"1"), masked(FIN | CLOSE, MASK, b"")].concat()).await.unwrap();
    assert_eq!(peer.closed().await, None);
    assert_eq!(read_until(&mut client, &frame(FIN | PONG, b"1")).await, frame(FIN | PONG, b"1"));
    peer.reset();
    assert!(client.read_u8().await.is_err());
}
