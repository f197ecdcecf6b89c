use std::{
    collections::HashMap,
    fmt::Write,
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use crate::{
    http::{Response, get},
    process::{Process, Usage},
    push_line::PushKey,
    rig::Rig,
    wait::{pause, until},
};

/// How long a gateway that is asked to end may take: what it promises, and a little for a machine that is busy.
const DRAIN: Duration = Duration::from_secs(15);

/// How often memory is looked at.
const MEMORY_STEP: Duration = Duration::from_millis(250);

/// The gateway under test as a child process.
pub(crate) struct Gateway<'a> {
    rig: &'a Rig,
    process: Process,
    log: PathBuf,
    tenants: usize,
}

/// What differs between runs; all else is as shipped.
#[derive(Clone, Debug)]
pub(crate) struct GatewayRules {
    /// Tenants `t0` and so on.
    pub(crate) tenants: usize,
    /// `server.heartbeat`.
    pub(crate) heartbeat: &'static str,
    /// `server.workers`; 0 stands for as many as there are cores.
    pub(crate) workers: usize,
    /// `server.stall_timeout`.
    pub(crate) stall_timeout: &'static str,
    /// `upstream.connect.per_second`.
    pub(crate) connects_per_second: u32,
    /// `upstream.backoff.max`.
    pub(crate) backoff_max: String,
    /// `journal.fsync`.
    pub(crate) fsync: String,
    /// Where the gateway's log goes.
    pub(crate) log: LogPlace,
    /// The services over which the tenants are spread in turn; none stands for the rig's own.
    pub(crate) services: Vec<SocketAddr>,
}

/// Where the gateway's log goes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum LogPlace {
    /// Into the folder for temporary files.
    Apart,
    /// Beside the journal, so that one full disk hits both.
    BesideJournal,
}

/// What the history endpoint has, by tenant: each push's id with its seq.
pub(crate) type Stored = Vec<HashMap<PushKey, u64>>;

#[derive(Deserialize)]
struct Page {
    pushes: Vec<Entry>,
    next: Option<String>,
}

#[derive(Deserialize)]
struct Entry {
    id: String,
    seq: u64,
}

#[derive(Deserialize)]
struct TenantPage {
    tenants: Vec<TenantEntry>,
    next: Option<String>,
}

#[derive(Deserialize)]
struct TenantEntry {
    id: String,
    state: String,
    reason: Option<String>,
}

impl<'a> Gateway<'a> {
    /// Writes the configuration, starts the gateway and waits until it is ready.
    pub(crate) fn start(rig: &'a Rig, rules: &GatewayRules) -> Result<Self> {
        fs::write(rig.file("gateway.toml"), config(rig, rules))?;
        let log = match rules.log {
            LogPlace::Apart => rig.log("gateway.log"),
            LogPlace::BesideJournal => rig.file("gateway.log"),
        };
        let process = spawn(rig, &log)?;
        let mut gateway = Self { rig, process, log, tenants: rules.tenants };
        gateway.ready()?;
        Ok(gateway)
    }

    /// kill -9, then a new process on the same journal and ports; returns when it is ready.
    pub(crate) fn crash(&mut self) -> Result<()> {
        self.process.kill()?;
        self.process = spawn(self.rig, &self.log)?;
        self.ready()
    }

    /// SIGTERM, then a new process on the same journal and ports: how long the old one took to end, and the new one to be
    /// ready.
    pub(crate) fn restart(&mut self) -> Result<(Duration, Duration)> {
        let asked = Instant::now();
        self.process.terminate(DRAIN)?;
        let (ended, spawned) = (asked.elapsed(), Instant::now());
        self.process = spawn(self.rig, &self.log)?;
        self.ready()?;
        Ok((ended, spawned.elapsed()))
    }

    /// The same with other rules for the new one.
    pub(crate) fn restart_with(&mut self, rules: &GatewayRules) -> Result<()> {
        fs::write(self.rig.file("gateway.toml"), config(self.rig, rules))?;
        self.restart().map(drop)
    }

