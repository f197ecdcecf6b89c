use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use crate::{job::Rate, service::Service};

/// How often pushes are made while a job goes on.
const JOB_TICK: Duration = Duration::from_millis(1);
/// How often pushes are made at the made-up rate, which needs no precision, only a smooth look.
const RATE_TICK: Duration = Duration::from_millis(50);
/// How often chaos and the scenario are looked at while either goes on.
const SCRIPT_TICK: Duration = Duration::from_millis(5);
/// How often accounts are looked at, at most and at least.
const TICK: (Duration, Duration) = (Duration::from_millis(5), Duration::from_millis(250));

/// The one thread that does everything that time does: redelivery, pings, timeouts, jobs, loads,
/// chaos, the scenario and the made-up rate.
///
/// A thread of its own, so that no socket's work delays it and ten thousand accounts need no timer each. It ends when
/// this is dropped.
pub(crate) struct Clock {
    service: Arc<Service>,
    thread: Option<JoinHandle<()>>,
}

impl Clock {
    pub(crate) fn start(service: Arc<Service>) -> std::io::Result<Self> {
        let shared = service.clone();
        let thread = thread::Builder::new().name("simulator-clock".to_owned()).spawn(move || run(&shared))?;
        service.set_clock(thread.thread().clone());
        Ok(Self { service, thread: Some(thread) })
    }
}

impl Drop for Clock {
    fn drop(&mut self) {
        self.service.stopping.store(true, Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            if thread.join().is_err() {
                tracing::error!("the clock of the simulator panicked");
            }
        }
    }
}

fn run(service: &Service) {
    let config = &service.config;
    let every = (config.redeliver_after.min(config.ping_timeout) / 8).clamp(TICK.0, TICK.1);
    let mut rate = Rate::new(config.rate, Instant::now());
    let mut accounts_at = Instant::now();
    service.start_script(accounts_at);
    let mut awaits_load = service.config.load.is_some();
    while !service.stopping.load(Relaxed) {
        let now = Instant::now();
        if now >= accounts_at {
            service.tick_accounts(now);
            accounts_at = now + every;
        }
        let scripted = service.tick_scripts(now);
        let busy = service.tick_jobs(now);
        awaits_load = awaits_load && service.awaits_load();
        let load = service.tick_load(now).unwrap_or(TICK.1);
        rate.tick(now, service);
        let until_accounts = accounts_at.saturating_duration_since(Instant::now());
        let longest = match (busy, scripted, config.rate > 0.0 || awaits_load) {
            (true, ..) => JOB_TICK,
            (false, true, _) => SCRIPT_TICK,
            (false, false, true) => RATE_TICK,
            (false, false, false) => TICK.1,
        };
        thread::park_timeout(longest.min(load).min(until_accounts));
    }
}
