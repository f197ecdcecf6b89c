use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use anyhow::{Result, anyhow, bail};

use crate::{head::Head, histogram::Histogram};

/// How long a stream may take to begin.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often one is asked for.
const EVERY: Duration = Duration::from_millis(100);

/// Asks for a new stream again and again: whether there is still service for those who come.
pub(crate) struct Probe {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Found>,
}

/// What the probe found.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// From the connect to the first byte of the stream.
    pub(crate) took: Histogram,
    /// Streams that did not begin.
    pub(crate) failed: usize,
    /// Why, for the first of them.
    pub(crate) why: Option<String>,
}

impl Probe {
    pub(crate) fn begin(addr: SocketAddr) -> Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let probe = move || {
            let mut found = Found::default();
            while !stopped.load(Relaxed) {
                let begun = Instant::now();
                match once(addr) {
                    Ok(()) => found.took.add(begun.elapsed().as_nanos() as u64),
                    Err(error) => {
                        found.failed += 1;
                        found.why.get_or_insert_with(|| format!("{error:#}"));
                    }
                }
                thread::sleep(EVERY.saturating_sub(begun.elapsed()));
            }
            found
        };
        let thread = thread::Builder::new().name("probe".to_owned()).spawn(probe)?;
        Ok(Self { stop, thread })
    }

    pub(crate) fn end(self) -> Result<Found> {
        self.stop.store(true, Relaxed);
        self.thread.join().map_err(|_| anyhow!("the probe panicked"))
    }
}

fn once(addr: SocketAddr) -> Result<()> {
    let mut socket = TcpStream::connect_timeout(&addr, PATIENCE)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    let head = format!("GET /events/t0 HTTP/1.1\r\nHost: {addr}\r\nAccept: text/event-stream\r\n\r\n");
    socket.write_all(head.as_bytes())?;
    let (mut bytes, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        match socket.read(&mut buffer)? {
            0 => bail!("the connection ended before the stream began"),
            count => bytes.extend_from_slice(&buffer[..count]),
        }
        match Head::read(&bytes)? {
            Some(head) if head.status != 200 => bail!("status {}", head.status),
            Some(head) if bytes.len() > head.length => return Ok(()),
            _ => {}
        }
    }
}