    /// Files that it has open, sockets among them.
    pub(crate) fn open_files(&self) -> Result<usize> {
        self.process.open_files()
    }

    /// Waits until it is ready.
    pub(crate) fn ready(&mut self) -> Result<()> {
        self.answers(200, || Ok(())).map(drop)
    }

    /// Waits until `/readyz` answers with this status, and does `meanwhile` before each try.
    pub(crate) fn answers(&mut self, status: u16, mut meanwhile: impl FnMut() -> Result<()>) -> Result<Response> {
        until("the gateway's readiness to change", Duration::from_secs(60), || {
            if let Err(error) = meanwhile().and_then(|()| self.process.check()) {
                return Some(Err(error));
            }
            self.readyz().ok().filter(|answer| answer.status == status).map(Ok)
        })?
    }

    /// Waits until all tenants are connected.
    pub(crate) fn all_connected(&self, longest: Duration) -> Result<()> {
        until("all connections", longest, || (self.connected().ok()? == self.tenants as u64).then_some(()))
    }

    pub(crate) fn connected(&self) -> Result<u64> {
        self.metric("pushgate_connections{state=\"connected\"}")
    }

    /// The tenants that the admin API does not list as connected, with their states and reasons.
    pub(crate) fn astray(&self) -> Result<Vec<String>> {
        let mut tenants = HashMap::new();
        let mut after = String::new();
        loop {
            let page: TenantPage = get(self.rig.admin, &format!("/api/tenants?limit=1000{after}"))?.json()?;
            tenants.extend(page.tenants.into_iter().map(|tenant| (tenant.id.clone(), tenant)));
            let Some(next) = page.next else { break };
            after = format!("&after={next}");
        }
        let state = |tenant: usize| match tenants.get(&format!("t{tenant}")) {
            Some(TenantEntry { state, .. }) if state == "connected" => None,
            Some(TenantEntry { id, state, reason }) => {
                Some(format!("{id} {state} {}", reason.as_deref().unwrap_or_default()))
            }
            None => Some(format!("t{tenant} is not listed")),
        };
        Ok((0..self.tenants).filter_map(state).collect())
    }

    /// The lines of its log that say that something is lost or broken; panics are among them.
    pub(crate) fn errors_logged(&self) -> Result<Vec<String>> {
        let log = fs::read_to_string(&self.log).with_context(|| self.log.display().to_string())?;
        Ok(log.lines().filter(|line| is_error(line)).map(str::to_owned).collect())
    }

    /// A sample of the exposition that counts something, by its whole name.
    pub(crate) fn metric(&self, name: &str) -> Result<u64> {
        self.sample(name).map(|value| value as u64)
    }

    /// A sample of the exposition, by its whole name.
    pub(crate) fn sample(&self, name: &str) -> Result<f64> {
        let answer = get(self.rig.admin, "/metrics")?;
        sample(&answer.text(), name).with_context(|| format!("there is no metric {name}"))
    }

    pub(crate) fn readyz(&self) -> Result<Response> {
        get(self.rig.admin, "/readyz")
    }

    pub(crate) fn usage(&self) -> Result<Usage> {
        self.process.usage()
    }

    /// Its memory without what it shares with others, in bytes.
    pub(crate) fn proportional_memory(&self) -> Result<u64> {
        self.process.proportional_memory()
    }

    /// The most memory that it uses in this time, in bytes.
    pub(crate) fn most_memory(&self, time: Duration) -> Result<u64> {
        let end = Instant::now() + time;
        let mut highest = self.usage()?.rss;
        while Instant::now() < end {
            pause(MEMORY_STEP.min(end.saturating_duration_since(Instant::now())))?;
            highest = highest.max(self.usage()?.rss);
        }
        Ok(highest)
    }

