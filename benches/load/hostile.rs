use std::time::Duration;

use anyhow::Result;
use clap::Args;

use crate::{
    attack::{Attack, Harm, Kind},
    audience::Audience,
    gateway::{Gateway, GatewayRules},
    histogram::Histogram,
    judge::Verdict,
    probe::{Found, Probe},
    record::Keep,
    report::{Report, in_millis},
    rig::{Rig, one},
    simulator::{Load, ServiceRules, Simulator},
    wait::{pause, until},
};

/// Tenants with a live stream for each of their subscribers.
const TENANTS: usize = 10;
/// How long connects, answers and deliveries may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long the gateway may take to let go of what is gone: `server.limits.head_timeout`, and more.
const RECOVERY: Duration = Duration::from_secs(30);
/// The p99 of live streams during an attack, in milliseconds.
const LIVE: f64 = 500.0;
/// The p99 of a new stream's begin during an attack, in milliseconds.
const BEGIN: f64 = 1000.0;
/// Files that may be open afterwards beyond those of the start: probes that are being closed.
const FILES_LEFT: usize = 5;
/// What memory may be beyond that of the start afterwards, in MiB: the allocator keeps some for the next attack.
const MEMORY_LEFT: f64 = 64.0;

#[derive(Args)]
pub(crate) struct HostileArgs {
    /// Live streams
    #[arg(long, default_value_t = 100)]
    live: usize,
    /// Pushes a second, over ten tenants
    #[arg(long, default_value_t = 200.0)]
    per_second: f64,
    /// Seconds of quiet, and of slow heads
    #[arg(long, default_value_t = 20.0)]
    seconds: f64,
    /// Requests that grow by a byte every two seconds
    #[arg(long, default_value_t = 2000)]
    slow_heads: usize,
    /// Connects a second without a request; the machine may manage fewer
    #[arg(long, default_value_t = 10_000.0)]
    knocks_per_second: f64,
    /// Seconds of connects, and of endless heads
    #[arg(long, default_value_t = 10.0)]
    burst: f64,
    /// Connections that send headers without end
    #[arg(long, default_value_t = 100)]
    endless_heads: usize,
}

/// One stretch of the run.
struct Phase {
    name: &'static str,
    latency: Histogram,
    ended: u64,
    found: Found,
    peak: u64,
    seconds: f64,
    harm: Option<Harm>,
}

pub(crate) fn run(rig: &Rig, args: &HostileArgs) -> Result<Report> {
    let simulator = Simulator::start(rig, ServiceRules { accounts: TENANTS, ..ServiceRules::default() })?;
    let gateway = Gateway::start(rig, &GatewayRules { tenants: TENANTS, ..GatewayRules::default() })?;
    gateway.all_connected(PATIENCE)?;
    let audience = rig.subscribe((0..args.live).map(|n| one(n % TENANTS, 0, Keep::Pushes)).collect())?;
    let seconds = 2.0 * args.seconds + 2.0 * args.burst + 5.0;
    simulator.start_load(Load { accounts: TENANTS, per_second: args.per_second, seconds, size: 200 })?;

    let bench = Bench { rig, gateway: &gateway, audience: &audience };
    // The first of it warms up.
    pause(Duration::from_secs(2))?;
    audience.lap()?;
    let (files, memory) = (gateway.open_files()?, gateway.usage()?.rss);
    let phases = [
        bench.phase("quiet", None, args.seconds)?,
        bench.phase("slow heads", Some(Kind::SlowHeads(args.slow_heads)), args.seconds)?,
        bench.phase("knocks", Some(Kind::Knocks(args.knocks_per_second)), args.burst)?,
        bench.phase("endless heads", Some(Kind::EndlessHeads(args.endless_heads)), args.burst)?,
    ];
    simulator.load_done(PATIENCE)?;
    // Whether it came to that, the figures tell.
    let _ =
        until("files to be closed", RECOVERY, || gateway.open_files().ok().filter(|left| *left <= files + FILES_LEFT));
    let left = (gateway.open_files()?, gateway.usage()?.rss);
    let stats = simulator.all_answered(PATIENCE)?;
    let stored = gateway.stored()?;
    let expected = (0..args.live).map(|n| stored[n % TENANTS].len() as u64).sum();
    audience.settle(expected, PATIENCE)?;
    let verdict = Verdict::of(&simulator.acked()?, &stored, &audience.finish()?);

    let mut report = Report::new("hostile");
    report.fact("live streams", args.live);
    report.fact("pushes a second", args.per_second);
    for phase in &phases {
        phase.report(&mut report);
    }
    report.fact("files that the gateway had open at the start", files);
    report.at_most("and at the end", left.0 as f64, (files + FILES_LEFT) as f64);
    report.mebibytes("gateway's memory at the start", memory);
    let grown = left.1.saturating_sub(memory) as f64 / f64::from(1 << 20);
    report.at_most("its growth at the end, MiB", grown, MEMORY_LEFT);
    report.equal("pushes in = acks out", stats.acks, stats.pushes);
    verdict.report(&mut report);
    Ok(report)
}

struct Bench<'a> {
    rig: &'a Rig,
    gateway: &'a Gateway<'a>,
    audience: &'a Audience,
}

impl Bench<'_> {
    fn phase(&self, name: &'static str, harm: Option<Kind>, seconds: f64) -> Result<Phase> {
        eprintln!("hostile: {name}");
        let attack = harm.map(|kind| Attack::begin(kind, self.rig.public)).transpose()?;
        let probe = Probe::begin(self.rig.public)?;
        let peak = self.gateway.most_memory(Duration::from_secs_f64(seconds))?;
        let found = probe.end()?;
        let harm = attack.map(Attack::end).transpose()?;
        let tally = self.audience.lap()?;
        let [latency, _] = tally.latency;
        Ok(Phase { name, latency, ended: tally.ended, found, peak, seconds, harm })
    }
}

impl Phase {
    fn report(&self, report: &mut Report) {
        let name = self.name;
        if let Some(harm) = &self.harm {
            report.fact(format!("{name}: connects a second"), (harm.connects as f64 / self.seconds).round());
            report.fact(format!("{name}: connects that failed"), harm.failed);
            report.fact(format!("{name}: connections that the gateway ended"), harm.ended);
            report.mebibytes(format!("{name}: sent"), harm.bytes);
        }
        report.millis(format!("{name}: live streams, p50"), self.latency.percentile(50));
        let p99 = in_millis(self.latency.percentile(99));
        report.at_most(format!("{name}: live streams, p99, ms"), p99, LIVE);
        report.none(format!("{name}: live streams cut"), self.ended as usize);
        report.millis(format!("{name}: a new stream begins after, p50"), self.found.took.percentile(50));
        let p99 = in_millis(self.found.took.percentile(99));
        report.at_most(format!("{name}: a new stream begins after, p99, ms"), p99, BEGIN);
        report.none(format!("{name}: new streams that did not begin"), self.found.failed);
        if let Some(why) = &self.found.why {
            report.fact(format!("{name}: why, for the first of them"), why.as_str());
        }
        report.mebibytes(format!("{name}: gateway's memory at most"), self.peak);
    }
}
