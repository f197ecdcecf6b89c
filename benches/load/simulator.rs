use std::{collections::HashMap, net::SocketAddr, path::Path, time::Duration};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    answered::Answered,
    http::{delete, get, post},
    process::Process,
    push_line::PushKey,
    rig::Rig,
    wait::until,
};

/// The most pushes of one job of the service.
const JOB_PUSHES: f64 = 100_000.0;

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
    /// How long a connection may be without ping and pong; it pings three times as often.
    pub(crate) ping_timeout: &'static str,
}

impl Default for ServiceRules {
    fn default() -> Self {
        Self { accounts: 1, attempts: 3, redeliver_after: "5s", ping_timeout: "60s" }
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

/// Harm that the service does at random.
#[derive(Clone, Debug)]
pub(crate) struct Chaos {
    pub(crate) seed: u64,
    pub(crate) accounts: usize,
    /// Faults that begin each second, over all accounts.
    pub(crate) per_second: f64,
    pub(crate) seconds: f64,
    /// Which kinds; none stands for all that there are.
    pub(crate) kinds: Vec<String>,
}

/// What the service counted.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub(crate) struct Stats {
    pub(crate) connects: u64,
    pub(crate) refused: u64,
    pub(crate) disconnects: u64,
    pub(crate) sockets: u64,
    pub(crate) pushes: u64,
    pub(crate) pending: u64,
    pub(crate) sent: u64,
    pub(crate) acks: u64,
    pub(crate) nacks: u64,
}

impl Stats {
    /// Answers so far, which is the position of the next one.
    pub(crate) fn answers(&self) -> u64 {
        self.acks + self.nacks
    }
}

/// How far a load is.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(crate) struct Progress {
    pub(crate) sent: u64,
    pub(crate) refused: u64,
    pub(crate) done: bool,
}

#[derive(Deserialize)]
struct AccountPage {
    accounts: Vec<Account>,
    next: Option<String>,
}

#[derive(Deserialize)]
struct Account {
    sockets: Vec<Socket>,
}

#[derive(Deserialize)]
struct Socket {
    heard_ms_ago: u64,
}

/// Acked pushes with their accounts.
pub(crate) type Acked = HashMap<PushKey, usize>;

impl Simulator {
    /// Starts it and waits until it answers.
    pub(crate) fn start(rig: &Rig, rules: ServiceRules) -> Result<Self> {
        Self::start_at(rig, rig.simulator, rules)
    }

    /// Starts one more at an address of its own.
    pub(crate) fn start_at(rig: &Rig, addr: SocketAddr, rules: ServiceRules) -> Result<Self> {
        let arguments = [
            "simulate".to_owned(),
            format!("--bind={addr}"),
            format!("--accounts={}", rules.accounts),
            format!("--attempts={}", rules.attempts),
            format!("--redeliver-after={}", rules.redeliver_after),
            format!("--ping-timeout={}", rules.ping_timeout),
        ];
        let process = Process::spawn(&rig.binary, &arguments, &rig.log("simulator.log"))?;
        let mut simulator = Self { process, addr };
        until("the simulator", Duration::from_secs(10), || {
            simulator.process.check().err().map(Err).or_else(|| simulator.stats().ok().map(|_| Ok(())))
        })??;
        Ok(simulator)
    }

    /// Where it listens.
    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
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

    /// Starts a load in which each account has so many pushes without an answer, for so long.
    pub(crate) fn start_load_in_flight(
        &self,
        accounts: usize,
        in_flight: usize,
        seconds: f64,
        size: usize,
    ) -> Result<()> {
        let request = json!({"accounts": accounts, "in_flight": in_flight, "seconds": seconds, "size": size});
        post(self.addr, "/control/load", &request)?.json::<Value>().context("the load does not start").map(drop)
    }

    pub(crate) fn progress(&self) -> Result<Progress> {
        get(self.addr, "/control/load")?.json()
    }

