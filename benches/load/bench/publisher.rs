use std::{
    io::Write,
    net::SocketAddr,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};

use super::{ears::thread_cpu, line::Line, phase::Phase, window::Window};
use crate::{clock::monotonic_nanos, wait::interrupted};

/// Connections to publish on. All pushes of a tenant take the same one, so that their order is kept.
const LINES: u64 = 16;
/// Bytes of a push as an event.
const EVENT: usize = 280;
/// How long the last deliveries may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// How a server takes pushes by HTTP.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) addr: SocketAddr,
    /// What is posted to: `{}` stands for a tenant's number.
    pub(crate) path: &'static str,
    /// The body: `{}` stands for the stamp and what fills it up.
    pub(crate) body: &'static str,
    /// Bytes of an event beside stamp and filling.
    pub(crate) frame: usize,
}

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

/// Publishes stamped pushes by HTTP, in turn to all tenants of a phase.
pub(crate) struct Publisher {
    target: Target,
    lines: Vec<Line>,
    body: Vec<u8>,
}

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
    pub(crate) fn connect(target: Target, tenants: u64) -> Result<Self> {
        let lines = (0..LINES.min(tenants)).map(|_| Line::connect(target.addr)).collect::<Result<_>>()?;
        Ok(Self { target, lines, body: Vec::new() })
    }

    /// Publishes a phase, and waits until everybody has all of it.
    pub(crate) fn publish(&mut self, phase: &Phase, pace: Pace, amount: Amount) -> Result<Published> {
        phase.window.attend();
        let (cpu, begin) = (thread_cpu(), Instant::now());
        let mut push = 0;
        while !interrupted() && amount.is_left(push, begin) {
            if let Some(wait) = pace.wait(push, phase, begin) {
                self.flush()?;
                wait.take();
                continue;
            }
            self.write(push, phase);
            push += 1;
        }
        self.flush()?;
        let end = Instant::now() + PATIENCE;
        while phase.window.completed() < push && Instant::now() < end {
            ensure!(!interrupted(), "interrupted");
            self.lines.iter_mut().try_for_each(Line::drain)?;
            Window::wait();
        }
        Ok(Published {
            pushes: push,
            incomplete: push - phase.window.completed(),
            cpu: thread_cpu().saturating_sub(cpu),
        })
    }

    fn write(&mut self, push: u64, phase: &Phase) {
        let (tenant, counter) = (push % phase.tenants, push / phase.tenants);
        let body = &mut self.body;
        body.clear();
        let (before, after) = self.target.body.split_once("{}").unwrap_or((self.target.body, ""));
        body.extend_from_slice(before.as_bytes());
        let begin = body.len();
        write!(body, "{}t={};n={counter}; ", phase.marker, monotonic_nanos()).expect("memory can be written");
        body.resize((begin + EVENT.saturating_sub(self.target.frame)).max(body.len()), b'x');
        body.extend_from_slice(after.as_bytes());
        let (path, end) = self.target.path.split_once("{}").unwrap_or((self.target.path, ""));
        let line = (tenant % self.lines.len() as u64) as usize;
        self.lines[line].post(format_args!("{path}{tenant}{end}"), &self.body);
    }

    fn flush(&mut self) -> Result<()> {
        self.lines.iter_mut().try_for_each(Line::flush)
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
