use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread::Thread,
    time::{Duration, Instant},
};

use actix_web::http::StatusCode;
use pushgate_model::PushId;

use crate::{
    SimulatorConfig,
    account::{Account, Rules},
    chaos::{Chaos, ChaosSnapshot},
    config::is_account_id,
    faults::Faults,
    job::Job,
    ledger::{Ledger, PushStatus},
    load::LoadRun,
    problem::Problem,
    queue::Redelivery,
    scenario::Script,
    slot::Ending,
    stats::Stats,
};

/// Jobs that run at a time; one more is refused.
const MAX_JOBS: usize = 64;

/// The simulated service: what all its threads share.
pub(crate) struct Service {
    pub(crate) config: SimulatorConfig,
    pub(crate) stats: Arc<Stats>,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) stopping: AtomicBool,
    accounts: RwLock<HashMap<Arc<str>, Arc<Account>>>,
    jobs: Mutex<Vec<Job>>,
    load: Mutex<Option<Arc<LoadRun>>>,
    /// The faults of accounts that are made from now on.
    faults: Mutex<Arc<Faults>>,
    chaos: Mutex<Option<Chaos>>,
    script: Mutex<Option<Script>>,
    clock: OnceLock<Thread>,
}

impl Service {
    pub(crate) fn new(config: SimulatorConfig) -> Self {
        let stats = Arc::new(Stats::new(Instant::now()));
        let ledger = Arc::new(Ledger::new(config.limits.answered));
        let service = Self {
            config,
            stats,
            ledger,
            stopping: AtomicBool::default(),
            accounts: RwLock::default(),
            jobs: Mutex::default(),
            load: Mutex::default(),
            faults: Mutex::default(),
            chaos: Mutex::default(),
            script: Mutex::default(),
            clock: OnceLock::new(),
        };
        let named = service.config.accounts.iter();
        let accounts = named.map(|account| {
            let account = Arc::new(service.new_account(&account.id, account.token.clone()));
            (account.id.clone(), account)
        });
        let accounts = accounts.collect();
        let service = Self { accounts: RwLock::new(accounts), ..service };
        service.set_first_faults();
        service
    }

    /// Sets the configured faults: first those of all accounts, then those of one each.
    fn set_first_faults(&self) {
        for given in self.config.faults.iter().filter(|given| given.account.is_none()) {
            self.set_all_faults(&Arc::new(given.faults.clone()));
        }
        for given in &self.config.faults {
            if let Some(account) = given.account.as_deref().and_then(|id| self.account(id)) {
                account.set_faults(Arc::new(given.faults.clone()));
            }
        }
    }

    /// The account of this name, made now unless only some accounts exist. Nothing when there is none and can be none.
    pub(crate) fn account(&self, id: &str) -> Option<Arc<Account>> {
        if let Some(account) = self.existing(id) {
            return Some(account);
        }
        if !self.config.accounts.is_empty() || !is_account_id(id) {
            return None;
        }
        let mut accounts = self.accounts.write().unwrap_or_else(PoisonError::into_inner);
        if accounts.len() >= self.config.limits.accounts && !accounts.contains_key(id) {
            return None;
        }
        let account = accounts.entry(id.into()).or_insert_with(|| Arc::new(self.new_account(id, None)));
        Some(account.clone())
    }

    /// The account of this name, made now if accounts are made on demand, or the answer that there is none.
    pub(crate) fn named(&self, id: &str) -> Result<Arc<Account>, Problem> {
        self.account(id).ok_or_else(|| Problem::not_found("no such account"))
    }

    /// The account of this name if somebody named it before, or the answer that there is none.
    pub(crate) fn known(&self, id: &str) -> Result<Arc<Account>, Problem> {
        self.existing(id).ok_or_else(|| Problem::not_found("no such account"))
    }

    /// The account of this name, if somebody named it before.
    fn existing(&self, id: &str) -> Option<Arc<Account>> {
        self.accounts.read().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }

