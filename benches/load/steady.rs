use std::time::Duration;

use anyhow::Result;
use clap::Args;

use crate::{
    gateway::{Gateway, GatewayRules},
    judge::Verdict,
    record::Keep,
    report::Report,
    rig::{Rig, one},
    simulator::{Load, ServiceRules, Simulator},
    wait::pause,
};

/// How long connects, the last answers and the last deliveries may take.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Args)]
pub(crate) struct SteadyArgs {
    /// Tenants
    #[arg(long, default_value_t = 1000)]
    tenants: usize,
    /// Subscribers of each tenant
    #[arg(long, default_value_t = 2)]
    subscribers: usize,
    /// Pushes a second, over all tenants
    #[arg(long, default_value_t = 1000.0)]
    per_second: f64,
    /// Seconds of load
    #[arg(long, default_value_t = 300.0)]
    seconds: f64,
    /// `journal.fsync`
    #[arg(long, default_value = "always")]
    fsync: String,
}

pub(crate) fn run(rig: &Rig, args: &SteadyArgs) -> Result<Report> {
    let simulator = Simulator::start(rig, ServiceRules { accounts: args.tenants, ..ServiceRules::default() })?;
    let rules = GatewayRules { tenants: args.tenants, fsync: args.fsync.clone(), ..GatewayRules::default() };
    let gateway = Gateway::start(rig, &rules)?;
    gateway.all_connected(PATIENCE)?;
    let specs = (0..args.tenants * args.subscribers).map(|n| one(n % args.tenants, 0, Keep::Pushes));
    let audience = rig.subscribe(specs.collect())?;
    pause(Duration::from_secs(1))?;

    let start = gateway.usage()?;
    let half = Duration::from_secs_f64(args.seconds / 2.0);
    simulator.start_load(Load {
        accounts: args.tenants,
        per_second: args.per_second,
        seconds: args.seconds,
        size: 200,
    })?;
    pause(half)?;
    let middle = gateway.usage()?;
    let made = simulator.load_done(half + PATIENCE)?;
    let stats = simulator.all_answered(PATIENCE)?;
    let deliveries = made * args.subscribers as u64;
    audience.settle(deliveries, PATIENCE)?;
    let end = gateway.usage()?;
    let tally = audience.lap()?;
    let verdict = Verdict::of(&simulator.acked()?, &gateway.stored()?, &audience.finish()?);

    let mut report = Report::new("steady");
    report.fact("tenants", args.tenants);
    report.fact("subscribers", args.tenants * args.subscribers);
    report.fact("pushes a second", args.per_second);
    report.fact("seconds", args.seconds);
    report.equal("pushes in = acks out", stats.acks, stats.pushes);
    report.equal("pushes in x subscribers = deliveries", tally.pushes[0], deliveries);
    report.none("nacks", stats.nacks as usize);
    report.none("push frames sent again by the service", (stats.sent - stats.pushes) as usize);
    report.none("streams cut", tally.ended as usize);
    report.none("upstream sockets lost", stats.disconnects as usize);
    verdict.report(&mut report);
    for (when, usage) in [("at the start", start), ("in the middle", middle), ("at the end", end)] {
        report.mebibytes(format!("gateway's memory {when}"), usage.rss);
    }
    let cpu = end.cpu - start.cpu;
    report.fact("gateway's CPU, s", cpu.round());
    report.fact("gateway's CPU, cores", (cpu / args.seconds * 1e3).round() / 1e3);
    let latency = &tally.latency[0];
    report.millis("sent to read, p50", latency.percentile(50));
    report.millis("sent to read, p99", latency.percentile(99));
    report.millis("sent to read, max", latency.max());
    Ok(report)
}
