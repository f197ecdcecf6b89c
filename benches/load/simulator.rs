use std::{collections::HashMap, net::SocketAddr, path::Path, time::Duration};

use anyhow::{Context, Result};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    http::{get, post},
    process::Process,
    push_line::PushKey,
    rig::Rig,
    wait::until,
};

/// The upstream service as a child process.
pub(crate) struct Simulator {
    pub(crate) process: Process,
    addr: SocketAddr,
}

/// How the service behaves.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ServiceRules {
    /// Accounts `t0` and so on.
    pub(crate) accounts: usize,
    /// Sends without an answer after which it cuts the connection.
    pub(crate) attempts: u32,
    /// How long it waits for an answer.
    pub(crate) redeliver_after: &'static str,
}

impl Default for ServiceRules {
    fn default() -> Self {
        Self { accounts: 1, attempts: 3, redeliver_after: "5s" }
    }
}

/// Stamped pushes at a total rate, going round the accounts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    pub(crate) accounts: usize,
    pub(crate) per_second: f64,
    pub(crate) seconds: f64,
    /// Bytes of a push's body.
    pub(crate) size: usize,
}

/// What the service counted.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub(crate) struct Stats {
    pub(crate) disconnects: u64,
    pub(crate) pushes: u64,
    pub(crate) pending: u64,
    pub(crate) sent: u64,
    pub(crate) acks: u64,
    pub(crate) nacks: u64,
}

/// How far a load is.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(crate) struct Progress {
    pub(crate) sent: u64,
    pub(crate) refused: u64,
    pub(crate) done: bool,
}

#[derive(Deserialize)]
struct Answered<'a> {
    id: &'a str,
    account: &'a str,
}

/// Acked pushes with their accounts.
pub(crate) type Acked = HashMap<PushKey, usize>;

impl Simulator {
    /// Starts it and waits until it answers.
    pub(crate) fn start(rig: &Rig, rules: ServiceRules) -> Result<Self> {
        let addr = rig.simulator;
        let arguments = [
            "simulate".to_owned(),
            format!("--bind={addr}"),
            format!("--accounts={}", rules.accounts),
            format!("--attempts={}", rules.attempts),
            format!("--redeliver-after={}", rules.redeliver_after),
        ];
        let process = Process::spawn(&rig.binary, &arguments, &rig.log("simulator.log"))?;
        let mut simulator = Self { process, addr };
        until("the simulator", Duration::from_secs(10), || {
            simulator.process.check().err().map(Err).or_else(|| simulator.stats().ok().map(|_| Ok(())))
        })??;
        Ok(simulator)
    }

    pub(crate) fn stats(&self) -> Result<Stats> {
        get(self.addr, "/control/stats")?.json()
    }

    pub(crate) fn start_load(&self, load: Load) -> Result<()> {
        let request = json!({
            "accounts": load.accounts, "per_second": load.per_second, "seconds": load.seconds, "size": load.size,
        });
        post(self.addr, "/control/load", &request)?.json::<Value>().context("the load does not start").map(drop)
    }

    pub(crate) fn progress(&self) -> Result<Progress> {
        get(self.addr, "/control/load")?.json()
    }

    /// Waits until the load is made, for at most `longest`; how many pushes it made.
    pub(crate) fn load_done(&self, longest: Duration) -> Result<u64> {
        let done = until("the end of the load", longest, || self.progress().ok().filter(|load| load.done))?;
        anyhow::ensure!(done.refused == 0, "the simulator refused {} pushes: too many wait", done.refused);
        Ok(done.sent)
    }

    /// Waits until every push has its answer.
    pub(crate) fn all_answered(&self, longest: Duration) -> Result<Stats> {
        until("answers to all pushes", longest, || self.stats().ok().filter(|stats| stats.pending == 0))
    }

    /// All pushes that were acked.
    pub(crate) fn acked(&self) -> Result<Acked> {
        let answers = get(self.addr, "/control/answers?answer=ack")?;
        let mut acked = Acked::new();
        for line in answers.body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let answered: Answered<'_> = serde_json::from_slice(line).context("an answer can't be read")?;
            let id = PushKey::read(answered.id.as_bytes()).context("an id that is no uuid")?;
            acked.insert(id, account_index(answered.account)?);
        }
        Ok(acked)
    }
}

fn account_index(name: &str) -> Result<usize> {
    name.strip_prefix('t').and_then(|number| number.parse().ok()).with_context(|| format!("unknown account {name}"))
}

/// Checks that the binary is there before anything is started.
pub(crate) fn check_binary(binary: &Path) -> Result<()> {
    anyhow::ensure!(binary.is_file(), "{} is not there: cargo build --release, or --pushgate", binary.display());
    Ok(())
}
