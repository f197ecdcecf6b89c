use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
        mpsc::{Sender, channel},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow};

use crate::{
    reader::Reader,
    stream::{Stream, StreamSpec},
    tally::{GROUPS, Tally},
    wait::pause,
};

/// How the subscribers of a run come back.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Manners {
    /// How soon a stream that ended is asked for again.
    pub(crate) retry: Retry,
    /// Streams that are asked for at a time and have not begun: the queue of the listener must hold them.
    pub(crate) opening: usize,
}

/// How soon a stream that ended is asked for again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Retry {
    /// Much sooner than by a browser: the gateway shall be under pressure.
    Soon,
    /// As the gateway asked for, as EventSource does.
    AsTold,
}

impl Default for Manners {
    fn default() -> Self {
        Self { retry: Retry::Soon, opening: 256 }
    }
}

/// All subscribers of a run, served by one thread with raw sockets: what it costs to read must not be what is measured.
pub(crate) struct Audience {
    commands: Sender<Command>,
    counts: Arc<Counts>,
    thread: JoinHandle<Vec<Stream>>,
}

/// What can be seen while it runs.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) open: AtomicUsize,
    /// Streams on their way back to live.
    pub(crate) resuming: AtomicUsize,
    pub(crate) pushes: [AtomicU64; GROUPS],
}

pub(crate) enum Command {
    /// Hand out what was counted since the last lap.
    Lap(Sender<Tally>),
    /// Stop reading this group.
    Pause(usize),
    /// Read it again.
    Resume(usize),
    /// End the streams of this group, and let them stay away.
    Leave(usize),
    /// Let them come back, all at once, and say that it began.
    Return(usize, Sender<()>),
}

impl Audience {
    /// Opens the streams and keeps them open until it is finished or dropped.
    pub(crate) fn start(addr: SocketAddr, specs: Vec<StreamSpec>, manners: Manners) -> Result<Self> {
        let (commands, inbox) = channel();
        let counts = Arc::new(Counts::default());
        let reader = Reader::new(addr, specs, manners, counts.clone())?;
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

    /// Ends the streams of a group, which stay away and keep their cursors.
    pub(crate) fn leave(&self, group: usize) -> Result<()> {
        self.command(Command::Leave(group))
    }

    /// Lets them come back, all at once.
    pub(crate) fn come_back(&self, group: usize) -> Result<()> {
        let (sender, receiver) = channel();
        self.command(Command::Return(group, sender))?;
        receiver.recv_timeout(Duration::from_secs(10)).context("the audience does not answer")
    }

    /// Streams that came back and have not read a live push yet.
    pub(crate) fn resuming(&self) -> usize {
        self.counts.resuming.load(Relaxed)
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
