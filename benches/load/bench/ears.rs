use std::{
    io::{ErrorKind, Read, Write},
    net::TcpStream,
    os::fd::OwnedFd,
    sync::{
        Arc,
        atomic::Ordering::Relaxed,
        mpsc::{Receiver, TryRecvError},
    },
    time::Duration,
};

use anyhow::{Context, Result};
use rustix::{
    buffer::spare_capacity,
    event::{
        Timespec,
        epoll::{self, EventData, EventFlags},
    },
    io::Errno,
    time::{ClockId, clock_gettime},
};
use socket2::{Domain, Protocol, Socket, Type};

use super::{
    count::{Came, Count},
    crowd::{Order, Presence, Seats},
    phase::Phase,
    stamps::MAX_STAMP,
    sums::Sums,
};
use crate::{clock::monotonic_nanos, head::Head};

/// How often orders are looked at.
const BEAT: Timespec = Timespec { tv_sec: 0, tv_nsec: 5_000_000 };
/// The most that one read takes, in bytes.
const READ: usize = 256 << 10;
/// Streams that are asked for at a time and have not begun: the queue of a listener must hold them.
const OPENING: usize = 128;
/// The longest head, in bytes.
const MAX_HEAD: usize = 16 << 10;

/// One thread of a crowd.
pub(crate) struct Ears {
    seats: Seats,
    /// Streams to open, by number, the last one first.
    waiting: Vec<usize>,
    opening: usize,
    epoll: OwnedFd,
    streams: Vec<Ear>,
    phase: Option<Arc<Phase>>,
    sums: Sums,
    cpu: Duration,
    presence: Arc<Presence>,
}

/// One stream.
struct Ear {
    socket: TcpStream,
    tenant: u64,
    state: State,
    count: Count,
    /// The end of the last read: of a head that is not whole, or of a stamp.
    kept: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Connecting,
    Asked,
    Open,
    Ended,
}

