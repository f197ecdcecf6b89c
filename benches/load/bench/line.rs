use std::{
    fmt::Arguments,
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
    thread,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use memchr::memmem;

/// Bytes of requests that wait before they are written although more could follow.
const FULL: usize = 64 << 10;
/// How soon a socket that takes nothing is tried again.
const RETRY: Duration = Duration::from_micros(200);

/// One connection that requests are written to without waiting for responses (RFC 9112, section 9.3.2).
pub(crate) struct Line {
    socket: TcpStream,
    waiting: Vec<u8>,
    responses: Vec<u8>,
}

impl Line {
    pub(crate) fn connect(addr: SocketAddr) -> Result<Self> {
        let socket = TcpStream::connect(addr).with_context(|| format!("{addr}"))?;
        socket.set_nodelay(true)?;
        socket.set_nonblocking(true)?;
        Ok(Self { socket, waiting: Vec::new(), responses: vec![0; 32 << 10] })
    }

    /// Adds a request to what is written next.
    pub(crate) fn post(&mut self, path: Arguments<'_>, body: &[u8]) {
        let length = body.len();
        let head = format_args!(
            "POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
        );
        self.waiting.write_fmt(head).expect("memory can be written");
        self.waiting.extend_from_slice(body);
        if self.waiting.len() > FULL {
            // What is not written now is written by the flush, which says what is wrong.
            let _ = self.flush();
        }
    }

    /// Writes what waits.
    pub(crate) fn flush(&mut self) -> Result<()> {
        let mut written = 0;
        while written < self.waiting.len() {
            self.drain()?;
            match self.socket.write(&self.waiting[written..]) {
                Ok(count) => written += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => thread::sleep(RETRY),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error).context("a push can't be published"),
            }
        }
        self.waiting.clear();
        Ok(())
    }

    /// Reads responses away, and fails when one says no. One that is split between reads is not looked at: a push that
    /// was refused lacks its deliveries.
    pub(crate) fn drain(&mut self) -> Result<()> {
        loop {
            match self.socket.read(&mut self.responses) {
                Ok(0) => bail!("the server ended the connection that pushes are published on"),
                Ok(count) => {
                    let text = &self.responses[..count];
                    let refused = memmem::find_iter(text, b"HTTP/1.1 ").find(|at| text.get(at + 9) != Some(&b'2'));
                    if let Some(at) = refused.filter(|at| text.len() > at + 9) {
                        bail!("a push was refused: {:.300}", String::from_utf8_lossy(&text[at..]));
                    }
                    if count < self.responses.len() {
                        return Ok(());
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error).context("the server's responses can't be read"),
            }
        }
    }
}
