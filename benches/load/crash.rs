use std::time::{Duration, Instant};

use anyhow::Result;
use clap::Args;

use crate::{
    gateway::{Gateway, GatewayRules},
    judge::Verdict,
    record::Keep,
    report::Report,
    rig::{Rig, one, several},
    simulator::{Load, ServiceRules, Simulator},
    stream::StreamSpec,
    wait::pause,
};

/// Tenants of a stream of many.
const TENANTS_PER_STREAM: usize = 10;
/// How long the end of the load, the last answers and the last deliveries may take.
const PATIENCE: Duration = Duration::from_secs(90);

#[derive(Args)]
pub(crate) struct CrashArgs {
    /// How often the gateway is killed
    #[arg(long, default_value_t = 10)]
    rounds: u32,
    /// Tenants, each with one subscriber; every ten of them have one more that subscribes to all ten
    #[arg(long, default_value_t = 50)]
    tenants: usize,
    /// Pushes a second, over all tenants
    #[arg(long, default_value_t = 2000.0)]
    per_second: f64,
    /// Seconds of load in each round; the kill comes at a random moment of it
    #[arg(long, default_value_t = 4.0)]
    seconds: f64,
    /// `journal.fsync`
    #[arg(long, default_value = "always")]
    fsync: String,
}

pub(crate) fn run(rig: &Rig, args: &CrashArgs) -> Result<Report> {
    let simulator = Simulator::start(rig, ServiceRules { accounts: args.tenants, ..ServiceRules::default() })?;
    let rules = GatewayRules { tenants: args.tenants, fsync: args.fsync.clone(), ..GatewayRules::default() };
    let mut gateway = Gateway::start(rig, &rules)?;
    gateway.all_connected(PATIENCE)?;
    let audience = rig.subscribe(specs(args.tenants))?;
    let mut acked_before = Vec::new();
    let mut ready_again = Vec::new();
    for round in 1..=args.rounds {
        let load = Load { accounts: args.tenants, per_second: args.per_second, seconds: args.seconds, size: 200 };
        simulator.start_load(load)?;
        pause(Duration::from_secs_f64(args.seconds * (0.2 + 0.7 * fastrand::f64())))?;
        acked_before.push(simulator.stats()?.acks);
        let killed = Instant::now();
        gateway.crash()?;
        ready_again.push(killed.elapsed().as_millis() as u64);
        simulator.load_done(PATIENCE)?;
        eprintln!("crash: round {round} of {}", args.rounds);
    }
    let stats = simulator.all_answered(PATIENCE)?;
    let stored = gateway.stored()?;
    let tenants: usize = stored.iter().map(|held| held.len()).sum();
    let grouped: usize = stored.chunks_exact(TENANTS_PER_STREAM).flatten().map(|held| held.len()).sum();
    audience.settle((tenants + grouped) as u64, PATIENCE)?;
    let (tally, open) = (audience.lap()?, audience.open());
    let verdict = Verdict::of(&simulator.acked()?, &stored, &audience.finish()?);

    let mut report = Report::new("crash");
    report.fact("rounds of kill -9", args.rounds);
    report.fact("pushes a second", args.per_second);
    report.fact("acked when killed", acked_before);
    report.fact("ready again after, ms", ready_again);
    report.fact("streams cut and resumed", tally.ended);
    report.fact("streams refused meanwhile", tally.refused);
    if let Some(why) = tally.first_refusal {
        report.fact("why, for the first of them", why);
    }
    report.equal("streams open at the end", open as u64, specs(args.tenants).len() as u64);
    report.fact("push frames sent again by the service", stats.sent - stats.pushes);
    verdict.report(&mut report);
    report.equal("pushes of the service, all acked", stats.acks, stats.pushes);
    report.equal("pushes of the service, all stored", verdict.stored as u64, stats.pushes);
    Ok(report)
}

fn specs(tenants: usize) -> Vec<StreamSpec> {
    let all: Vec<_> = (0..tenants).collect();
    let single = all.iter().map(|tenant| one(*tenant, 0, Keep::Pushes));
    let grouped = all.chunks_exact(TENANTS_PER_STREAM).map(|group| several(group.to_vec()));
    single.chain(grouped).collect()
}
