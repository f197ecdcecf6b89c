use std::time::{Duration, Instant};

use anyhow::Result;
use clap::Args;

use crate::{
    audience::Audience,
    gateway::{Gateway, GatewayRules},
    judge::Verdict,
    record::Keep,
    report::{Report, in_millis},
    rig::{Rig, one},
    simulator::{Load, ServiceRules, Simulator},
    tally::Tally,
    wait::pause,
};

/// The group of the slow one.
const SLOW: usize = 1;
/// How long the last answers and deliveries may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// What the gateway's memory may grow by while one subscriber does not read, in MiB: far less than what that one does
/// not take.
const GROWTH: f64 = 8.0;
/// What the healthy ones' p99 may grow to: so many times as long, and so many milliseconds.
const SLOWER: (f64, f64) = (2.0, 10.0);

#[derive(Args)]
pub(crate) struct SlowArgs {
    /// Subscribers that read
    #[arg(long, default_value_t = 100)]
    healthy: usize,
    /// Pushes a second to the one tenant
    #[arg(long, default_value_t = 500.0)]
    per_second: f64,
    /// Bytes of a push's body
    #[arg(long, default_value_t = 1024)]
    size: usize,
    /// Seconds in which all read; the first half fills the gateway's tails and caches
    #[arg(long, default_value_t = 60.0)]
    before: f64,
    /// Seconds in which one does not
    #[arg(long, default_value_t = 30.0)]
    during: f64,
}

pub(crate) fn run(rig: &Rig, args: &SlowArgs) -> Result<Report> {
    let simulator = Simulator::start(rig, ServiceRules { accounts: 1, ..ServiceRules::default() })?;
    let rules = GatewayRules { tenants: 1, stall_timeout: "10m", ..GatewayRules::default() };
    let gateway = Gateway::start(rig, &rules)?;
    gateway.all_connected(PATIENCE)?;
    let mut specs: Vec<_> = (0..args.healthy).map(|_| one(0, 0, Keep::Pushes)).collect();
    specs.push(one(0, SLOW, Keep::Pushes));
    let audience = rig.subscribe(specs)?;

    let seconds = args.before + args.during;
    simulator.start_load(Load { accounts: 1, per_second: args.per_second, seconds, size: args.size })?;
    let half = Duration::from_secs_f64(args.before / 2.0);
    pause(half)?;
    let warm = gateway.usage()?;
    audience.lap()?;
    pause(half)?;
    let before = audience.lap()?;
    audience.pause(SLOW)?;
    let stopped = gateway.usage()?;
    let highest = gateway.most_memory(Duration::from_secs_f64(args.during))?;
    let during = audience.lap()?;
    let behind = behind(&audience, args.healthy);
    audience.resume(SLOW)?;
    let resumed = Instant::now();

    let made = simulator.load_done(PATIENCE)?;
    let stats = simulator.all_answered(PATIENCE)?;
    audience.settle(made * (args.healthy as u64 + 1), PATIENCE)?;
    let caught_up = resumed.elapsed();
    let after = audience.lap()?;
    let verdict = Verdict::of(&simulator.acked()?, &gateway.stored()?, &audience.finish()?);

    let mut report = Report::new("slow");
    report.fact("healthy subscribers", args.healthy);
    report.fact("pushes a second", args.per_second);
    latencies(&mut report, &before, &during);
    report.at_least("pushes that the slow one was behind", behind as f64, args.per_second * args.during / 4.0);
    report.fact("caught up after, s", (caught_up.as_secs_f64() * 10.0).round() / 10.0);
    report.fact("pushes that it was served from the journal", gateway.metric("pushgate_fanout_replayed_total")?);
    report.mebibytes("gateway's memory, all reading, warmed up", warm.rss);
    report.mebibytes("gateway's memory, all reading, at the end", stopped.rss);
    let growth = highest.saturating_sub(stopped.rss) as f64 / f64::from(1 << 20);
    report.at_most("its growth while one does not read, MiB", growth, GROWTH);
    report.none("streams cut", (before.ended + during.ended + after.ended) as usize);
    report.equal("pushes in = acks out", stats.acks, stats.pushes);
    verdict.report(&mut report);
    Ok(report)
}

fn latencies(report: &mut Report, before: &Tally, during: &Tally) {
    let (before, during) = (&before.latency[0], &during.latency[0]);
    report.millis("healthy, before: p50", before.percentile(50));
    report.millis("healthy, during: p50", during.percentile(50));
    let (usual, now) = (in_millis(before.percentile(99)), in_millis(during.percentile(99)));
    report.millis("healthy, before: p99", before.percentile(99));
    report.at_most("healthy, during: p99, ms", now, usual * SLOWER.0 + SLOWER.1);
}

/// Pushes that each healthy one has and the slow one has not.
fn behind(audience: &Audience, healthy: usize) -> u64 {
    (audience.pushes_of(0) / healthy.max(1) as u64).saturating_sub(audience.pushes_of(SLOW))
}
