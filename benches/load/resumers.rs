use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use clap::Args;

use crate::{
    audience::{Audience, Manners},
    gateway::{Gateway, GatewayRules, Stored},
    histogram::Histogram,
    judge::Verdict,
    record::Keep,
    report::{Report, in_millis},
    rig::{Rig, one},
    simulator::{Load, ServiceRules, Simulator},
    stream::StreamSpec,
    tally::Tally,
    wait::pause,
};

/// The only group of each audience: those who stay and those who come back have a thread each, so that nobody waits for
/// the other one's reading.
const GROUP: usize = 0;
/// How many come back at a time: fewer than the gateway's queue of connections that wait to be accepted.
const AT_ONCE: usize = 4000;
/// Pushes a second while the backlog is made.
const BACKLOG_PER_SECOND: f64 = 2000.0;
/// How long connects, answers and deliveries may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// What the gateway's memory may grow by for each that comes back, in KiB.
const GROWTH_OF_EACH: f64 = 128.0;
/// The p99 of those who stayed while the others come back, in milliseconds: above that they are no longer live.
const LIVE: f64 = 1000.0;
/// And afterwards, against when all were there before: so many times as long, and so many milliseconds.
const SLOWER: (f64, f64) = (2.0, 10.0);

#[derive(Args)]
pub(crate) struct ResumersArgs {
    /// Subscribers that come back, spread over the tenants
    #[arg(long, default_value_t = 5000)]
    subscribers: usize,
    /// Tenants
    #[arg(long, default_value_t = 10)]
    tenants: usize,
    /// Pushes of each tenant that they missed
    #[arg(long, default_value_t = 1000)]
    missed: usize,
    /// Subscribers that stay all the time, spread over the tenants
    #[arg(long, default_value_t = 100)]
    live: usize,
    /// Pushes a second, over all tenants, all the time
    #[arg(long, default_value_t = 200.0)]
    per_second: f64,
    /// Seconds before they come back, and after all are live
    #[arg(long, default_value_t = 10.0)]
    seconds: f64,
    /// Seconds in which all must be complete and live
    #[arg(long, default_value_t = 60.0)]
    within: f64,
}

/// What it took to come back.
struct Return {
    /// When the last one was live, if that was in time.
    all_live: Option<Duration>,
    before: u64,
    peak: u64,
}

pub(crate) fn run(rig: &Rig, args: &ResumersArgs) -> Result<Report> {
    ensure!(args.tenants > 0, "there must be tenants");
    let simulator = Simulator::start(rig, ServiceRules { accounts: args.tenants, ..ServiceRules::default() })?;
    let gateway = Gateway::start(rig, &GatewayRules { tenants: args.tenants, ..GatewayRules::default() })?;
    gateway.all_connected(PATIENCE)?;
    let live = rig.subscribe(specs(args.live, args.tenants))?;
    let manners = Manners { opening: AT_ONCE, ..Manners::default() };
    let resumers = rig.subscribe_with(specs(args.subscribers, args.tenants), manners)?;
    let missed = (args.missed * args.tenants) as f64;
    let load = |per_second, seconds| Load { accounts: args.tenants, per_second, seconds, size: 200 };
    // As many read a push as will afterwards; and everybody has a cursor.
    finish(&simulator, load(args.per_second, args.seconds))?;
    let together = live.lap()?;
    resumers.leave(GROUP)?;
    finish(&simulator, load(BACKLOG_PER_SECOND, missed / BACKLOG_PER_SECOND))?;
    simulator.all_answered(PATIENCE)?;
    live.lap()?;
    finish(&simulator, load(args.per_second, args.seconds))?;
    let before = live.lap()?;
    eprintln!("resumers: {} come back", args.subscribers);
    simulator.start_load(load(args.per_second, args.within))?;
    let returned = come_back(&gateway, &resumers, Duration::from_secs_f64(args.within))?;
    let during = live.lap()?;
    simulator.load_done(Duration::from_secs_f64(args.within) + PATIENCE)?;
    live.lap()?;
    finish(&simulator, load(args.per_second, args.seconds))?;
    let after = live.lap()?;

    let stats = simulator.all_answered(PATIENCE)?;
    let stored = gateway.stored()?;
    for (audience, count) in [(&live, args.live), (&resumers, args.subscribers)] {
        audience.settle(expected(&stored, count), PATIENCE)?;
    }
    let tally = resumers.lap()?;
    let mut streams = live.finish()?;
    streams.append(&mut resumers.finish()?);
    let verdict = Verdict::of(&simulator.acked()?, &stored, &streams);

    let mut report = Report::new("resumers");
    report.fact("subscribers that come back at once", args.subscribers);
    report.fact("pushes that each missed, about", args.missed);
    report.fact("subscribers that stay", args.live);
    report.fact("pushes a second", args.per_second);
    returns(&mut report, args, &returned, &tally);
    let phases = [&together, &before, &during, &after].map(|tally| &tally.latency[GROUP]);
    latencies(&mut report, phases);
    report.none("streams cut", (together.ended + before.ended + during.ended + after.ended + tally.ended) as usize);
    report.equal("pushes in = acks out", stats.acks, stats.pushes);
    verdict.report(&mut report);
    Ok(report)
}

