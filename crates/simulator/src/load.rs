use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use crate::{
    account::Account,
    content::{Content, NewPush, fresh_id, now_text},
};

/// Most pushes that one tick makes. A load that is late catches up in the next ticks.
const PUSHES_PER_TICK: u64 = 10_000;
/// How often pushes are made at a rate.
const RATE_TICK: Duration = Duration::from_millis(1);
/// How often the others are looked at: for their end, and for accounts that another's pushes kept from their own.
const TICK: Duration = Duration::from_millis(50);

/// What makes the next push of a load.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Pace {
    /// Time: so many a second over all accounts.
    Rate(f64),
    /// An answer makes the next push of its account.
    Answers,
    /// Whoever drives the load from outside asks for each.
    Credit,
}

/// Stamped pushes that go round some accounts, at one [`Pace`], from a start to an end.
///
/// Accepts ticks of the clock, credit of the control API and, by way of its [`Flow`], the answers that accounts get.
pub(crate) struct LoadRun {
    accounts: Vec<Arc<Account>>,
    flow: Arc<Flow>,
    pace: Pace,
    started: Instant,
    until: Option<Instant>,
    next: AtomicUsize,
    end_told: AtomicBool,
}

/// How far a load may go.
pub(crate) struct Bounds {
    /// Pushes in all; nothing for no end.
    pub(crate) total: Option<u64>,
    /// How long it goes on; nothing for no end.
    pub(crate) time: Option<Duration>,
    /// Pushes without an answer of one account at a time.
    pub(crate) in_flight: Option<usize>,
    /// Pushes without an answer over all accounts, those of others included.
    pub(crate) pending: usize,
}

/// What the accounts of a load share: what a push says, and how many more there may be.
pub(crate) struct Flow {
    content: Arc<Content>,
    in_flight: usize,
    pending: usize,
    on_answer: bool,
    total: Option<u64>,
    claimed: AtomicU64,
    done: AtomicBool,
    sent: AtomicU64,
    refused: AtomicU64,
    answered: AtomicU64,
}

/// An account's part in a load.
pub(crate) struct Lane {
    flow: Arc<Flow>,
    /// Pushes so far.
    made: u64,
}

/// How far a load is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Progress {
    /// Pushes in all; nothing when the load ends by time or by hand.
    pub(crate) total: Option<u64>,
    /// Pushes that were made.
    pub(crate) sent: u64,
    /// Pushes that were due, and not made because too many wait for their answer.
    pub(crate) refused: u64,
    /// Pushes of the load that got their answer while it was the last one.
    pub(crate) answered: u64,
    /// Whether no further push is made.
    pub(crate) done: bool,
}

impl LoadRun {
    pub(crate) fn new(accounts: Vec<Arc<Account>>, content: Content, pace: Pace, bounds: &Bounds) -> Self {
        let started = Instant::now();
        let flow = Flow {
            content: Arc::new(content),
            in_flight: bounds.in_flight.unwrap_or(usize::MAX),
            pending: bounds.pending,
            on_answer: matches!(pace, Pace::Answers),
            total: bounds.total,
            claimed: AtomicU64::default(),
            done: AtomicBool::default(),
            sent: AtomicU64::default(),
            refused: AtomicU64::default(),
            answered: AtomicU64::default(),
        };
        Self {
            accounts,
            flow: Arc::new(flow),
            pace,
            started,
            until: bounds.time.map(|time| started + time),
            next: AtomicUsize::default(),
            end_told: AtomicBool::default(),
        }
    }

    /// Whether pushes are made by [`give`](Self::give).
    pub(crate) fn takes_credit(&self) -> bool {
        matches!(self.pace, Pace::Credit) && !self.is_done()
    }

    pub(crate) fn is_done(&self) -> bool {
        self.flow.done.load(Relaxed)
    }

    /// No further push is made.
    pub(crate) fn end(&self) {
        self.flow.done.store(true, Relaxed);
    }

    pub(crate) fn progress(&self) -> Progress {
        let flow = &self.flow;
        Progress {
            total: flow.total,
            sent: flow.sent.load(Relaxed),
            refused: flow.refused.load(Relaxed),
            answered: flow.answered.load(Relaxed),
            done: self.is_done(),
        }
    }

