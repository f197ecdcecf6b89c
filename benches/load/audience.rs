use std::{
    collections::VecDeque,
    io,
    net::SocketAddr,
    os::fd::OwnedFd,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
        mpsc::{Receiver, Sender, TryRecvError, channel},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow};
use rustix::{
    buffer::spare_capacity,
    event::{Timespec, epoll},
};
use socket2::SockRef;

use crate::{
    stream::{Scratch, Step, Stream, StreamSpec},
    tally::{GROUPS, Tally},
    wait::pause,
};

/// How soon a stream that ended is asked for again. Browsers wait longer; here the gateway shall be under pressure.
const RETRY: Duration = Duration::from_millis(200);
/// Streams that are asked for at a time and have not begun: the queue of the listener must hold them.
const OPENING: usize = 256;
/// How often commands are looked at.
const BEAT: Timespec = Timespec { tv_sec: 0, tv_nsec: 5_000_000 };
/// The receive buffer of a stream that is going to stop reading, in bytes: it shall be full soon.
const SMALL_BUFFER: usize = 32 << 10;
/// And when it reads again; the system gives what it allows.
const LARGE_BUFFER: usize = 4 << 20;

/// All subscribers of a run, served by one thread with raw sockets: what it costs to read must not be what is measured.
pub(crate) struct Audience {
    commands: Sender<Command>,
    counts: Arc<Counts>,
    thread: JoinHandle<Vec<Stream>>,
}

/// What can be seen while it runs.
#[derive(Debug, Default)]
struct Counts {
    open: AtomicUsize,
    pushes: [AtomicU64; GROUPS],
}

enum Command {
    /// Hand out what was counted since the last lap.
    Lap(Sender<Tally>),
    /// Stop reading this group.
    Pause(usize),
    /// Read it again.
    Resume(usize),
}

impl Audience {
    /// Opens the streams and keeps them open until it is finished or dropped.
    pub(crate) fn start(addr: SocketAddr, specs: Vec<StreamSpec>) -> Result<Self> {
        let (commands, inbox) = channel();
        let counts = Arc::new(Counts::default());
        let reader = Reader {
            addr,
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC).context("no epoll")?,
            closed: (0..specs.len()).map(|index| (Instant::now(), index)).collect(),
            streams: specs.into_iter().map(Stream::new).collect(),
            opening: 0,
            open: 0,
            tally: Tally::default(),
            total: [0; GROUPS],
            counts: counts.clone(),
        };
        let thread = thread::Builder::new().name("audience".to_owned()).spawn(move || reader.run(&inbox))?;
        Ok(Self { commands, counts, thread })
    }

    /// Streams that are open now.
    pub(crate) fn open(&self) -> usize {
        self.counts.open.load(Relaxed)
    }

    /// Pushes that came so far in a group.
    pub(crate) fn pushes_of(&self, group: usize) -> u64 {
        self.counts.pushes[group].load(Relaxed)
    }

    /// Pushes that came so far.
    pub(crate) fn pushes(&self) -> u64 {
        (0..GROUPS).map(|group| self.pushes_of(group)).sum()
    }

    /// What was counted since the last lap.
    pub(crate) fn lap(&self) -> Result<Tally> {
        let (sender, receiver) = channel();
        self.command(Command::Lap(sender))?;
        receiver.recv_timeout(Duration::from_secs(10)).context("the audience does not answer")
    }

    /// Waits until so many pushes came, for at most `longest`, and a little longer for what must not come. Too few are
    /// no error: whoever judges says what is missing.
    pub(crate) fn settle(&self, expected: u64, longest: Duration) -> Result<()> {
        let end = Instant::now() + longest;
        while self.pushes() < expected && Instant::now() < end {
            pause(Duration::from_millis(20))?;
        }
        pause(Duration::from_millis(300))
    }

    /// Makes a group of streams stop reading.
    pub(crate) fn pause(&self, group: usize) -> Result<()> {
        self.command(Command::Pause(group))
    }

    /// Makes it read again.
    pub(crate) fn resume(&self, group: usize) -> Result<()> {
        self.command(Command::Resume(group))
    }

    /// Ends all streams: what each of them saw.
    pub(crate) fn finish(self) -> Result<Vec<Stream>> {
        // The thread ends when nobody can command it any longer.
        drop(self.commands);
        self.thread.join().map_err(|_| anyhow!("the audience panicked"))
    }

    fn command(&self, command: Command) -> Result<()> {
        self.commands.send(command).map_err(|_| anyhow!("the audience is gone"))
    }
}

