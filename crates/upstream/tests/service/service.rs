use std::{io, net::SocketAddr, time::Duration};

use actix_http::ws::hash_key;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::timeout,
};

use crate::peer::Peer;

/// A test that waits longer than this for the other side fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// Listens on a port of its own and does with each connection what the test says.
pub(crate) struct Service {
    listener: TcpListener,
}

/// The head of an upgrade request.
#[derive(Debug)]
pub(crate) struct Request {
    /// Method, target and version.
    pub(crate) line: String,
    headers: Vec<(String, String)>,
}

impl Service {
    pub(crate) async fn bind() -> Self {
        Self { listener: TcpListener::bind("127.0.0.1:0").await.unwrap() }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.listener.local_addr().unwrap()
    }

    /// What to dial.
    pub(crate) fn url(&self) -> String {
        format!("ws://{}/ws", self.address())
    }

    /// The next connection, upgraded.
    pub(crate) async fn accept(&self) -> Peer {
        self.accept_with(&[]).await
    }

    /// The next connection, upgraded; these bytes come in one piece with the answer to the upgrade.
    pub(crate) async fn accept_with(&self, bytes: &[u8]) -> Peer {
        let (mut stream, request) = self.asked().await;
        let key = request.header("sec-websocket-key").expect("an upgrade has a key");
        let accept = String::from_utf8(hash_key(key.as_bytes()).to_vec()).unwrap();
        let head = format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: {accept}\r\n\r\n"
        );
        stream.write_all(&[head.as_bytes(), bytes].concat()).await.unwrap();
        Peer::new(stream, request)
    }

    /// The next connection is refused with this status, and these headers.
    pub(crate) async fn refuse(&self, status: u16, headers: &[(&str, &str)]) -> Request {
        let mut lines = vec![format!("HTTP/1.1 {status} Refused"), "Content-Length: 0".to_owned()];
        lines.extend(headers.iter().map(|(name, value)| format!("{name}: {value}")));
        self.answer(format!("{}\r\n\r\n", lines.join("\r\n")).as_bytes()).await
    }

    /// The next connection gets these bytes for an answer to its upgrade, and then the end.
    pub(crate) async fn answer(&self, bytes: &[u8]) -> Request {
        let (mut stream, request) = self.asked().await;
        stream.write_all(bytes).await.unwrap();
        request
    }

    /// The next connection, before a word is said: nothing is answered until the test does.
    pub(crate) async fn stall(&self) -> TcpStream {
        timeout(PATIENCE, self.listener.accept()).await.expect("somebody dials").unwrap().0
    }

    async fn asked(&self) -> (TcpStream, Request) {
        let mut stream = self.stall().await;
        let head = timeout(PATIENCE, read_head(&mut stream)).await.expect("an upgrade is asked for").unwrap();
        (stream, Request::parse(&head))
    }
}

impl Request {
    fn parse(head: &str) -> Self {
        let mut lines = head.lines();
        let line = lines.next().unwrap_or_default().to_owned();
        let header = |line: &str| line.split_once(':').map(|(name, value)| (name.to_owned(), value.trim().to_owned()));
        Self { line, headers: lines.filter_map(header).collect() }
    }

    /// The first header of this name.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let named = |(this, _): &&(String, String)| this.eq_ignore_ascii_case(name);
        self.headers.iter().find(named).map(|(_, value)| value.as_str())
    }
}

/// A head, byte by byte, so that nothing of what follows is taken.
async fn read_head(stream: &mut TcpStream) -> io::Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}
