//! A client that shows exactly what came over the wire. Every read has a deadline, so that a test fails, not hangs.

use std::{
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use serde_json::Value;

const DEADLINE: Duration = Duration::from_secs(20);

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Answer {
    /// Parses a head; the body is empty.
    fn head(text: &str) -> Self {
        let mut lines = text.split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let pair = |line: &str| line.split_once(": ").map(|(k, v)| (k.to_ascii_lowercase(), v.to_owned()));
        Self { status, headers: lines.filter_map(pair).collect(), body: String::new() }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Whether `Vary` names a header; it may come several times.
    pub(crate) fn varies_by(&self, name: &str) -> bool {
        let lines = self.headers.iter().filter(|(key, _)| key == "vary");
        lines.flat_map(|(_, value)| value.split(',')).any(|named| named.trim().eq_ignore_ascii_case(name))
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Checks that this is a problem document that agrees with the status, and gives the end of its `type`.
    pub(crate) fn problem(&self) -> String {
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        let document = self.json();
        assert_eq!(document["status"], self.status, "{self:?}");
        for member in ["type", "title", "detail"] {
            assert!(document[member].as_str().is_some_and(|text| !text.is_empty()), "{member}: {self:?}");
        }
        document["type"].as_str().unwrap().rsplit(':').next().unwrap().to_owned()
    }
}

/// `GET path` with further header lines.
pub(crate) fn get(addr: SocketAddr, path: &str, headers: &[&str]) -> Answer {
    request(addr, "GET", path, headers)
}

/// Any method, without a body.
pub(crate) fn request(addr: SocketAddr, method: &str, path: &str, headers: &[&str]) -> Answer {
    Stream::open(addr, method, path, headers).answer()
}

/// Any method, with a body.
pub(crate) fn send(addr: SocketAddr, method: &str, path: &str, body: &str) -> Answer {
    send_with(addr, (method, path), &[], body)
}

/// Any method, with further header lines and a body.
pub(crate) fn send_with(addr: SocketAddr, (method, path): (&str, &str), headers: &[&str], body: &str) -> Answer {
    let length = format!("Content-Length: {}", body.len());
    let headers: Vec<_> = headers.iter().copied().chain([length.as_str()]).collect();
    let mut stream = Stream::open(addr, method, path, &headers);
    stream.write(body.as_bytes());
    stream.answer()
}

/// Sends these bytes and gives all that comes until the server closes the connection.
pub(crate) fn raw(addr: SocketAddr, bytes: &[u8]) -> String {
    let mut socket = TcpStream::connect(addr).unwrap();
    socket.set_read_timeout(Some(DEADLINE)).unwrap();
    socket.write_all(bytes).unwrap();
    let mut read = Vec::new();
    match socket.read_to_end(&mut read) {
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
        Err(error) => panic!("{error}: {}", String::from_utf8_lossy(&read)),
    }
    String::from_utf8(read).unwrap()
}

/// A connection whose answer is read bit by bit.
pub(crate) struct Stream {
    socket: TcpStream,
    /// Read and not used yet.
    read: Vec<u8>,
}

impl Stream {
    /// A stream of events.
    pub(crate) fn events(addr: SocketAddr, path: &str, headers: &[&str]) -> (Self, Answer) {
        let mut stream = Self::open(addr, "GET", path, headers);
        let head = stream.head();
        (stream, head)
    }

    /// Sends a request and reads nothing. A `Host` among the headers takes the place of the usual one.
    pub(crate) fn open(addr: SocketAddr, method: &str, path: &str, headers: &[&str]) -> Self {
        let mut socket = TcpStream::connect(addr).unwrap();
        socket.set_read_timeout(Some(DEADLINE)).unwrap();
        let host = if headers.iter().any(|line| line.starts_with("Host:")) {
            String::new()
        } else {
            format!("Host: {addr}\r\n")
        };
        let more: String = headers.iter().flat_map(|line| [*line, "\r\n"]).collect();
        write!(socket, "{method} {path} HTTP/1.1\r\n{host}Connection: close\r\n{more}\r\n").unwrap();
        Self { socket, read: Vec::new() }
    }

    /// Sends these bytes as they are.
    pub(crate) fn with(addr: SocketAddr, bytes: &str) -> Self {
        let mut socket = TcpStream::connect(addr).unwrap();
        socket.set_read_timeout(Some(DEADLINE)).unwrap();
        socket.write_all(bytes.as_bytes()).unwrap();
        Self { socket, read: Vec::new() }
    }

    /// Sends more of a request.
    pub(crate) fn write(&mut self, bytes: &[u8]) {
        self.socket.write_all(bytes).unwrap();
    }

    /// The whole answer, up to the end of the connection.
    pub(crate) fn answer(mut self) -> Answer {
        let mut answer = self.head();
        while self.more() {}
        answer.body = String::from_utf8(self.read).unwrap();
        answer
    }

    /// The next head.
    pub(crate) fn head(&mut self) -> Answer {
        let end = loop {
            if let Some(at) = self.read.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                break at + 4;
            }
            assert!(self.more(), "the connection ended within the head");
        };
        let head: Vec<u8> = self.read.drain(..end).collect();
        Answer::head(std::str::from_utf8(&head).unwrap())
    }

    /// Reads a stream until it holds `needle`, and gives all of it up to the end of that event.
    pub(crate) fn until(&mut self, needle: &str) -> String {
        let end = loop {
            let event_end = |text: &str| {
                let at = text.find(needle)?;
                Some(at + text[at..].find("\n\n")? + 2)
            };
            if let Some(end) = event_end(&String::from_utf8_lossy(&self.read)) {
                break end;
            }
            assert!(self.more(), "ended before {needle:?}: {}", String::from_utf8_lossy(&self.read));
        };
        let rest = self.read.split_off(end);
        String::from_utf8(std::mem::replace(&mut self.read, rest)).unwrap()
    }

    /// Reads a stream to its end, which is that of the connection.
    pub(crate) fn rest(&mut self) -> String {
        while self.more() {}
        String::from_utf8(std::mem::take(&mut self.read)).unwrap()
    }

    fn more(&mut self) -> bool {
        let mut buffer = [0; 16 << 10];
        match self.socket.read(&mut buffer) {
            Ok(count) => {
                self.read.extend_from_slice(&buffer[..count]);
                count > 0
            }
            Err(error) if error.kind() == ErrorKind::ConnectionReset => false,
            Err(error) => panic!("{error}"),
        }
    }
}