struct Reader {
    addr: SocketAddr,
    epoll: OwnedFd,
    streams: Vec<Stream>,
    /// Streams to ask for, and when.
    closed: VecDeque<(Instant, usize)>,
    opening: usize,
    open: usize,
    tally: Tally,
    /// Pushes of all laps before this one.
    total: [u64; GROUPS],
    counts: Arc<Counts>,
}

impl Reader {
    fn run(mut self, inbox: &Receiver<Command>) -> Vec<Stream> {
        let mut events = Vec::with_capacity(1024);
        let mut scratch = Scratch::default();
        while self.obey(inbox) {
            self.ask_for_streams();
            events.clear();
            // An interrupted wait has no events.
            let _ = epoll::wait(&self.epoll, spare_capacity(&mut events), Some(&BEAT));
            for event in &events {
                let index = event.data.u64() as usize;
                let was_open = self.streams[index].is_open();
                match self.streams[index].read(&mut scratch, &mut self.tally) {
                    Step::Going => {}
                    Step::Opened => {
                        self.opening -= 1;
                        self.open += 1;
                    }
                    Step::Ended => self.ended(index, was_open),
                }
            }
            self.publish();
        }
        for stream in &mut self.streams {
            stream.close();
        }
        self.streams
    }

    /// Follows the commands that came. False when there will be no more.
    fn obey(&mut self, inbox: &Receiver<Command>) -> bool {
        loop {
            match inbox.try_recv() {
                Ok(Command::Lap(reply)) => {
                    let tally = std::mem::take(&mut self.tally);
                    for (total, pushes) in self.total.iter_mut().zip(tally.pushes) {
                        *total += pushes;
                    }
                    // Whoever asked may have given up.
                    let _ = reply.send(tally);
                }
                Ok(Command::Pause(group)) => self.listen(group, epoll::EventFlags::empty()),
                Ok(Command::Resume(group)) => self.listen(group, epoll::EventFlags::IN),
                Err(TryRecvError::Empty) => return true,
                Err(TryRecvError::Disconnected) => return false,
            }
        }
    }

    fn ask_for_streams(&mut self) {
        let now = Instant::now();
        while self.opening < OPENING
            && let Some((_, index)) = self.closed.pop_front_if(|(due, _)| *due <= now)
        {
            if self.connect(index).is_ok() {
                self.opening += 1;
            } else {
                self.streams[index].close();
                self.closed.push_back((Instant::now() + RETRY, index));
                // Nobody listens: the others would find the same.
                return;
            }
        }
    }

    fn connect(&mut self, index: usize) -> io::Result<()> {
        let stream = &mut self.streams[index];
        stream.connect(self.addr)?;
        let data = epoll::EventData::new_u64(index as u64);
        if let Some(socket) = stream.socket() {
            epoll::add(&self.epoll, socket, data, epoll::EventFlags::IN)?;
        }
        Ok(())
    }

    fn ended(&mut self, index: usize, was_open: bool) {
        if was_open {
            self.open -= 1;
            self.tally.ended += 1;
        } else {
            self.opening -= 1;
        }
        // A close alone does not take it out of the set while a child, between fork and exec, holds the socket too.
        if let Some(socket) = self.streams[index].socket() {
            let _ = epoll::delete(&self.epoll, socket);
        }
        self.streams[index].close();
        self.closed.push_back((Instant::now() + RETRY, index));
    }

    fn listen(&mut self, group: usize, to: epoll::EventFlags) {
        for (index, stream) in self.streams.iter().enumerate().filter(|(_, stream)| stream.spec.group == group) {
            let Some(socket) = stream.socket() else { continue };
            let buffer = if to.is_empty() { SMALL_BUFFER } else { LARGE_BUFFER };
            // Only how long it takes until the buffers are full, or empty, depends on this.
            let _ = SockRef::from(socket).set_recv_buffer_size(buffer);
            let _ = epoll::modify(&self.epoll, socket, epoll::EventData::new_u64(index as u64), to);
        }
    }

    fn publish(&self) {
        self.counts.open.store(self.open, Relaxed);
        for (group, count) in self.counts.pushes.iter().enumerate() {
            count.store(self.total[group] + self.tally.pushes[group], Relaxed);
        }
    }
}