impl Ears {
    pub(crate) fn new(seats: &Seats, mut streams: Vec<usize>, presence: Arc<Presence>) -> Result<Self> {
        streams.reverse();
        Ok(Self {
            seats: seats.clone(),
            streams: Vec::with_capacity(streams.len()),
            waiting: streams,
            opening: 0,
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC).context("no epoll")?,
            phase: None,
            sums: Sums::default(),
            cpu: thread_cpu(),
            presence,
        })
    }

    /// Reads until nobody can give orders any longer.
    pub(crate) fn run(mut self, inbox: &Receiver<Order>) {
        let mut events = Vec::with_capacity(512);
        let mut buffer = vec![0; MAX_HEAD + READ];
        while self.obey(inbox) {
            self.open_more();
            events.clear();
            // An interrupted wait has no events.
            let _ = epoll::wait(&self.epoll, spare_capacity(&mut events), Some(&BEAT));
            let mut complete = false;
            for event in &events {
                complete |= self.serve(event.data.u64() as usize, &mut buffer);
            }
            if complete && let Some(phase) = &self.phase {
                phase.window.wake();
            }
        }
    }

    /// Follows the orders that came. False when there will be no more.
    fn obey(&mut self, inbox: &Receiver<Order>) -> bool {
        loop {
            match inbox.try_recv() {
                Ok(Order::Begin(phase, begun)) => {
                    self.phase = Some(phase);
                    self.sums = Sums::default();
                    self.streams.iter_mut().for_each(|ear| ear.count.reset());
                    self.cpu = thread_cpu();
                    // Whoever asked may have given up.
                    let _ = begun.send(());
                }
                Ok(Order::End(reply)) => {
                    let mut sums = std::mem::take(&mut self.sums);
                    sums.cpu = thread_cpu().saturating_sub(self.cpu);
                    // As above.
                    let _ = reply.send(sums);
                }
                Err(TryRecvError::Empty) => return true,
                Err(TryRecvError::Disconnected) => return false,
            }
        }
    }

    fn open_more(&mut self) {
        while self.opening < OPENING
            && let Some(stream) = self.waiting.pop()
        {
            match self.connect(stream) {
                Ok(()) => self.opening += 1,
                Err(error) => {
                    eprintln!("load: a stream can't be opened: {error:#}");
                    self.presence.ended.fetch_add(1, Relaxed);
                }
            }
        }
    }

    fn connect(&mut self, stream: usize) -> Result<()> {
        let server = self.seats.server;
        let socket = Socket::new(Domain::for_address(server), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_nonblocking(true)?;
        // Ends by a reset: ten thousand streams leave no ports behind that wait for a minute.
        socket.set_linger(Some(Duration::ZERO))?;
        match socket.connect(&server.into()) {
            Err(error) if error.raw_os_error() != Some(Errno::INPROGRESS.raw_os_error()) => return Err(error.into()),
            _ => {}
        }
        let socket = TcpStream::from(socket);
        epoll::add(&self.epoll, &socket, EventData::new_u64(self.streams.len() as u64), EventFlags::OUT)?;
        let tenant = (stream % self.seats.paths.len()) as u64;
        let (state, count) = (State::Connecting, Count::default());
        self.streams.push(Ear { socket, tenant, state, count, kept: Vec::new() });
        Ok(())
    }

    /// Reads from a stream, once. Says whether that completed a push.
    fn serve(&mut self, index: usize, buffer: &mut [u8]) -> bool {
        let ear = &mut self.streams[index];
        match ear.state {
            State::Connecting => {
                let done = ear.ask(&self.seats).and_then(|()| {
                    Ok(epoll::modify(&self.epoll, &ear.socket, EventData::new_u64(index as u64), EventFlags::IN)?)
                });
                if let Err(error) = done {
                    self.ended(index, &format!("{error:#}"));
                }
                return false;
            }
            State::Ended => return false,
            State::Asked | State::Open => {}
        }
        let kept = ear.kept.len();
        buffer[..kept].copy_from_slice(&ear.kept);
        match ear.socket.read(&mut buffer[kept..kept + READ]) {
            Ok(0) => self.ended(index, "it ended"),
            Ok(count) => return self.take(index, &buffer[..kept + count], kept),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            Err(error) => self.ended(index, &error.to_string()),
        }
        false
    }

    fn take(&mut self, index: usize, text: &[u8], kept: usize) -> bool {
        let ear = &mut self.streams[index];
        if ear.state == State::Asked {
            if text.len() > MAX_HEAD {
                self.ended(index, "its head is too long");
                return false;
            }
            match Head::read(text) {
                Ok(Some(head)) if head.status == 200 => {
                    ear.state = State::Open;
                    ear.kept = Vec::new();
                    self.opening -= 1;
                    self.presence.open.fetch_add(1, Relaxed);
                }
                Ok(Some(head)) => self.ended(index, &format!("status {}", head.status)),
                Ok(None) => ear.kept = text.to_vec(),
                Err(error) => self.ended(index, &error.to_string()),
            }
            return false;
        }
        self.sums.bytes += (text.len() - kept) as u64;
        self.sums.reads += 1;
        let Some(phase) = &self.phase else { return false };
        let (now, sums) = (monotonic_nanos(), &mut self.sums);
        let mut complete = false;
        let from = phase.stamps.scan(text, |stamp| match ear.count.push(stamp.counter) {
            Came::Again => sums.duplicates += 1,
            came => {
                let took = now.saturating_sub(stamp.nanos);
                sums.reordered += u64::from(came == Came::Late);
                sums.deliveries += 1;
                sums.latency.add(took);
                sums.first_sent = Some(sums.first_sent.map_or(stamp.nanos, |first| first.min(stamp.nanos)));
                sums.last_read = now;
                if phase.window.delivered(phase.number(ear.tenant, stamp.counter)) {
                    sums.complete.add(took);
                    complete = true;
                }
            }
        });
        ear.kept.clear();
        ear.kept.extend_from_slice(&text[from.max(text.len().saturating_sub(MAX_STAMP))..]);
        complete
    }

    fn ended(&mut self, index: usize, why: &str) {
        let ear = &mut self.streams[index];
        if ear.state != State::Open {
            self.opening -= 1;
        }
        ear.state = State::Ended;
        if self.presence.ended.fetch_add(1, Relaxed) == 0 {
            eprintln!("load: stream {index}: {why}");
        }
        // It is out of the set with its last descriptor; a child between fork and exec may hold one more.
        let _ = epoll::delete(&self.epoll, &ear.socket);
    }
}

impl Ear {
    fn ask(&mut self, seats: &Seats) -> Result<()> {
        if let Some(error) = self.socket.take_error()? {
            return Err(error.into());
        }
        let (path, server) = (&seats.paths[self.tenant as usize], seats.server);
        let head = format!("GET {path} HTTP/1.1\r\nHost: {server}\r\nAccept: text/event-stream\r\n\r\n");
        self.socket.write_all(head.as_bytes())?;
        self.state = State::Asked;
        Ok(())
    }
}

/// What the calling thread has used.
pub(crate) fn thread_cpu() -> Duration {
    let used = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(used.tv_sec.unsigned_abs(), used.tv_nsec as u32)
}