    /// All that the journal holds, read by all pages of the history.
    pub(crate) fn stored(&self) -> Result<Stored> {
        (0..self.tenants).map(|tenant| self.history(tenant)).collect()
    }

    fn history(&self, tenant: usize) -> Result<HashMap<PushKey, u64>> {
        let mut stored = HashMap::new();
        let mut after = String::new();
        loop {
            let path = format!("/tenants/t{tenant}/pushes?limit=1000{after}");
            let page: Page = get(self.rig.public, &path)?.json()?;
            for entry in &page.pushes {
                let id = PushKey::read(entry.id.as_bytes()).context("an id that is no uuid")?;
                ensure!(stored.insert(id, entry.seq).is_none(), "{} is stored twice", entry.id);
            }
            let Some(next) = page.next else { return Ok(stored) };
            after = format!("&after={next}");
        }
    }
}

impl Default for GatewayRules {
    fn default() -> Self {
        Self {
            tenants: 1,
            heartbeat: "15s",
            workers: 0,
            stall_timeout: "30s",
            connects_per_second: 100,
            backoff_max: "60s".to_owned(),
            fsync: "always".to_owned(),
            log: LogPlace::Apart,
            services: Vec::new(),
        }
    }
}

fn spawn(rig: &Rig, log: &Path) -> Result<Process> {
    let config = rig.file("gateway.toml").display().to_string();
    let arguments = ["serve".to_owned(), "--config".to_owned(), config];
    Process::spawn(&rig.binary, &arguments, log)
}

fn config(rig: &Rig, rules: &GatewayRules) -> String {
    let journal = toml::Value::String(rig.file("journal.db").display().to_string());
    let mut text = format!(
        "[server]\nbind = \"{}\"\nheartbeat = \"{}\"\nworkers = {}\nstall_timeout = \"{}\"\n\
         [admin]\nbind = \"{}\"\n\
         [journal]\npath = {journal}\nfsync = \"{}\"\n\
         [upstream]\nurl = \"ws://{}/ws/{{tenant}}\"\n\
         connect = {{ per_second = {} }}\nbackoff = {{ max = \"{}\" }}\n",
        rig.public,
        rules.heartbeat,
        rules.workers,
        rules.stall_timeout,
        rig.admin,
        rules.fsync,
        rig.simulator,
        rules.connects_per_second,
        rules.backoff_max,
    );
    for tenant in 0..rules.tenants {
        writeln!(text, "[[tenants]]\nid = \"t{tenant}\"").expect("memory can be written");
        if let Some(service) = rules.services.get(tenant % rules.services.len().max(1)) {
            writeln!(text, "url = \"ws://{service}/ws/{{tenant}}\"").expect("memory can be written");
        }
    }
    text
}

/// Whether a line of the log, which begins with the time and the level, is an error; or what the standard library
/// writes of a panic that came before logging began.
fn is_error(line: &str) -> bool {
    line.split_ascii_whitespace().nth(1) == Some("ERROR") || line.contains("panicked at")
}

fn sample(exposition: &str, name: &str) -> Option<f64> {
    let value = exposition.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))?;
    value.split(' ').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_found_by_its_whole_name() {
        let text = "# TYPE a counter\na_total 7\na_total_more 8\nb{state=\"x\"} 9.0\n";
        assert_eq!(sample(text, "a_total"), Some(7.0));
        assert_eq!(sample(text, "b{state=\"x\"}"), Some(9.0));
        assert_eq!(sample(text, "a"), None);
    }

    #[test]
    fn an_error_is_told_from_a_warning_that_has_an_error() {
        assert!(is_error("2026-01-02T03:04:05.678901Z ERROR pushgate::telemetry: a thread panicked"));
        assert!(is_error("thread 'main' panicked at src/main.rs:1:1:"));
        assert!(!is_error("2026-01-02T03:04:05.678901Z  WARN pushgate_upstream: dial failed error=ERROR"));
    }
}