    /// Makes so many pushes at once: of this account, or going round those of the load. Fewer when the load ends, and
    /// when too many pushes wait for their answer, which counts as refused.
    pub(crate) fn give(&self, count: u64, account: Option<&Account>) {
        let refused = match account {
            Some(account) => count - account.feed(&self.flow, count),
            None => (0..count).map(|_| u64::from(self.next_account().feed(&self.flow, 1) == 0)).sum(),
        };
        if !self.is_done() {
            self.flow.refused.fetch_add(refused, Relaxed);
        }
    }

    /// Makes the pushes that are due by now. Answers when it wants to be called again; nothing when it is done.
    pub(crate) fn tick(&self, now: Instant) -> Option<Duration> {
        if self.until.is_some_and(|until| now >= until) {
            self.end();
        }
        if self.is_done() {
            self.tell_end(now);
            return None;
        }
        match self.pace {
            Pace::Rate(per_second) => {
                self.make_due(now, per_second);
                return Some(RATE_TICK);
            }
            Pace::Answers => {
                for account in &self.accounts {
                    account.feed(&self.flow, u64::MAX);
                }
            }
            Pace::Credit => {}
        }
        Some(TICK)
    }

    fn make_due(&self, now: Instant, per_second: f64) {
        let elapsed = now.saturating_duration_since(self.started).as_secs_f64();
        let made = self.flow.claimed.load(Relaxed);
        // The first push is due at once.
        let due = ((elapsed * per_second) as u64).saturating_add(1);
        for _ in made..due.min(made + PUSHES_PER_TICK) {
            if self.flow.in_flight == usize::MAX {
                if self.next_account().feed(&self.flow, 1) == 0 {
                    self.flow.refuse();
                }
            } else if !self.accounts.iter().any(|_| self.next_account().feed(&self.flow, 1) > 0) {
                // All have as many in flight as they may: what is due stays due.
                break;
            }
        }
    }

    fn next_account(&self) -> &Account {
        let next = self.next.fetch_add(1, Relaxed);
        &self.accounts[next % self.accounts.len()]
    }

    fn tell_end(&self, now: Instant) {
        if !self.end_told.swap(true, Relaxed) {
            let Progress { sent, refused, answered, .. } = self.progress();
            let seconds = now.saturating_duration_since(self.started).as_secs_f64();
            tracing::info!(sent, refused, answered, seconds, "load ended");
        }
    }
}

impl Flow {
    /// Whether one more push may be made now, which then has to be; `waiting` are those without an answer, of the
    /// account and over all.
    fn claim(&self, waiting: (usize, usize)) -> bool {
        waiting.0 < self.in_flight && waiting.1 < self.pending && self.count()
    }

    /// A push that was due is not made.
    fn refuse(&self) {
        if self.count() {
            self.refused.fetch_add(1, Relaxed);
        }
    }

    fn count(&self) -> bool {
        if self.done.load(Relaxed) {
            return false;
        }
        let Some(total) = self.total else {
            self.claimed.fetch_add(1, Relaxed);
            return true;
        };
        let before = self.claimed.fetch_add(1, Relaxed);
        if before + 1 >= total {
            self.done.store(true, Relaxed);
        }
        before < total
    }
}

impl Lane {
    pub(crate) fn new(flow: &Arc<Flow>) -> Self {
        Self { flow: flow.clone(), made: 0 }
    }

    pub(crate) fn is_of(&self, flow: &Arc<Flow>) -> bool {
        Arc::ptr_eq(&self.flow, flow)
    }

    pub(crate) fn flow(&self) -> &Arc<Flow> {
        &self.flow
    }

    /// The next push of its account, if there may be one; `waiting` as for [`Flow::claim`].
    pub(crate) fn next_push(&mut self, waiting: (usize, usize)) -> Option<NewPush> {
        if !self.flow.claim(waiting) {
            return None;
        }
        let content = self.flow.content.clone();
        let push = NewPush { id: fresh_id(), created_at: now_text(), content, counter: self.made };
        self.made += 1;
        self.flow.sent.fetch_add(1, Relaxed);
        Some(push)
    }

    /// A push of the account was answered. Answers whether that makes the next one.
    pub(crate) fn on_answer(&self, push: &NewPush) -> bool {
        if !Arc::ptr_eq(&push.content, &self.flow.content) {
            return false;
        }
        self.flow.answered.fetch_add(1, Relaxed);
        self.flow.on_answer && !self.flow.done.load(Relaxed)
    }
}
