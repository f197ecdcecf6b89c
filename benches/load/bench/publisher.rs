use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};

use super::{ears::thread_cpu, phase::Phase, source::Source, window::Window};
use crate::wait::interrupted;

/// How long the last deliveries may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// When pushes are published.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Pace {
    /// As soon as fewer than so many are under way.
    Window(u64),
    /// So many a second.
    PerSecond(f64),
}

/// How much is published.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Amount {
    Pushes(u64),
    Time(Duration),
}

/// What was published.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Published {
    pub(crate) pushes: u64,
    /// Pushes that not everybody had when patience ended.
    pub(crate) incomplete: u64,
    /// CPU of the publishing thread.
    pub(crate) cpu: Duration,
}

/// Publishes stamped pushes at a pace.
pub(crate) struct Publisher(Source);

impl Pace {
    /// Pushes that may be under way.
    pub(crate) fn window(self) -> u64 {
        match self {
            Self::Window(size) => size,
            // A second's worth, and some more: what is that late has failed anyway.
            Self::PerSecond(rate) => rate as u64 + 64,
        }
    }
}

impl Publisher {
    pub(crate) fn new(source: Source) -> Self {
        Self(source)
    }

    /// Publishes a phase, and waits until everybody has all of it.
    pub(crate) fn publish(&mut self, phase: &Phase, pace: Pace, amount: Amount) -> Result<Published> {
        phase.window.attend();
        let (cpu, begin) = (thread_cpu(), Instant::now());
        self.0.begin(phase)?;
        let mut push = 0;
        while !interrupted() && amount.is_left(push, begin) {
            if let Some(wait) = pace.wait(push, phase, begin) {
                self.0.flush()?;
                wait.take();
                continue;
            }
            self.0.push(push, phase);
            push += 1;
        }
        self.0.flush()?;
        let end = Instant::now() + PATIENCE;
        while phase.window.completed() < push && Instant::now() < end {
            ensure!(!interrupted(), "interrupted");
            self.0.drain()?;
            Window::wait();
        }
        self.0.end()?;
        Ok(Published {
            pushes: push,
            incomplete: push - phase.window.completed(),
            cpu: thread_cpu().saturating_sub(cpu),
        })
    }
}

/// What to wait for before the next push.
enum Wait {
    /// Something is delivered.
    Delivery,
    /// It is time.
    Until(Duration),
}

impl Wait {
    fn take(self) {
        match self {
            Self::Delivery => Window::wait(),
            Self::Until(time) => thread::sleep(time.min(Duration::from_millis(50))),
        }
    }
}

impl Pace {
    /// Whether the next push must wait; when not, its place in the window is taken.
    fn wait(self, push: u64, phase: &Phase, begin: Instant) -> Option<Wait> {
        if let Self::PerSecond(rate) = self {
            let due = Duration::from_secs_f64(push as f64 / rate);
            let early = due.saturating_sub(begin.elapsed());
            if !early.is_zero() {
                return Some(Wait::Until(early));
            }
        }
        let full = push - phase.window.completed() >= self.window();
        (full || !phase.window.enter(push)).then_some(Wait::Delivery)
    }
}

impl Amount {
    fn is_left(self, pushes: u64, begin: Instant) -> bool {
        match self {
            Self::Pushes(count) => pushes < count,
            Self::Time(time) => begin.elapsed() < time,
        }
    }
}
