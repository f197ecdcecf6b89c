use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Instant,
};

use pushgate_model::PushId;

use crate::{
    account::Account,
    content::{Content, NewPush, fresh_id, now_text, plausible},
    service::Service,
};

/// Most pushes that one tick makes of one job. A job that is late catches up in the next ticks.
const PUSHES_PER_TICK: u64 = 10_000;

/// Pushes that are made over time, going round some accounts.
pub(crate) struct Job {
    pub(crate) accounts: Vec<Arc<Account>>,
    pub(crate) content: Arc<Content>,
    /// The ids to use, in order; more pushes than ids get fresh ones.
    pub(crate) ids: Vec<PushId>,
    /// RFC 3339; the time of sending where there is none.
    pub(crate) created_at: Option<Arc<str>>,
    /// Pushes a second over all accounts.
    pub(crate) per_second: f64,
    pub(crate) started: Instant,
    pub(crate) progress: Arc<Progress>,
}

/// How far a job is.
#[derive(Default)]
pub(crate) struct Progress {
    pub(crate) total: u64,
    pub(crate) sent: AtomicU64,
    /// Pushes that were not made because too many wait for their answer.
    pub(crate) refused: AtomicU64,
    pub(crate) done: AtomicBool,
}

impl Progress {
    pub(crate) fn new(total: u64) -> Arc<Self> {
        Arc::new(Self { total, ..Self::default() })
    }

    fn made(&self) -> u64 {
        self.sent.load(Relaxed) + self.refused.load(Relaxed)
    }
}

impl Job {
    /// Makes the pushes that are due by now. False when the job is done.
    pub(crate) fn tick(&self, now: Instant, service: &Service) -> bool {
        let elapsed = now.saturating_duration_since(self.started).as_secs_f64();
        let made = self.progress.made();
        // The first push is due at once.
        let due = ((elapsed * self.per_second) as u64).saturating_add(1).min(self.progress.total);
        for n in made..due.min(made + PUSHES_PER_TICK) {
            if service.has_room(1) {
                self.push(n);
                self.progress.sent.fetch_add(1, Relaxed);
            } else {
                self.progress.refused.fetch_add(1, Relaxed);
            }
        }
        let finished = self.progress.made() >= self.progress.total;
        self.progress.done.store(finished, Relaxed);
        !finished
    }

    fn push(&self, n: u64) {
        let round = self.accounts.len() as u64;
        let Some(account) = self.accounts.get((n % round.max(1)) as usize) else { return };
        account.enqueue(NewPush {
            id: self.ids.get(n as usize).cloned().unwrap_or_else(fresh_id),
            created_at: self.created_at.clone().unwrap_or_else(now_text),
            content: self.content.clone(),
            counter: n / round.max(1),
        });
    }
}

/// The made-up pushes that go on for ever: so many a second for each account that has a socket or few pushes waiting.
pub(crate) struct Rate {
    per_second: f64,
    last: Instant,
    /// Pushes that are due; below 1 between ticks.
    due: f64,
    next: usize,
}

/// An account with this many pushes without an answer gets no made-up ones: nobody is there to take them.
const RATE_BACKLOG: usize = 1_000;

impl Rate {
    pub(crate) fn new(per_second: f64, now: Instant) -> Self {
        Self { per_second, last: now, due: 0.0, next: 0 }
    }

    pub(crate) fn tick(&mut self, now: Instant, service: &Service) {
        let elapsed = now.saturating_duration_since(self.last).as_secs_f64();
        self.last = now;
        if self.per_second <= 0.0 {
            return;
        }
        let accounts = service.accounts();
        self.due = (self.due + elapsed * self.per_second * accounts.len() as f64).min(PUSHES_PER_TICK as f64);
        while self.due >= 1.0 && !accounts.is_empty() {
            self.due -= 1.0;
            self.next = (self.next + 1) % accounts.len();
            let account = &accounts[self.next];
            if service.has_room(1) && account.pending() < RATE_BACKLOG {
                let content = Arc::new(plausible());
                account.enqueue(NewPush { id: fresh_id(), created_at: now_text(), content, counter: 0 });
            }
        }
    }
}
