use std::{net::SocketAddr, sync::Arc};

use actix_http::ws::hash_key;
use rustls::ServerConfig;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream},
    sync::mpsc,
};
use tokio_rustls::TlsAcceptor;

/// What a peer does once it has read a request.
#[derive(Clone)]
pub(super) enum Then {
    /// Says this and keeps the connection.
    Say(String),
    /// Says this and ends the connection.
    SayAndEnd(String),
    /// Upgrades, with these further headers, and then says these bytes.
    Upgrade(&'static str, &'static [u8]),
    /// Ends the connection at once with a reset.
    Reset,
    /// Says nothing.
    Nothing,
    /// Says this, then passes bytes to and from another peer, as a proxy does.
    Tunnel(&'static str, SocketAddr),
}

/// A server on loopback. It lives as long as the test's runtime.
pub(super) struct Peer {
    pub(super) address: SocketAddr,
    requests: mpsc::UnboundedReceiver<String>,
}

impl Peer {
    pub(super) async fn start(then: Then) -> Self {
        Self::start_at("127.0.0.1:0", None, then).await
    }

    pub(super) async fn start_tls(tls: ServerConfig) -> Self {
        Self::start_at("127.0.0.1:0", Some(tls), Then::Upgrade("", b"")).await
    }

    pub(super) async fn start_at(bind: &str, tls: Option<ServerConfig>, then: Then) -> Self {
        let listener = TcpListener::bind(bind).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, requests) = mpsc::unbounded_channel();
        let acceptor = tls.map(|tls| TlsAcceptor::from(Arc::new(tls)));
        tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                tokio::spawn(welcome(tcp, acceptor.clone(), then.clone(), sender.clone()));
            }
        });
        Self { address, requests }
    }

    /// An address where nobody listens.
    pub(super) async fn nobody() -> SocketAddr {
        TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
    }

    /// The head of the next request, with lower-case header names as awc sends them.
    pub(super) async fn request(&mut self) -> String {
        self.requests.recv().await.unwrap()
    }

    /// How many requests came that nobody has looked at.
    pub(super) fn unseen(&self) -> usize {
        self.requests.len()
    }
}

async fn welcome(tcp: TcpStream, tls: Option<TlsAcceptor>, then: Then, sender: mpsc::UnboundedSender<String>) {
    let Some(tls) = tls else { return serve(tcp, then, sender).await };
    match tls.accept(tcp).into_fallible().await {
        Ok(stream) => serve(stream, then, sender).await,
        // Kept and read, because closing it now could take our alert with it.
        Err((_, mut tcp)) => drop(tcp.read_to_end(&mut Vec::new()).await),
    }
}

async fn serve(mut stream: impl Served, then: Then, sender: mpsc::UnboundedSender<String>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_buf(&mut head).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
    }
    let head = String::from_utf8(head).unwrap();
    let answer = match &then {
        Then::Say(text) | Then::SayAndEnd(text) => text.clone().into_bytes(),
        Then::Upgrade(headers, behind) => [switching(&head, headers).as_bytes(), behind].concat(),
        Then::Reset | Then::Nothing => Vec::new(),
        Then::Tunnel(text, _) => text.as_bytes().to_vec(),
    };
    // A test that does not look at requests may be over.
    let _ = sender.send(head);
    if let Then::Reset = then {
        return stream.reset();
    }
    if stream.write_all(&answer).await.is_err() || stream.flush().await.is_err() {
        return;
    }
    match then {
        Then::SayAndEnd(_) => {}
        Then::Tunnel(_, to) => {
            let mut onwards = TcpStream::connect(to).await.unwrap();
            // Ends with either side.
            let _ = copy_bidirectional(&mut stream, &mut onwards).await;
        }
        _ => drop(stream.read_to_end(&mut Vec::new()).await),
    }
}

/// The answer to an upgrade (RFC 6455, section 4.2.2).
pub(super) fn switching(head: &str, headers: &str) -> String {
    let key = head.lines().find_map(|line| line.strip_prefix("sec-websocket-key: ")).unwrap();
    let accept = String::from_utf8(hash_key(key.as_bytes()).to_vec()).unwrap();
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\n{headers}\r\n"
    )
}

trait Served: AsyncRead + AsyncWrite + Unpin {
    /// Ends the connection by a reset.
    fn reset(self);
}

impl Served for TcpStream {
    fn reset(self) {
        socket2::SockRef::from(&self).set_linger(Some(std::time::Duration::ZERO)).unwrap();
    }
}

impl Served for tokio_rustls::server::TlsStream<TcpStream> {
    fn reset(self) {
        self.into_inner().0.reset();
    }
}
