use std::{fmt, net::SocketAddr, time::Duration};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::{
    credit::Credit,
    crowd::Seats,
    nchan::{Installed, Nchan},
    pin::{Pinned, cores},
    posts::{Posts, Target},
    source::Source,
};
use crate::{
    gateway::{Gateway, GatewayRules},
    process::{Process, Usage},
    rig::Rig,
    simulator::{ServiceRules, Simulator},
    wait::until,
};

/// How long connects may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    /// The ceiling: a write for each event and subscriber, and nothing else.
    Raw,
    /// The same, but for events that wait together: these go out in one write.
    Joining,
    /// The gateway with one worker, as the raw servers have one thread; fed by the simulator.
    Single,
    /// The gateway as shipped, with a worker for each core.
    Pushgate,
    /// nginx with the module nchan.
    Nchan,
}

/// Where a server and its crowd run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Wherever the kernel puts them.
    Anywhere,
    /// Server, crowd and publisher on the first core; the simulator, which is no part of what is measured, on another.
    OneCore,
}

/// A server that runs.
pub(crate) struct Server<'a> {
    running: Running<'a>,
    addr: SocketAddr,
    tenants: usize,
}

enum Running<'a> {
    Raw(Process),
    Nchan(Nchan),
    Pushgate(Box<Gateway<'a>>, Simulator),
}

impl Kind {
    pub(crate) const ALL: [Self; 5] = [Self::Raw, Self::Joining, Self::Single, Self::Pushgate, Self::Nchan];
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Raw => "raw",
            Self::Joining => "raw, joining",
            Self::Single => "Pushgate, one worker",
            Self::Pushgate => "Pushgate",
            Self::Nchan => "nchan",
        })
    }
}

impl<'a> Server<'a> {
    /// Starts it with so many tenants, and waits until it can be published to.
    pub(crate) fn start(rig: &'a Rig, kind: Kind, tenants: usize, nchan: Option<&Installed>) -> Result<Self> {
        let running = match kind {
            Kind::Raw => Running::Raw(raw(rig, &[])?),
            Kind::Joining => Running::Raw(raw(rig, &["--join"])?),
            Kind::Nchan => Running::Nchan(Nchan::start(rig, nchan.context("nchan is not installed")?, rig.public)?),
            Kind::Single => pushgate(rig, tenants, 1)?,
            Kind::Pushgate => pushgate(rig, tenants, 0)?,
        };
        Ok(Self { running, addr: rig.public, tenants })
    }

    /// So many streams of it, shared evenly among the tenants.
    pub(crate) fn seats(&self, streams: usize) -> Seats {
        let paths = (0..self.tenants).map(|tenant| format!("/events/t{tenant}")).collect();
        Seats { server: self.addr, streams, paths }
    }

    /// The service of the gateway.
    pub(crate) fn simulator(&self) -> Option<&Simulator> {
        match &self.running {
            Running::Pushgate(_, simulator) => Some(simulator),
            Running::Raw(_) | Running::Nchan(_) => None,
        }
    }

    /// What publishes to it: for the gateway the simulator.
    pub(crate) fn source(&self) -> Result<Source> {
        let target = match &self.running {
            Running::Raw(_) => Target { addr: self.addr, path: "/events/t", frame: 8 },
            Running::Nchan(_) => Target { addr: self.addr, path: "/pushes/t", frame: 25 },
            Running::Pushgate(_, simulator) => return Ok(Source::Credit(Credit::new(simulator.addr()))),
        };
        Ok(Source::Posts(Posts::connect(target, self.tenants as u64)?))
    }

    pub(crate) fn usage(&self) -> Result<Usage> {
        match &self.running {
            Running::Raw(process) => process.usage(),
            Running::Nchan(server) => server.usage(),
            Running::Pushgate(gateway, _) => gateway.usage(),
        }
    }

    /// Memory without what it shares with others, in bytes; of the gateway only.
    pub(crate) fn proportional_memory(&self) -> Result<Option<u64>> {
        match &self.running {
            Running::Pushgate(gateway, _) => gateway.proportional_memory().map(Some),
            Running::Raw(_) | Running::Nchan(_) => Ok(None),
        }
    }

    /// CPU of the simulator, in seconds.
    pub(crate) fn simulator_cpu(&self) -> Result<f64> {
        self.simulator().map_or(Ok(0.0), |simulator| Ok(simulator.process.usage()?.cpu))
    }

    /// Seconds that all commits took, and how many there were; of the gateway only.
    pub(crate) fn commits(&self) -> Result<Option<(f64, f64)>> {
        let Running::Pushgate(gateway, _) = &self.running else { return Ok(None) };
        let sample = |part: &str| gateway.sample(&format!("pushgate_journal_commit_seconds_{part}"));
        Ok(Some((sample("sum")?, sample("count")?)))
    }
}

fn raw(rig: &Rig, more: &[&str]) -> Result<Process> {
    let mut arguments = vec!["raw".to_owned(), format!("--bind={}", rig.public)];
    arguments.extend(more.iter().map(|argument| (*argument).to_owned()));
    let mut process = Process::spawn(&std::env::current_exe()?, &arguments, &rig.log("raw.log"))?;
    until("the raw server", PATIENCE, || {
        let there = std::net::TcpStream::connect(rig.public).is_ok();
        process.check().err().map(Err).or(there.then_some(Ok(())))
    })??;
    Ok(process)
}

fn pushgate(rig: &Rig, tenants: usize, workers: usize) -> Result<Running<'_>> {
    let simulator = {
        // On a core of its own, when this thread is pinned.
        let _elsewhere = match cores()?.count() {
            1 => Some(Pinned::to(1, &rig.cores)?),
            _ => None,
        };
        // What waits in a full window must not be made more by being sent again.
        let rules = ServiceRules { accounts: tenants, redeliver_after: "2m", ..ServiceRules::default() };
        Simulator::start(rig, rules)?
    };
    let usual = GatewayRules::default();
    let rules = GatewayRules { tenants, workers, stall_timeout: "2m", connects_per_second: 2000, ..usual };
    let gateway = Gateway::start(rig, &rules)?;
    gateway.all_connected(PATIENCE)?;
    Ok(Running::Pushgate(Box::new(gateway), simulator))
}
