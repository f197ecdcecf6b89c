use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
        mpsc::{Sender, channel},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use anyhow::{Context, Result, anyhow, ensure};

use super::{ears::Ears, phase::Phase, sums::Sums};
use crate::wait::until;

/// How long streams may take to open.
const OPENING: Duration = Duration::from_secs(90);
/// How long a thread of it may take to answer.
const ANSWER: Duration = Duration::from_secs(10);

/// Subscribers that only count: what it costs to read must stay far below what any server's writes cost. Stamps are
/// looked for in the bytes of a stream as they are; `audience.rs` is the one that reads every event.
pub(crate) struct Crowd {
    inboxes: Vec<Sender<Order>>,
    presence: Arc<Presence>,
    threads: Vec<JoinHandle<()>>,
}

/// What can be seen while it reads.
#[derive(Debug, Default)]
pub(crate) struct Presence {
    pub(crate) open: AtomicUsize,
    /// Streams that could not be opened, or ended.
    pub(crate) ended: AtomicUsize,
}

pub(crate) enum Order {
    /// Count these from now on.
    Begin(Arc<Phase>, Sender<()>),
    /// Hand out what was counted since.
    End(Sender<Sums>),
}

/// The streams of a crowd: one for each place, going round the paths.
#[derive(Clone, Debug)]
pub(crate) struct Seats {
    pub(crate) server: SocketAddr,
    pub(crate) streams: usize,
    /// What the streams of each tenant ask for.
    pub(crate) paths: Arc<[String]>,
}

impl Crowd {
    /// Opens all streams, shared among so many threads, and waits until all are open.
    pub(crate) fn open(seats: &Seats, threads: usize) -> Result<Self> {
        let presence = Arc::new(Presence::default());
        let mut crowd = Self { inboxes: Vec::new(), presence: presence.clone(), threads: Vec::new() };
        for share in 0..threads {
            let (sender, inbox) = channel();
            let streams = (share..seats.streams).step_by(threads).collect();
            let ears = Ears::new(seats, streams, presence.clone())?;
            let thread = thread::Builder::new().name("crowd".to_owned());
            crowd.threads.push(thread.spawn(move || ears.run(&inbox))?);
            crowd.inboxes.push(sender);
        }
        until("all streams", OPENING, || {
            let ended = presence.ended.load(Relaxed) > 0;
            (ended || presence.open.load(Relaxed) == seats.streams).then_some(())
        })?;
        ensure!(presence.ended.load(Relaxed) == 0, "a stream can't be opened");
        Ok(crowd)
    }

    /// Begins to count the pushes of a phase.
    pub(crate) fn begin(&self, phase: &Arc<Phase>) -> Result<()> {
        let (sender, begun) = channel();
        for inbox in &self.inboxes {
            inbox.send(Order::Begin(phase.clone(), sender.clone())).map_err(|_| anyhow!("the crowd is gone"))?;
        }
        for _ in &self.inboxes {
            begun.recv_timeout(ANSWER).context("the crowd does not answer")?;
        }
        Ok(())
    }

    /// What was counted in the phase.
    pub(crate) fn end(&self) -> Result<Sums> {
        let (sender, sums) = channel();
        for inbox in &self.inboxes {
            inbox.send(Order::End(sender.clone())).map_err(|_| anyhow!("the crowd is gone"))?;
        }
        let mut all = Sums::default();
        for _ in &self.inboxes {
            all.add(&sums.recv_timeout(ANSWER).context("the crowd does not answer")?);
        }
        Ok(all)
    }

    /// Streams that ended, or were refused.
    pub(crate) fn ended(&self) -> usize {
        self.presence.ended.load(Relaxed)
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        // Its threads end when nobody can give them orders any longer.
        self.inboxes.clear();
        for thread in self.threads.drain(..) {
            // One that panicked said why.
            let _ = thread.join();
        }
    }
}
