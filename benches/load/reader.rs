use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    net::SocketAddr,
    os::fd::OwnedFd,
    sync::{
        Arc,
        atomic::Ordering::Relaxed,
        mpsc::{Receiver, TryRecvError},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use rustix::{
    buffer::spare_capacity,
    event::{
        Timespec,
        epoll::{self, EventFlags},
    },
};

use crate::{
    audience::{Command, Counts, Manners, Retry},
    clock::monotonic_nanos,
    stream::{Scratch, Step, Stream, StreamSpec},
    tally::{GROUPS, Tally},
};

/// How soon a stream is asked for again by those who do not wait to be told.
const SOON: Duration = Duration::from_millis(200);
/// What those who do wait to be told take for granted before they are.
const UNTOLD: Duration = Duration::from_secs(3);
/// How often commands are looked at.
const BEAT: Timespec = Timespec { tv_sec: 0, tv_nsec: 5_000_000 };
/// The thread that reads all streams of an audience.
pub(crate) struct Reader {
    addr: SocketAddr,
    manners: Manners,
    epoll: OwnedFd,
    streams: Vec<Stream>,
    /// Streams to ask for, and when.
    due: BinaryHeap<Reverse<(Instant, usize)>>,
    presence: [Presence; GROUPS],
    /// Whether the last connect met nobody: then one at a time is tried.
    alone: bool,
    opening: usize,
    open: usize,
    /// Streams on their way back to live.
    resuming: usize,
    tally: Tally,
    /// Pushes of all laps before this one.
    total: [u64; GROUPS],
    counts: Arc<Counts>,
}

/// What the streams of a group do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Presence {
    Reading,
    /// They take nothing, and do not come back when they are closed.
    Paused,
    /// They are gone.
    Away,
}

