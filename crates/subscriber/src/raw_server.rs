//! A server for tests that answers each connection with bytes written down beforehand.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::mpsc::{Receiver, Sender, channel},
    thread,
    time::Duration,
};

/// Answers its first connections with the given bytes, and then none.
pub(crate) struct RawServer {
    addr: SocketAddr,
    requests: Receiver<String>,
    // Dropped with the server: lets connections end that are to stay open.
    _open: Sender<()>,
}

/// Where it stands in a response, the connection stays open until the server is dropped.
pub(crate) const STAY_OPEN: &str = "<stay open>";

impl RawServer {
    pub(crate) fn start<const N: usize>(responses: [&str; N]) -> Self {
        let responses = responses.map(str::to_owned);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let (told, requests) = channel();
        let (open, closed) = channel::<()>();
        thread::spawn(move || {
            for response in responses {
                let (mut stream, _) = listener.accept().unwrap();
                let _ = told.send(read_head(&mut stream));
                let (bytes, stays) =
                    response.strip_suffix(STAY_OPEN).map_or((&*response, false), |bytes| (bytes, true));
                let _ = stream.write_all(bytes.as_bytes());
                if stays {
                    let _ = closed.recv();
                }
            }
        });
        Self { addr, requests, _open: open }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.addr)
    }

    /// The head of the next request that came.
    pub(crate) fn request(&self) -> String {
        self.requests.recv_timeout(Duration::from_secs(10)).expect("a request comes")
    }
}

fn read_head(stream: &mut TcpStream) -> String {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|read| read > 0) {
        head.extend_from_slice(&byte);
    }
    // What follows is small enough to wait in the system's buffer; unread it would reset the connection.
    let _ = stream.set_read_timeout(Some(Duration::from_millis(5)));
    let _ = stream.read(&mut [0; 1024]);
    String::from_utf8(head).unwrap()
}

/// Runs a test where the HTTP client can live.
pub(crate) fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, test);
}
