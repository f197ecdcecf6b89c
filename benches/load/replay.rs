use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use clap::Args;

use crate::{
    audience::{Audience, Manners},
    gateway::{Gateway, GatewayRules, Stored},
    histogram::Histogram,
    judge::Verdict,
    process::{Usage, own_usage},
    record::Keep,
    report::{Report, in_millis},
    rig::{Rig, one},
    simulator::{Load, ServiceRules, Simulator},
    stream::{Stream, StreamSpec},
    wait::{pause, until},
};

/// The tenant whose subscribers are live.
const LIVE: usize = 0;
/// The tenant that is replayed. It gets no push meanwhile, so that nothing of it is trimmed.
const STORED: usize = 1;
/// Pushes a second while the backlog is made.
const BACKLOG_PER_SECOND: f64 = 10_000.0;
/// How long connects, answers and deliveries may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often memory and the count of pushes are looked at.
const LOOK: Duration = Duration::from_millis(20);
/// The p99 of those who are live, during the replay against before: so many times as long, and so many milliseconds.
const SLOWER: (f64, f64) = (2.0, 10.0);
/// From this share of a core on the one thread that reads the replaying streams is what is measured.
const AUDIENCE_BUSY: f64 = 0.9;

#[derive(Args)]
pub(crate) struct ReplayArgs {
    /// Pushes that are stored of one tenant, which may keep 100,000
    #[arg(long, default_value_t = 100_000)]
    pushes: usize,
    /// Subscribers that want them all at once
    #[arg(long, default_value_t = 100)]
    subscribers: usize,
    /// Subscribers of another tenant, live all the time
    #[arg(long, default_value_t = 10)]
    live: usize,
    /// Pushes a second to those
    #[arg(long, default_value_t = 50.0)]
    per_second: f64,
    /// Seconds before the replay
    #[arg(long, default_value_t = 10.0)]
    seconds: f64,
    /// Seconds in which all must have everything
    #[arg(long, default_value_t = 120.0)]
    within: f64,
    /// Replayed pushes a second, all subscribers together, that are asked for
    #[arg(long, default_value_t = 500_000.0)]
    at_least: f64,
}

/// How the replay went.
struct Replayed {
    took: Duration,
    pushes: u64,
    peak: u64,
    before: Usage,
    after: Usage,
    /// Seconds of CPU of this process, nearly all of it the audience's.
    audience: f64,
}

pub(crate) fn run(rig: &Rig, args: &ReplayArgs) -> Result<Report> {
    ensure!(args.pushes > 0 && args.subscribers > 0, "there must be pushes, and somebody who wants them");
    let simulator = Simulator::start(rig, ServiceRules { accounts: 2, ..ServiceRules::default() })?;
    let rules = GatewayRules { tenants: 2, ..GatewayRules::default() };
    let mut gateway = Gateway::start(rig, &GatewayRules { fsync: "1s".to_owned(), ..rules.clone() })?;
    gateway.all_connected(PATIENCE)?;
    store(&simulator, args.pushes)?;
    gateway.restart_with(&rules)?;
    gateway.all_connected(PATIENCE)?;

    let live = rig.subscribe((0..args.live).map(|_| one(LIVE, 0, Keep::Pushes)).collect())?;
    let load = |seconds| Load { accounts: 1, per_second: args.per_second, seconds, size: 200 };
    simulator.start_load(load(args.seconds))?;
    simulator.load_done(Duration::from_secs_f64(args.seconds) + PATIENCE)?;
    live.settle((args.live as f64 * args.per_second * args.seconds) as u64, Duration::from_secs(1))?;
    let before = live.lap()?;
    simulator.start_load(load(args.within))?;
    let audience = Audience::start(rig.public, specs(args.subscribers), Manners::default())?;
    let replayed = replay(&gateway, &audience, args)?;
    let during = live.lap()?;
    let lag = audience.lap()?;
    let stored = gateway.stored()?;
    simulator.load_done(Duration::from_secs_f64(args.within) + PATIENCE)?;
    let stats = simulator.all_answered(PATIENCE)?;
    let stored_live = gateway.stored()?[LIVE].len();
    live.settle((args.live * stored_live) as u64, PATIENCE)?;

    let mut report = Report::new("replay");
    report.fact("pushes stored", stored[STORED].len());
    report.fact("subscribers that want them all at once", args.subscribers);
    report.fact("live subscribers of another tenant", args.live);
    rates(&mut report, args, &replayed);
    latencies(&mut report, &before.latency[0], &during.latency[0]);
    report.none("streams cut or refused", (lag.ended + lag.refused + during.ended + during.refused) as usize);
    report.equal("pushes in = acks out", stats.acks, stats.pushes);
    complete(&mut report, &stored, &audience.finish()?);
    Verdict::of(&simulator.acked()?, &gateway.stored()?, &live.finish()?).report(&mut report);
    Ok(report)
}