impl Reader {
    pub(crate) fn new(addr: SocketAddr, specs: Vec<StreamSpec>, manners: Manners, counts: Arc<Counts>) -> Result<Self> {
        let now = Instant::now();
        Ok(Self {
            addr,
            manners,
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC).context("no epoll")?,
            due: (0..specs.len()).map(|index| Reverse((now, index))).collect(),
            streams: specs.into_iter().map(Stream::new).collect(),
            presence: [Presence::Reading; GROUPS],
            alone: false,
            opening: 0,
            open: 0,
            resuming: 0,
            tally: Tally::default(),
            total: [0; GROUPS],
            counts,
        })
    }

    /// Reads until nobody can command it any longer.
    pub(crate) fn run(mut self, inbox: &Receiver<Command>) -> Vec<Stream> {
        let mut events = Vec::with_capacity(1024);
        let mut scratch = Scratch::default();
        while self.obey(inbox) {
            self.ask_for_streams();
            events.clear();
            // An interrupted wait has no events.
            let _ = epoll::wait(&self.epoll, spare_capacity(&mut events), Some(&BEAT));
            for event in &events {
                self.serve(event.data.u64() as usize, &mut scratch);
            }
            self.publish();
        }
        for stream in &mut self.streams {
            stream.close();
        }
        self.streams
    }

    fn serve(&mut self, index: usize, scratch: &mut Scratch) {
        let stream = &mut self.streams[index];
        let (was_open, group) = (stream.is_open(), stream.spec.group);
        if was_open && self.presence[group] == Presence::Paused {
            // It takes nothing, so this is the end.
            return self.ended(index, was_open);
        }
        let was_resuming = stream.resuming.is_some();
        let step = stream.read(scratch, &mut self.tally);
        if was_resuming && stream.resuming.is_none() {
            self.resuming -= 1;
        }
        match step {
            Step::Going => {}
            Step::Asked => self.watch(index, EventFlags::IN),
            Step::Opened => {
                self.alone = false;
                self.opening -= 1;
                self.open += 1;
                self.tally.opened_at.push(monotonic_nanos());
            }
            Step::Unreachable => {
                self.alone = self.manners.retry == Retry::Soon;
                self.tally.unreachable += 1;
                self.ended(index, was_open);
            }
            Step::Ended => self.ended(index, was_open),
        }
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
                Ok(Command::Pause(group)) => self.pause(group),
                Ok(Command::Resume(group)) => self.resume(group),
                Ok(Command::Leave(group)) => self.leave(group),
                Ok(Command::Return(group, begun)) => {
                    self.come_back(group);
                    // As above.
                    let _ = begun.send(());
                }
                Err(TryRecvError::Empty) => return true,
                Err(TryRecvError::Disconnected) => return false,
            }
        }
    }

    fn ask_for_streams(&mut self) {
        let now = Instant::now();
        let limit = if self.alone { 1 } else { self.manners.opening };
        while self.opening < limit
            && let Some(Reverse((due, index))) = self.due.peek().copied()
            && due <= now
        {
            self.due.pop();
            let stream = &self.streams[index];
            if stream.socket().is_some() || self.presence[stream.spec.group] != Presence::Reading {
                continue;
            }
            self.opening += 1;
            if self.connect(index).is_err() {
                self.tally.unreachable += 1;
                self.ended(index, false);
                // The others would find the same.
                return;
            }
        }
    }

    fn connect(&mut self, index: usize) -> Result<()> {
        self.streams[index].connect(self.addr)?;
        let socket = self.streams[index].socket().context("it was just made")?;
        let data = epoll::EventData::new_u64(index as u64);
        Ok(epoll::add(&self.epoll, socket, data, EventFlags::IN | EventFlags::OUT)?)
    }

    fn ended(&mut self, index: usize, was_open: bool) {
        if was_open {
            self.tally.ended += 1;
            self.tally.ended_at.push(monotonic_nanos());
        }
        self.close(index, was_open);
        let stream = &self.streams[index];
        let wait = match self.manners.retry {
            Retry::Soon => SOON,
            Retry::AsTold => stream.retry.unwrap_or(UNTOLD),
        };
        // One that is paused or away is asked for when it reads again.
        if self.presence[stream.spec.group] == Presence::Reading {
            self.due.push(Reverse((Instant::now() + wait, index)));
        }
    }

    fn close(&mut self, index: usize, was_open: bool) {
        *(if was_open { &mut self.open } else { &mut self.opening }) -= 1;
        // A close alone does not take it out of the set while a child, between fork and exec, holds the socket too.
        if let Some(socket) = self.streams[index].socket() {
            let _ = epoll::delete(&self.epoll, socket);
        }
        self.streams[index].close();
    }

    fn of(&self, group: usize) -> Vec<usize> {
        let streams = self.streams.iter().enumerate();
        streams.filter(|(_, stream)| stream.spec.group == group).map(|(index, _)| index).collect()
    }

    fn pause(&mut self, group: usize) {
        self.presence[group] = Presence::Paused;
        for index in self.of(group) {
            self.watch(index, EventFlags::empty());
        }
    }

    fn resume(&mut self, group: usize) {
        self.presence[group] = Presence::Reading;
        for index in self.of(group) {
            self.watch(index, EventFlags::IN);
            if self.streams[index].socket().is_none() {
                self.due.push(Reverse((Instant::now(), index)));
            }
        }
    }

    fn leave(&mut self, group: usize) {
        self.presence[group] = Presence::Away;
        for index in self.of(group) {
            if self.streams[index].socket().is_some() {
                self.close(index, self.streams[index].is_open());
            }
        }
    }

    fn come_back(&mut self, group: usize) {
        self.presence[group] = Presence::Reading;
        let (now, since) = (Instant::now(), monotonic_nanos());
        for index in self.of(group) {
            if self.streams[index].resuming.replace(since).is_none() {
                self.resuming += 1;
            }
            self.due.push(Reverse((now, index)));
        }
        self.publish();
    }

    fn watch(&self, index: usize, what: EventFlags) {
        if let Some(socket) = self.streams[index].socket() {
            // One that is closed already has nothing more to say.
            let _ = epoll::modify(&self.epoll, socket, epoll::EventData::new_u64(index as u64), what);
        }
    }

    fn publish(&self) {
        self.counts.open.store(self.open, Relaxed);
        self.counts.resuming.store(self.resuming, Relaxed);
        for (group, count) in self.counts.pushes.iter().enumerate() {
            count.store(self.total[group] + self.tally.pushes[group], Relaxed);
        }
    }
}