fn specs(count: usize, tenants: usize) -> Vec<StreamSpec> {
    (0..count).map(|n| one(n % tenants, GROUP, Keep::Pushes)).collect()
}

/// The deliveries that are owed to so many subscribers.
fn expected(stored: &Stored, count: usize) -> u64 {
    (0..count).map(|n| stored[n % stored.len()].len() as u64).sum()
}

/// Makes a load to its end.
fn finish(simulator: &Simulator, load: Load) -> Result<()> {
    simulator.start_load(load)?;
    simulator.load_done(Duration::from_secs_f64(load.seconds) + PATIENCE).map(drop)
}

fn come_back(gateway: &Gateway<'_>, resumers: &Audience, longest: Duration) -> Result<Return> {
    let before = gateway.usage()?.rss;
    let begun = Instant::now();
    resumers.come_back(GROUP)?;
    let mut peak = before;
    while resumers.resuming() > 0 && begun.elapsed() < longest {
        pause(Duration::from_millis(50))?;
        peak = peak.max(gateway.usage()?.rss);
    }
    Ok(Return { all_live: (resumers.resuming() == 0).then(|| begun.elapsed()), before, peak })
}

fn returns(report: &mut Report, args: &ResumersArgs, returned: &Return, tally: &Tally) {
    let took = returned.all_live.map_or(f64::INFINITY, |took| took.as_secs_f64());
    report.at_most("all complete and live after, s", took, args.within);
    report.millis("from the order to come back to live, p50", tally.live_after.percentile(50));
    report.millis("from the order to come back to live, p99", tally.live_after.percentile(99));
    report.fact("connects that met nobody", tally.unreachable);
    report.fact("streams refused", tally.refused);
    if let Some(why) = &tally.first_refusal {
        report.fact("why, for the first of them", why.as_str());
    }
    let grown = returned.peak.saturating_sub(returned.before);
    report.mebibytes("gateway's memory before they come back", returned.before);
    report.mebibytes("gateway's memory at most", returned.peak);
    let each = grown as f64 / 1024.0 / args.subscribers.max(1) as f64;
    report.at_most("its growth for each of them, KiB", each, GROWTH_OF_EACH);
}

fn latencies(report: &mut Report, [together, alone, during, after]: [&Histogram; 4]) {
    let phases = [("with all others", together), ("alone", alone), ("during", during), ("after", after)];
    for (when, latency) in phases {
        report.millis(format!("those who stayed, {when}: p50"), latency.percentile(50));
    }
    report.millis("those who stayed, with all others: p99", together.percentile(99));
    report.millis("those who stayed, alone: p99", alone.percentile(99));
    report.at_most("those who stayed, during: p99, ms", in_millis(during.percentile(99)), LIVE);
    let limit = in_millis(together.percentile(99)) * SLOWER.0 + SLOWER.1;
    report.at_most("those who stayed, after: p99, ms", in_millis(after.percentile(99)), limit);
}
