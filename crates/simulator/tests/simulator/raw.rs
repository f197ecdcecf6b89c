use std::{
    io::{Read, Write},
    net::TcpStream,
};

use crate::bed::{LONG, TestBed};

/// A socket whose bytes are seen as they come: no codec judges them.
pub(crate) struct RawLine(TcpStream);

impl RawLine {
    /// Asks for an upgrade and does not wait for the answer.
    pub(crate) fn ask(bed: &TestBed, account: &str) -> Self {
        let mut stream = TcpStream::connect(bed.handle.addr()).unwrap();
        stream.set_read_timeout(Some(LONG)).unwrap();
        let request = format!(
            "GET /ws/{account} HTTP/1.1\r\nHost: simulator\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).unwrap();
        Self(stream)
    }

    /// Opens a socket.
    pub(crate) async fn open(bed: &TestBed, account: &str) -> Self {
        // What follows blocks this thread, which the simulator needs to begin its run.
        bed.get("/control/stats").await;
        let mut line = Self::ask(bed, account);
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.extend(line.read(1));
        }
        assert!(head.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&head));
        line
    }

    /// The next `count` bytes.
    pub(crate) fn read(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        self.0.read_exact(&mut bytes).unwrap();
        bytes
    }
}
