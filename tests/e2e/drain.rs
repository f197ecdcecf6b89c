//! What subscribers and probes see of a stop.

use std::{
    io::ErrorKind,
    net::SocketAddr,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use pushgate_subscriber::get;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use crate::{
    process::{Process, free_addresses, ready, write_config},
    stack::{Service, run, until},
};

const STREAMS: usize = 50;
/// A host that answers no connect any more is no reason to wait longer.
const UNANSWERED: Duration = Duration::from_millis(200);

/// One stream, read to its end.
struct Ended {
    text: String,
    at: Instant,
}

async fn open(addr: SocketAddr) -> std::io::Result<TcpStream> {
    let mut socket = TcpStream::connect(addr).await?;
    socket.write_all(b"GET /events/a HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n").await?;
    Ok(socket)
}

/// Reads on until this text came.
async fn read_until(socket: &mut TcpStream, text: &mut String, wanted: &str) {
    while !text.contains(wanted) {
        let mut bytes = [0; 4096];
        let read = socket.read(&mut bytes).await.expect("no reset");
        assert!(read > 0, "ended without {wanted:?}: {text}");
        text.push_str(&String::from_utf8_lossy(&bytes[..read]));
    }
}

/// A stream that asks, once it is told, whether the gateway is still called ready.
async fn follow(mut socket: TcpStream, mut text: String, admin: SocketAddr, asks: bool) -> Ended {
    read_until(&mut socket, &mut text, "event: shutdown").await;
    if asks {
        assert_eq!(get(&format!("http://{admin}/readyz")).await.expect("probes are answered").status, 503);
    }
    // The end of the connection ends the response (RFC 9112, section 6.3).
    socket.read_to_string(&mut text).await.expect("no reset");
    Ended { text, at: Instant::now() }
}

/// How one attempt to subscribe ended.
async fn attempt(addr: SocketAddr) -> Result<(), std::io::Error> {
    let Ok(socket) = timeout(UNANSWERED, open(addr)).await else { return Ok(()) };
    match socket {
        // Nobody listens any more.
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => Ok(()),
        Err(error) => Err(error),
        Ok(mut socket) => socket.read_to_end(&mut Vec::new()).await.map(drop),
    }
}

/// The last `retry:` of a stream, in milliseconds.
fn last_retry(text: &str) -> u64 {
    let (_, rest) = text.rsplit_once("retry: ").expect("a retry");
    rest.split(|c: char| !c.is_ascii_digit()).next().expect("a number").parse().expect("a number")
}

#[test]
fn a_stop_tells_every_stream_spreads_their_ends_and_resets_nobody() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let service = Service::start();
        let addresses @ [public, admin] = free_addresses();
        let config = write_config(folder.path(), &service.handle.upstream_url(), addresses, "");
        let mut process = Process::serve(&config);
        ready(admin).await;
        let streams = join_all((0..STREAMS).map(|_| async {
            let (mut socket, mut text) = (open(public).await.unwrap(), String::new());
            read_until(&mut socket, &mut text, "event: open").await;
            (socket, text)
        }))
        .await;
        let asked = Instant::now();
        process.signal("TERM");
        let gone = AtomicBool::new(false);
        let attempts = async {
            while !gone.load(Ordering::Relaxed) {
                attempt(public).await.expect("no connect is answered with a reset");
                tokio::task::yield_now().await;
            }
        };
        let streams = streams.into_iter().enumerate();
        let followed = join_all(streams.map(|(index, (socket, text))| follow(socket, text, admin, index == 0)));
        let ended = async {
            let (followed, status) = tokio::join!(followed, process.ended());
            gone.store(true, Ordering::Relaxed);
            (followed, status)
        };
        let ((followed, status), ()) = tokio::join!(ended, attempts);
        assert_eq!(status.code(), Some(0));
        assert!(asked.elapsed() < Duration::from_secs(10), "{:?}", asked.elapsed());
        for stream in &followed {
            assert!((1000..=10_000).contains(&last_retry(&stream.text)), "{}", stream.text);
        }
        let (first, last) = (followed.iter().map(|end| end.at).min(), followed.iter().map(|end| end.at).max());
        let spread = last.unwrap() - first.unwrap();
        assert!(spread > Duration::from_millis(200), "all came back within {spread:?}");
        service.stop().await;
    });
}

#[test]
fn a_stop_without_streams_waits_for_nobody() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let service = Service::start();
        let addresses = free_addresses();
        let config = write_config(folder.path(), &service.handle.upstream_url(), addresses, "");
        let mut process = Process::serve(&config);
        ready(addresses[1]).await;
        let asked = Instant::now();
        process.signal("TERM");
        assert_eq!(process.ended().await.code(), Some(0));
        assert!(asked.elapsed() < Duration::from_secs(3), "{:?}", asked.elapsed());
        let gone = || async { TcpStream::connect(addresses[0]).await.is_err().then_some(()) };
        until("a closed port", gone).await;
        service.stop().await;
    });
}