    /// Waits until the load is made, for at most `longest`; how many pushes it made.
    pub(crate) fn load_done(&self, longest: Duration) -> Result<u64> {
        let done = until("the end of the load", longest, || self.progress().ok().filter(|load| load.done))?;
        ensure!(done.refused == 0, "the simulator refused {} pushes: too many wait", done.refused);
        Ok(done.sent)
    }

    /// Waits until every push has its answer.
    pub(crate) fn all_answered(&self, longest: Duration) -> Result<Stats> {
        until("answers to all pushes", longest, || self.stats().ok().filter(|stats| stats.pending == 0))
    }

    /// Reads the remembered answers from a position on, and says where to go on.
    pub(crate) fn answers(&self, from: u64, mut each: impl FnMut(Answered<'_>) -> Result<()>) -> Result<u64> {
        let answers = get(self.addr, &format!("/control/answers?from={from}"))?;
        let mut next = from;
        for line in answers.body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let answered: Answered<'_> = serde_json::from_slice(line).context("an answer can't be read")?;
            next = answered.position + 1;
            each(answered)?;
        }
        Ok(next)
    }

    /// All pushes that were acked.
    pub(crate) fn acked(&self) -> Result<Acked> {
        let mut acked = Acked::new();
        self.add_acked(0, &mut acked)?;
        Ok(acked)
    }

    /// Adds the pushes that were acked from a position on, and says where to go on.
    pub(crate) fn add_acked(&self, from: u64, acked: &mut Acked) -> Result<u64> {
        self.answers(from, |answered| {
            if answered.answer == "ack" {
                acked.insert(answered.push()?, answered.account()?);
            }
            Ok(())
        })
    }

    /// Pushes to one account beside the load: in jobs that go on together, because one job takes only so many.
    pub(crate) fn flood(&self, account: usize, per_second: f64, seconds: f64) -> Result<()> {
        let jobs = (per_second * seconds / JOB_PUSHES).ceil().max(1.0);
        let count = (per_second * seconds / jobs).round().max(1.0) as u64;
        let request = json!({
            "title": "Flood", "body": "x".repeat(200), "count": count, "per_second": per_second / jobs,
        });
        for _ in 0..jobs as usize {
            let accepted = post(self.addr, &format!("/control/accounts/t{account}/pushes"), &request)?;
            accepted.json::<Value>().context("the flood does not start")?;
        }
        Ok(())
    }

    /// The longest time in which nothing was heard on any of its sockets.
    pub(crate) fn longest_unheard(&self) -> Result<Duration> {
        let mut longest = 0;
        let mut after = String::new();
        loop {
            let page: AccountPage = get(self.addr, &format!("/control/accounts?limit=1000{after}"))?.json()?;
            let sockets = page.accounts.iter().flat_map(|account| &account.sockets);
            longest = sockets.map(|socket| socket.heard_ms_ago).fold(longest, u64::max);
            let Some(next) = page.next else { return Ok(Duration::from_millis(longest)) };
            after = format!("&after={next}");
        }
    }

    /// Makes the service do harm by itself, in an order that the seed decides.
    pub(crate) fn start_chaos(&self, chaos: &Chaos) -> Result<()> {
        let mut request = json!({
            "seed": chaos.seed, "accounts": chaos.accounts, "per_second": chaos.per_second, "seconds": chaos.seconds,
        });
        if !chaos.kinds.is_empty() {
            request["kinds"] = chaos.kinds.clone().into();
        }
        post(self.addr, "/control/chaos", &request)?.json::<Value>().context("the faults do not begin").map(drop)
    }

    /// Ends the faults that go on; what was done, as the service tells it.
    pub(crate) fn end_chaos(&self) -> Result<Value> {
        let ended = delete(self.addr, "/control/chaos")?;
        ensure!((200..300).contains(&ended.status), "the faults do not end: {}", ended.text());
        get(self.addr, "/control/chaos")?.json()
    }
}

/// Checks that the binary is there before anything is started.
pub(crate) fn check_binary(binary: &Path) -> Result<()> {
    ensure!(binary.is_file(), "{} is not there: cargo build --release, or --pushgate", binary.display());
    Ok(())
}