/// Has so many pushes stored of the tenant that is replayed.
fn store(simulator: &Simulator, pushes: usize) -> Result<()> {
    let seconds = pushes as f64 / BACKLOG_PER_SECOND;
    simulator.flood(STORED, BACKLOG_PER_SECOND, seconds)?;
    let longest = Duration::from_secs_f64(seconds) + PATIENCE;
    until("all pushes", longest, || simulator.stats().ok().filter(|stats| stats.pushes >= pushes as u64))?;
    simulator.all_answered(PATIENCE).map(drop)
}

/// One stream is compared push by push; of the others it is enough that as many came, each above the one before.
fn specs(count: usize) -> Vec<StreamSpec> {
    let path = format!("/events/t{STORED}?since=earliest");
    let keep = |n| if n == 0 { Keep::Pushes } else { Keep::Counts };
    (0..count).map(|n| StreamSpec { path: path.clone(), ..one(STORED, 0, keep(n)) }).collect()
}

fn replay(gateway: &Gateway<'_>, audience: &Audience, args: &ReplayArgs) -> Result<Replayed> {
    let (begun, owed) = (Instant::now(), (args.pushes * args.subscribers) as u64);
    let (before, own) = (gateway.usage()?, own_usage()?);
    let mut peak = before.rss;
    while audience.pushes() < owed && begun.elapsed() < Duration::from_secs_f64(args.within) {
        pause(LOOK)?;
        peak = peak.max(gateway.usage()?.rss);
    }
    let (took, pushes) = (begun.elapsed(), audience.pushes());
    let audience = own_usage()?.cpu - own.cpu;
    Ok(Replayed { took, pushes, peak, before, after: gateway.usage()?, audience })
}

fn rates(report: &mut Report, args: &ReplayArgs, replayed: &Replayed) {
    let seconds = replayed.took.as_secs_f64();
    report.at_most("all have everything after, s", seconds, args.within);
    report.at_least("replayed pushes a second, all together", replayed.pushes as f64 / seconds, args.at_least);
    let cpu = replayed.after.cpu - replayed.before.cpu;
    report.fact("gateway's CPU for each, us", thousandths(cpu * 1e6 / replayed.pushes.max(1) as f64));
    report.fact("gateway's cores", thousandths(cpu / seconds));
    let busy = replayed.audience / seconds;
    report.fact("audience's cores", thousandths(busy));
    report.fact("the audience was the bottleneck", busy >= AUDIENCE_BUSY);
    report.mebibytes("gateway's memory before", replayed.before.rss);
    report.mebibytes("gateway's memory at most", replayed.peak);
}

fn latencies(report: &mut Report, before: &Histogram, during: &Histogram) {
    for (when, latency) in [("before", before), ("during", during)] {
        report.millis(format!("live, {when}: p50"), latency.percentile(50));
    }
    report.millis("live, before: p99", before.percentile(99));
    let limit = in_millis(before.percentile(99)) * SLOWER.0 + SLOWER.1;
    report.at_most("live, during: p99, ms", in_millis(during.percentile(99)), limit);
}

fn complete(report: &mut Report, stored: &Stored, streams: &[Stream]) {
    let owed = stored[STORED].len() as u64;
    let sum = |of: fn(&Stream) -> u64| streams.iter().map(of).sum::<u64>();
    report.equal("replayed pushes", sum(|stream| stream.record.pushes), owed * streams.len() as u64);
    report.none("replayed twice or out of order", sum(|stream| stream.record.not_rising) as usize);
    report.none("gap events in the replay", sum(|stream| stream.record.gaps) as usize);
    let first = streams.first().map(|stream| stream.record.seen.as_slice()).unwrap_or_default();
    let right = first.iter().filter(|(seq, id)| stored[STORED].get(id) == Some(seq)).count();
    report.equal("right ones on the stream that was compared", right as u64, owed);
}

fn thousandths(value: f64) -> f64 {
    (value * 1e3).round() / 1e3
}
