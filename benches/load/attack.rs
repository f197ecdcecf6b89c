//! What harms a listener without a valid request.

use std::{
    io::{ErrorKind, Write as _},
    net::{SocketAddr, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use anyhow::{Result, anyhow};
use socket2::SockRef;

/// How long a connect may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// How often a slow head grows by a byte.
const SLOW: Duration = Duration::from_secs(2);
/// How long sockets rest when none of them took a byte.
const REST: Duration = Duration::from_millis(1);

/// What an attack did.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Harm {
    /// Connections made.
    pub(crate) connects: u64,
    /// Connects that failed.
    pub(crate) failed: u64,
    /// Connections that the gateway ended.
    pub(crate) ended: u64,
    /// Bytes sent.
    pub(crate) bytes: u64,
}

/// One kind of harm.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    /// So many requests that never end their heads: a byte every few seconds; each that is ended is begun again.
    SlowHeads(usize),
    /// So many connects a second, without a byte.
    Knocks(f64),
    /// So many connections, each with headers without end, as fast as they are taken.
    EndlessHeads(usize),
}

/// An attack under way, in a thread of its own.
pub(crate) struct Attack {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Harm>,
}

impl Attack {
    pub(crate) fn begin(kind: Kind, addr: SocketAddr) -> Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let attack = move || match kind {
            Kind::SlowHeads(count) => Heads::new(addr, count, Pace::Slow).run(&stopped),
            Kind::EndlessHeads(count) => Heads::new(addr, count, Pace::Fast).run(&stopped),
            Kind::Knocks(per_second) => knock(addr, per_second, &stopped),
        };
        let thread = thread::Builder::new().name("attack".to_owned()).spawn(attack)?;
        Ok(Self { stop, thread })
    }

    /// Ends it, its connections included.
    pub(crate) fn end(self) -> Result<Harm> {
        self.stop.store(true, Relaxed);
        self.thread.join().map_err(|_| anyhow!("an attack panicked"))
    }
}

/// How fast heads grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pace {
    Slow,
    Fast,
}

/// Connections whose requests never come to the end of their heads.
struct Heads {
    addr: SocketAddr,
    pace: Pace,
    sockets: Vec<Option<TcpStream>>,
    harm: Harm,
}

impl Heads {
    fn new(addr: SocketAddr, count: usize, pace: Pace) -> Self {
        Self { addr, pace, sockets: (0..count).map(|_| None).collect(), harm: Harm::default() }
    }

    fn run(mut self, stop: &AtomicBool) -> Harm {
        let more = match self.pace {
            Pace::Slow => b"a".to_vec(),
            Pace::Fast => format!("X-{}: {}\r\n", "n".repeat(30), "v".repeat(960)).repeat(4).into_bytes(),
        };
        while !stop.load(Relaxed) {
            let begun = Instant::now();
            let mut taken = false;
            for index in 0..self.sockets.len() {
                if stop.load(Relaxed) {
                    break;
                }
                taken |= self.grow(index, &more);
            }
            match self.pace {
                Pace::Slow => rest(SLOW.saturating_sub(begun.elapsed()), stop),
                Pace::Fast if !taken => thread::sleep(REST),
                Pace::Fast => {}
            }
        }
        self.harm
    }

    /// Whether the connection took what it was sent.
    fn grow(&mut self, index: usize, more: &[u8]) -> bool {
        let Some(socket) = &mut self.sockets[index] else {
            self.sockets[index] = self.begin();
            return false;
        };
        match (is_over(socket), socket.write(more)) {
            (false, Ok(sent)) => {
                self.harm.bytes += sent as u64;
                true
            }
            (false, Err(error)) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => false,
            _ => {
                self.harm.ended += 1;
                self.sockets[index] = None;
                false
            }
        }
    }

    fn begin(&mut self) -> Option<TcpStream> {
        let begun = TcpStream::connect_timeout(&self.addr, CONNECT_TIMEOUT).and_then(|mut socket| {
            forget_at_once(&socket)?;
            socket.write_all(b"GET /events/t0 HTTP/1.1\r\nHost: localhost\r\nX-Begin: ")?;
            socket.set_nonblocking(true)?;
            Ok(socket)
        });
        *(if begun.is_ok() { &mut self.harm.connects } else { &mut self.harm.failed }) += 1;
        begun.ok()
    }
}

/// Whether the gateway has answered, which it only does to refuse, or ended the connection.
fn is_over(socket: &TcpStream) -> bool {
    match socket.peek(&mut [0]) {
        Ok(_) => true,
        Err(error) => !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted),
    }
}

fn knock(addr: SocketAddr, per_second: f64, stop: &AtomicBool) -> Harm {
    let mut harm = Harm::default();
    let begun = Instant::now();
    while !stop.load(Relaxed) {
        let due = ((harm.connects + harm.failed) as f64 / per_second.max(1e-3)).min(1e6);
        let early = Duration::from_secs_f64(due).saturating_sub(begun.elapsed());
        if !early.is_zero() {
            rest(early, stop);
            continue;
        }
        let knocked = TcpStream::connect_timeout(&addr, CONNECT_TIMEOUT).and_then(|socket| forget_at_once(&socket));
        *(if knocked.is_ok() { &mut harm.connects } else { &mut harm.failed }) += 1;
    }
    harm
}

/// Lets a close end the connection with a reset: else the machine's ports, which wait for a minute, were used up soon.
fn forget_at_once(socket: &TcpStream) -> std::io::Result<()> {
    SockRef::from(socket).set_linger(Some(Duration::ZERO))
}

/// Waits, and sees an end soon.
fn rest(time: Duration, stop: &AtomicBool) {
    let end = Instant::now() + time;
    while !stop.load(Relaxed) {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return;
        }
        thread::sleep(left.min(Duration::from_millis(20)));
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    fn listener() -> (TcpListener, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        (listener, addr)
    }

    #[test]
    fn a_head_that_was_ended_is_begun_again() {
        let (listener, addr) = listener();
        let attack = Attack::begin(Kind::EndlessHeads(1), addr).unwrap();
        drop(listener.accept().unwrap());
        drop(listener.accept().unwrap());
        let harm = attack.end().unwrap();
        assert!(harm.connects >= 2 && harm.ended >= 1, "{harm:?}");
    }

    #[test]
    fn knocks_keep_to_their_rate() {
        let (listener, addr) = listener();
        let attack = Attack::begin(Kind::Knocks(1000.0), addr).unwrap();
        let begun = Instant::now();
        for _ in 0..100 {
            listener.accept().unwrap();
        }
        assert!(begun.elapsed() > Duration::from_millis(50), "{:?}", begun.elapsed());
        assert_eq!(attack.end().unwrap().failed, 0);
    }
}
