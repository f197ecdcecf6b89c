//! Random faults on some accounts, the same ones for the same seed.

mod kind;
mod start;

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::{Duration, Instant},
};

use fastrand::Rng;
use serde::Serialize;

pub(crate) use self::start::StartChaos;
use self::{kind::Kind, start::Plan};
use crate::{account::Account, action::send_frame};

/// Most strikes of one tick. Chaos that is late catches up in the next ticks.
const STRIKES_PER_TICK: u64 = 1_000;

/// Random faults that go on, or went on.
///
/// What is drawn, and in which order, depends on the seed, the kinds and the number of accounts, never on the time that
/// a strike happens at: a strike on an account that still suffers from an earlier one takes its place.
pub(crate) struct Chaos {
    plan: Plan,
    rng: Rng,
    started: Instant,
    struck: u64,
    counts: BTreeMap<Kind, u64>,
    /// When the fault of an account ends, by its place in the plan.
    suffering: HashMap<usize, Instant>,
    over: bool,
}

/// How far chaos is.
#[derive(Default, Serialize)]
pub(crate) struct ChaosSnapshot {
    /// Gives the same faults in the same order once more.
    seed: u64,
    accounts: usize,
    /// How many faults there will be, unless it is ended before.
    total: u64,
    struck: u64,
    /// Accounts that suffer now.
    suffering: usize,
    done: bool,
    kinds: BTreeMap<Kind, u64>,
}

impl Chaos {
    fn new(plan: Plan, now: Instant) -> Self {
        Self {
            rng: Rng::with_seed(plan.seed),
            plan,
            started: now,
            struck: 0,
            counts: BTreeMap::new(),
            suffering: HashMap::new(),
            over: false,
        }
    }

    pub(crate) fn goes_on(&self) -> bool {
        !self.over
    }

    /// Does what is due, and ends what has lasted long enough. False once it is over and all faults are off.
    pub(crate) fn tick(&mut self, now: Instant) -> bool {
        if self.over {
            return false;
        }
        let accounts = &self.plan.accounts;
        self.suffering.retain(|index, until| {
            let goes_on = now < *until;
            if !goes_on {
                relieve(accounts, *index);
            }
            goes_on
        });
        let elapsed = now.saturating_duration_since(self.started);
        // The first is due at once.
        let due = ((elapsed.as_secs_f64() * self.plan.per_second) as u64).saturating_add(1).min(self.plan.total);
        for _ in self.struck..due.min(self.struck + STRIKES_PER_TICK) {
            self.strike(now);
        }
        if self.struck >= self.plan.total && elapsed >= self.plan.lasts {
            self.end();
        }
        !self.over
    }

    /// Ends it with all its faults.
    pub(crate) fn end(&mut self) {
        if self.over {
            return;
        }
        for (index, _) in self.suffering.drain() {
            relieve(&self.plan.accounts, index);
        }
        self.over = true;
        tracing::info!(seed = self.plan.seed, struck = self.struck, "chaos ended");
    }

    pub(crate) fn snapshot(&self) -> ChaosSnapshot {
        ChaosSnapshot {
            seed: self.plan.seed,
            accounts: self.plan.accounts.len(),
            total: self.plan.total,
            struck: self.struck,
            suffering: self.suffering.len(),
            done: self.over,
            kinds: self.counts.clone(),
        }
    }

    fn strike(&mut self, now: Instant) {
        let index = self.rng.usize(..self.plan.accounts.len());
        let kind = self.plan.kinds[self.rng.usize(..self.plan.kinds.len())];
        let account = &self.plan.accounts[index];
        // A generator of its own: how much one kind draws does not change what comes after it.
        let strike = kind.strike(&mut self.rng.fork());
        self.struck += 1;
        *self.counts.entry(kind).or_default() += 1;
        tracing::debug!(account = %account.id, kind = ?kind, ms = strike.lasts.as_millis() as u64, "chaos strikes");
        if let Some(faults) = strike.faults {
            account.set_faults(Arc::new(faults));
            self.suffering.insert(index, now + strike.lasts);
        }
        if let Some(frame) = strike.frame
            && send_frame(&frame, account).is_err()
        {
            tracing::debug!(account = %account.id, "no socket for a frame of chaos");
        }
        if let Some(cut) = strike.cut {
            account.cut(cut.ending("cut by chaos"));
        }
    }
}

fn relieve(accounts: &[Arc<Account>], index: usize) {
    if let Some(account) = accounts.get(index) {
        account.set_faults(Arc::default());
    }
}

/// A length of time from `least` to `most` milliseconds.
fn between(rng: &mut Rng, least: u64, most: u64) -> Duration {
    Duration::from_millis(rng.u64(least..=most))
}
