use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread::Thread,
    time::Instant,
};

use pushgate_model::PushId;

use crate::{
    SimulatorConfig,
    account::{Account, Rules},
    config::is_account_id,
    job::{Job, Progress},
    ledger::{Ledger, PushStatus},
    queue::Redelivery,
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
    load: Mutex<Option<Arc<Progress>>>,
    clock: OnceLock<Thread>,
}

/// Why a job can't start.
#[derive(Clone, Copy)]
pub(crate) enum JobError {
    /// Too many run.
    TooMany,
    /// Another load runs: two would mix their figures.
    LoadRuns,
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
            clock: OnceLock::new(),
        };
        let named = service.config.accounts.iter();
        let accounts = named.map(|account| {
            let account = Arc::new(service.new_account(&account.id, account.token.clone()));
            (account.id.clone(), account)
        });
        let accounts = accounts.collect();
        Self { accounts: RwLock::new(accounts), ..service }
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

    /// The account of this name, if somebody named it before.
    pub(crate) fn existing(&self, id: &str) -> Option<Arc<Account>> {
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

    pub(crate) fn start(&self, job: Job) -> Result<(), JobError> {
        let mut jobs = lock(&self.jobs);
        if jobs.len() >= MAX_JOBS {
            return Err(JobError::TooMany);
        }
        jobs.push(job);
        drop(jobs);
        self.wake_clock();
        Ok(())
    }

    pub(crate) fn start_load(&self, job: Job) -> Result<(), JobError> {
        let mut load = lock(&self.load);
        if load.as_ref().is_some_and(|progress| !progress.done.load(Relaxed)) {
            return Err(JobError::LoadRuns);
        }
        let progress = job.progress.clone();
        self.start(job)?;
        *load = Some(progress);
        Ok(())
    }

    /// How far the last load is.
    pub(crate) fn load(&self) -> Option<Arc<Progress>> {
        lock(&self.load).clone()
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
        for account in self.accounts() {
            account.forget();
        }
        self.ledger.clear();
    }

    /// Ends every socket, and answers how many there were.
    pub(crate) fn cut_all(&self, ending: Ending) -> usize {
        self.accounts().iter().map(|account| account.cut(ending)).sum()
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
        Account::new(id, token, rules, &self.stats, &self.ledger)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