    /// All accounts, in no order.
    pub(crate) fn accounts(&self) -> Vec<Arc<Account>> {
        self.accounts.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// Whether `count` further pushes may wait for their answer.
    pub(crate) fn has_room(&self, count: usize) -> bool {
        self.stats.pending.load(Relaxed).saturating_add(count) <= self.config.limits.pending
    }

    /// What is known of a push, with or without an answer.
    pub(crate) fn lookup(&self, id: &PushId) -> Option<PushStatus> {
        let pending = self.accounts().iter().find_map(|account| account.lookup(id));
        pending.or_else(|| self.ledger.get(id))
    }

    /// The faults of accounts that are made from now on.
    pub(crate) fn all_faults(&self) -> Arc<Faults> {
        lock(&self.faults).clone()
    }

    /// Sets exactly these faults for all accounts, those that are made later too.
    pub(crate) fn set_all_faults(&self, faults: &Arc<Faults>) {
        // First those to come: an account that is made meanwhile has them one way or the other.
        *lock(&self.faults) = faults.clone();
        for account in self.accounts() {
            account.set_faults(faults.clone());
        }
    }

    pub(crate) fn start(&self, job: Job) -> Result<(), Problem> {
        let mut jobs = lock(&self.jobs);
        if jobs.len() >= MAX_JOBS {
            return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "too many pushes over time go on"));
        }
        jobs.push(job);
        drop(jobs);
        self.wake_clock();
        Ok(())
    }

    pub(crate) fn start_load(&self, run: &Arc<LoadRun>) -> Result<(), Problem> {
        let mut load = lock(&self.load);
        if load.as_ref().is_some_and(|run| !run.is_done()) {
            // Two would mix their figures.
            return Err(Problem::new(StatusCode::CONFLICT, "another load goes on"));
        }
        *load = Some(run.clone());
        drop(load);
        self.wake_clock();
        Ok(())
    }

    /// Begins the configured load if each of its accounts has a socket. True while one lacks it.
    pub(crate) fn awaits_load(&self) -> bool {
        let started = self.config.load.as_ref().map(|load| load.start_when_connected(self));
        if let Some(Some(Err(problem))) = &started {
            tracing::warn!(error = %problem, "the load from the start can not begin");
        }
        matches!(started, Some(None))
    }

    /// Ends the load that goes on, if there is one.
    pub(crate) fn end_load(&self) {
        if let Some(run) = self.load() {
            run.end();
        }
    }

    pub(crate) fn start_chaos(&self, started: Chaos) -> Result<ChaosSnapshot, Problem> {
        let mut chaos = lock(&self.chaos);
        if chaos.as_ref().is_some_and(Chaos::goes_on) {
            return Err(Problem::new(StatusCode::CONFLICT, "other chaos goes on"));
        }
        let snapshot = started.snapshot();
        *chaos = Some(started);
        drop(chaos);
        self.wake_clock();
        Ok(snapshot)
    }

    /// Ends chaos and its faults, if there is any.
    pub(crate) fn end_chaos(&self) {
        if let Some(chaos) = &mut *lock(&self.chaos) {
            chaos.end();
        }
    }

    /// How far the last chaos is.
    pub(crate) fn chaos(&self) -> ChaosSnapshot {
        lock(&self.chaos).as_ref().map(Chaos::snapshot).unwrap_or_default()
    }

    /// Does what chaos and scenario want done by now. True while either goes on.
    pub(crate) fn tick_scripts(&self, now: Instant) -> bool {
        let chaos = lock(&self.chaos).as_mut().is_some_and(|chaos| chaos.tick(now));
        let mut script = lock(&self.script);
        if script.as_mut().is_some_and(|script| !script.tick(now, self)) {
            *script = None;
        }
        chaos || script.is_some()
    }

    /// Begins the configured scenario.
    pub(crate) fn start_script(&self, now: Instant) {
        *lock(&self.script) = self.config.scenario.clone().map(|scenario| Script::new(scenario, now));
    }

    /// How far the last load is.
    pub(crate) fn load(&self) -> Option<Arc<LoadRun>> {
        lock(&self.load).clone()
    }

    /// Makes the pushes of the load that are due. Answers when it wants more of that; nothing without a load.
    pub(crate) fn tick_load(&self, now: Instant) -> Option<Duration> {
        self.load()?.tick(now)
    }

    /// Makes the pushes that are due. True while some job goes on.
    pub(crate) fn tick_jobs(&self, now: Instant) -> bool {
        let mut jobs = lock(&self.jobs);
        jobs.retain(|job| job.tick(now, self));
        !jobs.is_empty()
    }

    pub(crate) fn tick_accounts(&self, now: Instant) {
        for account in self.accounts() {
            account.tick(now);
        }
    }

    /// Forgets every push, with and without an answer, and ends the jobs that make more.
    pub(crate) fn forget(&self) {
        for job in lock(&self.jobs).drain(..) {
            job.progress.done.store(true, Relaxed);
        }
        self.end_load();
        for account in self.accounts() {
            account.forget();
        }
        self.ledger.clear();
    }

    /// Ends every socket, and answers how many there were.
    pub(crate) fn cut_all(&self, ending: Ending) -> usize {
        self.accounts().iter().map(|account| account.cut(ending)).sum()
    }

    /// Ends every socket and lets every handshake that waits go, whatever the faults are.
    pub(crate) fn shut_down(&self, ending: Ending) {
        self.stopping.store(true, Relaxed);
        *lock(&self.faults) = Arc::default();
        for account in self.accounts() {
            account.shut_down(ending);
        }
    }

    pub(crate) fn set_clock(&self, thread: Thread) {
        // Only the first clock is kept: a service runs once.
        let _ = self.clock.set(thread);
    }

    pub(crate) fn wake_clock(&self) {
        if let Some(thread) = self.clock.get() {
            thread.unpark();
        }
    }

    fn new_account(&self, id: &str, token: Option<secrecy::SecretString>) -> Account {
        let rules = Rules {
            redelivery: Redelivery { after: self.config.redeliver_after, attempts: self.config.attempts },
            ping_timeout: self.config.ping_timeout,
        };
        let account = Account::new(id, token, rules, &self.stats, &self.ledger);
        account.set_faults(self.all_faults());
        account
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
