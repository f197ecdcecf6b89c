use std::{
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    os::fd::OwnedFd,
};

use anyhow::{Context, Result};
use clap::Args;
use memchr::memmem;
use rustix::{
    buffer::spare_capacity,
    event::epoll::{self, EventData, EventFlags},
};
use socket2::{Domain, Protocol, Socket, Type};

const STREAM: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n";
const ACCEPTED: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
/// What the listener's events are known by.
const LISTENER: u64 = u64::MAX;
/// The highest number of a tenant.
const MAX_TENANT: usize = 100_000;

#[derive(Args)]
pub(crate) struct RawArgs {
    /// Where it listens
    #[arg(long)]
    bind: SocketAddr,
    /// Writes everything that came since its last round in one write
    #[arg(long)]
    join: bool,
}

/// Serves until it is killed.
pub(crate) fn serve(args: &RawArgs) -> Result<()> {
    rlimit::increase_nofile_limit(u64::MAX).context("the limit on open files can't be raised")?;
    let manner = if args.join { Manner::Joining } else { Manner::Each };
    RawServer::bind(args.bind, manner)?.run()
}

/// When events are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
    /// Each at once, by a write of its own for each subscriber.
    Each,
    /// All that came in one round of the loop in one write for each subscriber.
    Joining,
}

/// The ceiling that servers are compared with: one thread that writes each push to each subscriber and does nothing
/// else. It stores nothing, has no queue, and ends a stream that does not take everything at once.
///
/// `GET` of a path that ends in `t7` subscribes to tenant 7, `POST` to it publishes the body.
struct RawServer {
    epoll: OwnedFd,
    listener: TcpListener,
    manner: Manner,
    lines: Vec<Option<Line>>,
    free: Vec<usize>,
    tenants: Vec<Tenant>,
    /// Tenants with events that wait to be joined.
    waiting: Vec<usize>,
    /// Lines whose requests are answered after that.
    unanswered: Vec<usize>,
}

#[derive(Default)]
struct Tenant {
    subscribers: Vec<usize>,
    /// Events that wait to be joined.
    events: Vec<u8>,
}

struct Line {
    socket: TcpStream,
    /// What came of a request that is not whole.
    request: Vec<u8>,
    subscribes: Option<usize>,
}

/// A whole request.
struct Request {
    publishes: bool,
    tenant: usize,
    /// Where its body begins and ends.
    body: (usize, usize),
}

