use std::{sync::Arc, time::Duration};

use anyhow::Result;

use super::{
    crowd::Crowd,
    figures::{Bound, Figures, LATENCY_PERMILLE},
    machine,
    nchan::Installed,
    phase::Phase,
    pin::Pinned,
    publisher::{Amount, Pace, Published, Publisher},
    server::{Kind, Place, Server},
    sums::Sums,
};
use crate::{histogram::Histogram, rig::Rig, wait::pause};

/// How long streams settle before memory is looked at.
const SETTLE: Duration = Duration::from_millis(500);
/// Pushes to each tenant before the measured ones: the first ones of a process take longer.
const WARM_UP: u64 = 5;
/// The part of a core, or of all cores, above which these are what is measured.
const CAPPED: f64 = 0.9;
/// Cores that others may take. The kernel counts by samples, and what it does for nobody's sake counts too.
const OTHERS: f64 = 0.25;

/// What is published, and to whom.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) tenants: usize,
    /// Of each tenant.
    pub(crate) subscribers: usize,
    pub(crate) pace: Pace,
    pub(crate) place: Place,
    /// How long is published.
    pub(crate) time: Duration,
}

/// CPU in seconds, since the start of each.
#[derive(Clone, Copy)]
struct Used {
    server: f64,
    simulator: f64,
    machine: f64,
}

impl Used {
    fn now(server: &Server<'_>) -> Result<Self> {
        let (own, simulator) = (server.usage()?.cpu, server.simulator_cpu()?);
        Ok(Self { server: own, simulator, machine: machine::busy() })
    }

    fn since(self, before: Self) -> Self {
        Self {
            server: self.server - before.server,
            simulator: self.simulator - before.simulator,
            machine: self.machine - before.machine,
        }
    }
}

/// Runs one server through one shape, on a rig of its own.
pub(crate) fn fan_out(rig: &Rig, kind: Kind, shape: &Shape, nchan: Option<&Installed>) -> Result<Figures> {
    let _pinned = match shape.place {
        Place::OneCore => Some(Pinned::to(0, &rig.cores)?),
        Place::Anywhere => None,
    };
    let server = Server::start(rig, kind, shape.tenants, nchan)?;
    let streams = shape.tenants * shape.subscribers;
    let empty = server.usage()?;
    let crowd = Crowd::open(&server.seats(streams), 1)?;
    pause(SETTLE)?;
    let idle = server.usage()?;
    let mut publisher = Publisher::new(server.source()?);
    let warm_up = phase(shape);
    crowd.begin(&warm_up)?;
    publisher.publish(&warm_up, shape.pace, Amount::Pushes(WARM_UP * shape.tenants as u64))?;

    let measured = phase(shape);
    crowd.begin(&measured)?;
    let (commits, before) = (server.commits()?, Used::now(&server)?);
    let sent = publisher.publish(&measured, shape.pace, Amount::Time(shape.time))?;
    let (used, commits_then) = (Used::now(&server)?.since(before), server.commits()?);
    let sums = crowd.end()?;
    let mut figures = fold(shape, &sums, sent, used);
    figures.set("stream_bytes", idle.rss.saturating_sub(empty.rss) as f64 / streams as f64);
    figures.set("ended", crowd.ended() as f64);
    if let Some(((seconds, count), (seconds_then, count_then))) = commits.zip(commits_then) {
        figures.set("commit_ms", (seconds_then - seconds) * 1e3 / (count_then - count).max(1.0));
        figures.set("pushes_per_commit", sent.pushes as f64 / (count_then - count).max(1.0));
    }
    Ok(figures)
}

fn phase(shape: &Shape) -> Arc<Phase> {
    Arc::new(Phase::new(shape.tenants as u64, shape.subscribers as u32, shape.pace.window()))
}

fn fold(shape: &Shape, sums: &Sums, sent: Published, used: Used) -> Figures {
    let mut figures = Figures::default();
    let (seconds, deliveries) = (sums.seconds(), sums.deliveries.max(1) as f64);
    let (crowd, publisher) = (sums.cpu.as_secs_f64(), sent.cpu.as_secs_f64());
    let ours = used.server + used.simulator + crowd + publisher;
    let others = (used.machine - ours) / seconds;
    figures.set("pushes", sent.pushes as f64);
    figures.set("missing", (sent.pushes * shape.subscribers as u64).saturating_sub(sums.deliveries) as f64);
    figures.set("incomplete", sent.incomplete as f64);
    figures.set("duplicates", sums.duplicates as f64);
    figures.set("reordered", sums.reordered as f64);
    figures.set("deliveries_per_s", sums.deliveries as f64 / seconds);
    figures.set("event_bytes", sums.bytes as f64 / deliveries);
    figures.set("deliveries_per_read", deliveries / sums.reads.max(1) as f64);
    figures.set("cpu_us", used.server * 1e6 / deliveries);
    figures.set("cores", used.server / seconds);
    figures.set("crowd_us", crowd * 1e6 / deliveries);
    figures.set("crowd_cores", crowd / seconds);
    figures.set("publisher_cores", publisher / seconds);
    figures.set("simulator_cores", used.simulator / seconds);
    figures.set("other_cores", others);
    let quantile = |histogram: &Histogram, permille| histogram.permille(permille).as_secs_f64() * 1e3;
    figures.set("p50_ms", quantile(&sums.latency, 500));
    figures.set("p99_ms", quantile(&sums.latency, 990));
    figures.set("last_p99_ms", quantile(&sums.complete, 990));
    figures.latency = LATENCY_PERMILLE.iter().map(|permille| (*permille, quantile(&sums.latency, *permille))).collect();
    figures.bound = bound(shape, crowd / seconds, ours / seconds, others);
    figures
}

/// What kept more from being delivered.
fn bound(shape: &Shape, crowd: f64, busy: f64, others: f64) -> Bound {
    let cores = std::thread::available_parallelism().map_or(1, usize::from) as f64;
    match (shape.place, shape.pace) {
        _ if others > OTHERS => Bound::Others,
        (Place::OneCore, _) => Bound::OneCore,
        (_, Pace::PerSecond(_)) => Bound::Rate,
        _ if crowd > CAPPED => Bound::Generator,
        _ if busy > cores * CAPPED => Bound::Machine,
        _ => Bound::Server,
    }
}