impl RawServer {
    fn bind(addr: SocketAddr, manner: Manner) -> Result<Self> {
        let listener = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
        listener.set_reuse_address(true)?;
        listener.bind(&addr.into()).with_context(|| format!("{addr}"))?;
        listener.listen(4096)?;
        let listener = TcpListener::from(listener);
        listener.set_nonblocking(true)?;
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).context("no epoll")?;
        epoll::add(&epoll, &listener, EventData::new_u64(LISTENER), EventFlags::IN)?;
        let (lines, free, tenants) = (Vec::new(), Vec::new(), Vec::new());
        Ok(Self { epoll, listener, manner, lines, free, tenants, waiting: Vec::new(), unanswered: Vec::new() })
    }

    fn run(mut self) -> Result<()> {
        let mut events = Vec::with_capacity(256);
        let mut buffer = vec![0; 64 << 10];
        loop {
            events.clear();
            // An interrupted wait has no events.
            let _ = epoll::wait(&self.epoll, spare_capacity(&mut events), None);
            for event in &events {
                match event.data.u64() {
                    LISTENER => self.accept()?,
                    line => self.read(line as usize, &mut buffer),
                }
            }
            self.write_joined();
        }
    }

    fn accept(&mut self) -> Result<()> {
        loop {
            let socket = match self.listener.accept() {
                Ok((socket, _)) => socket,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error.into()),
            };
            socket.set_nonblocking(true)?;
            socket.set_nodelay(true)?;
            let index = self.free.pop().unwrap_or(self.lines.len());
            epoll::add(&self.epoll, &socket, EventData::new_u64(index as u64), EventFlags::IN)?;
            let line = Some(Line { socket, request: Vec::new(), subscribes: None });
            if index == self.lines.len() {
                self.lines.push(line);
            } else {
                self.lines[index] = line;
            }
        }
    }

    fn read(&mut self, index: usize, buffer: &mut [u8]) {
        let Some(line) = &mut self.lines[index] else { return };
        match line.socket.read(buffer) {
            Ok(count) if count > 0 => line.request.extend_from_slice(&buffer[..count]),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => return,
            Ok(_) | Err(_) => return self.close(index),
        }
        let mut bytes = std::mem::take(&mut line.request);
        let mut done = 0;
        while let Some(request) = Request::read(&bytes[done..]) {
            let (begin, end) = request.body;
            if request.publishes {
                self.publish(index, request.tenant, &bytes[done + begin..done + end]);
            } else {
                self.subscribe(index, request.tenant);
            }
            done += end;
        }
        bytes.drain(..done);
        if let Some(line) = &mut self.lines[index] {
            line.request = bytes;
        }
    }

    fn subscribe(&mut self, index: usize, tenant: usize) {
        if self.write(index, STREAM) {
            self.tenant(tenant).subscribers.push(index);
            if let Some(line) = &mut self.lines[index] {
                line.subscribes = Some(tenant);
            }
        }
    }

    fn publish(&mut self, index: usize, tenant: usize, body: &[u8]) {
        let manner = self.manner;
        let entry = self.tenant(tenant);
        let first = entry.events.is_empty();
        for part in [b"data: ", body, b"\n\n"] {
            entry.events.extend_from_slice(part);
        }
        match manner {
            Manner::Each => {
                self.write_to_all(tenant);
                self.write(index, ACCEPTED);
            }
            Manner::Joining => {
                if first {
                    self.waiting.push(tenant);
                }
                self.unanswered.push(index);
            }
        }
    }

    fn write_joined(&mut self) {
        for tenant in std::mem::take(&mut self.waiting) {
            self.write_to_all(tenant);
        }
        for index in std::mem::take(&mut self.unanswered) {
            self.write(index, ACCEPTED);
        }
    }

    fn write_to_all(&mut self, tenant: usize) {
        let entry = self.tenant(tenant);
        let mut events = std::mem::take(&mut entry.events);
        let subscribers = std::mem::take(&mut entry.subscribers);
        let mut stuck = Vec::new();
        for index in &subscribers {
            if !self.write(*index, &events) {
                stuck.push(*index);
            }
        }
        events.clear();
        let entry = self.tenant(tenant);
        (entry.events, entry.subscribers) = (events, subscribers);
        for index in stuck {
            self.close(index);
        }
    }

    /// Whether it took everything.
    fn write(&mut self, index: usize, bytes: &[u8]) -> bool {
        let Some(line) = &mut self.lines[index] else { return false };
        let taken = line.socket.write(bytes).is_ok_and(|count| count == bytes.len());
        if !taken {
            eprintln!("raw: a stream that does not take everything at once is ended");
        }
        taken
    }

    fn close(&mut self, index: usize) {
        let Some(line) = self.lines[index].take() else { return };
        // Out of the set with its only descriptor.
        if let Some(tenant) = line.subscribes {
            self.tenant(tenant).subscribers.retain(|subscriber| *subscriber != index);
        }
        self.free.push(index);
    }

    fn tenant(&mut self, tenant: usize) -> &mut Tenant {
        if tenant >= self.tenants.len() {
            self.tenants.resize_with(tenant + 1, Tenant::default);
        }
        &mut self.tenants[tenant]
    }
}

impl Request {
    /// Reads the request at the beginning; nothing while it is not whole.
    fn read(bytes: &[u8]) -> Option<Self> {
        let head = memmem::find(bytes, b"\r\n\r\n")?;
        let line = bytes[..head].split(|byte| *byte == b'\r').next()?;
        let path = line.split(|byte| *byte == b' ').nth(1)?;
        let name = path.rsplit(|byte| *byte == b't').next()?;
        let length = memmem::find(&bytes[..head], b"Content-Length: ").map_or(0, |at| number(&bytes[at + 16..]));
        let body = (head + 4, head + 4 + length);
        let publishes = line.starts_with(b"POST");
        (bytes.len() >= body.1).then(|| Self { publishes, tenant: number(name).min(MAX_TENANT), body })
    }
}

fn number(text: &[u8]) -> usize {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).take(9);
    digits.fold(0, |value, digit| value * 10 + usize::from(digit - b'0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_may_follow_each_other_in_one_read() {
        let text = b"POST /events/t12 HTTP/1.1\r\nContent-Length: 3\r\n\r\nabcGET /events/t7 HTTP/1.1\r\n\r\n";
        let first = Request::read(text).unwrap();
        assert!(first.publishes && first.tenant == 12 && &text[first.body.0..first.body.1] == b"abc");
        let second = Request::read(&text[first.body.1..]).unwrap();
        assert!(!second.publishes && second.tenant == 7);
        assert!(Request::read(&text[..first.body.1 - 1]).is_none() && Request::read(b"GET /").is_none());
    }
}
