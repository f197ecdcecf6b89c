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

/// The group of those that stop reading.
const STALLED: usize = 1;
/// How long the last answers and deliveries may take.
const PATIENCE: Duration = Duration::from_secs(90);
/// What the others' p99 may grow to: so many times as long, and so many milliseconds.
const SLOWER: (f64, f64) = (2.0, 10.0);
/// What the gateway's memory may grow by while they do not read: so many MiB, and so many KiB for each of them.
const GROWTH: (f64, f64) = (8.0, 256.0);

#[derive(Args)]
pub(crate) struct StalledArgs {
    /// Subscribers that read, all of one tenant
    #[arg(long, default_value_t = 900)]
    reading: usize,
    /// Subscribers that stop reading
    #[arg(long, default_value_t = 100)]
    stalled: usize,
    /// Pushes a second
    #[arg(long, default_value_t = 50.0)]
    per_second: f64,
    /// Bytes of a push's body
    #[arg(long, default_value_t = 1024)]
    size: usize,
    /// Seconds in which all read; the first half fills the gateway's tails and caches
    #[arg(long, default_value_t = 40.0)]
    before: f64,
    /// Seconds in which some do not; where they are closed, their buffers must be full and `server.stall_timeout` over by
    /// then
    #[arg(long, default_value_t = 60.0)]
    during: f64,
}

/// What becomes of those that stop reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// They stay connected: `server.stall_timeout` is longer than they rest.
    Stay,
    /// They are closed after the default time, and come back by their cursors.
    Closed,
}

impl Fate {
    fn stall_timeout(self) -> &'static str {
        match self {
            Self::Stay => "10m",
            Self::Closed => "30s",
        }
    }
}

/// Both fates, each with a gateway of its own.
pub(crate) fn run(args: &StalledArgs, rig: impl Fn() -> Result<Rig>) -> Result<Vec<Report>> {
    [Fate::Stay, Fate::Closed].into_iter().map(|fate| part(&rig()?, args, fate)).collect()
}

fn part(rig: &Rig, args: &StalledArgs, fate: Fate) -> Result<Report> {
    eprintln!("stalled: stall_timeout = {}", fate.stall_timeout());
    let simulator = Simulator::start(rig, ServiceRules::default())?;
    let gateway =
        Gateway::start(rig, &GatewayRules { stall_timeout: fate.stall_timeout(), ..GatewayRules::default() })?;
    gateway.all_connected(PATIENCE)?;
    let group = |n| if n < args.reading { 0 } else { STALLED };
    let all = args.reading + args.stalled;
    let audience = rig.subscribe((0..all).map(|n| one(0, group(n), Keep::Pushes)).collect())?;

    let seconds = args.before + args.during;
    simulator.start_load(Load { accounts: 1, per_second: args.per_second, seconds, size: args.size })?;
    let half = Duration::from_secs_f64(args.before / 2.0);
    pause(half)?;
    audience.lap()?;
    pause(half)?;
    let before = audience.lap()?;
    let memory = gateway.usage()?.rss;
    audience.pause(STALLED)?;
    let highest = gateway.most_memory(Duration::from_secs_f64(args.during))?;
    let during = audience.lap()?;
    let (held, behind) = (gateway.metric("pushgate_fanout_subscribers")?, behind(&audience, args));
    audience.resume(STALLED)?;
    let resumed = Instant::now();
    let made = simulator.load_done(PATIENCE)?;
    let stats = simulator.all_answered(PATIENCE)?;
    audience.settle(made * all as u64, PATIENCE)?;
    let caught_up = resumed.elapsed();
    let after = audience.lap()?;
    let verdict = Verdict::of(&simulator.acked()?, &gateway.stored()?, &audience.finish()?);

    let mut report = Report::new(match fate {
        Fate::Stay => "stalled, and stay",
        Fate::Closed => "stalled, and closed",
    });
    report.fact("subscribers that read", args.reading);
    report.fact("subscribers that stop reading", args.stalled);
    report.fact("pushes a second", args.per_second);
    latencies(&mut report, &before, &during);
    report.at_least("pushes that each of them was behind", behind as f64, args.per_second * args.during / 4.0);
    report.mebibytes("gateway's memory, all reading", memory);
    let limit = GROWTH.0 + GROWTH.1 * args.stalled as f64 / 1024.0;
    let grown = highest.saturating_sub(memory) as f64 / f64::from(1 << 20);
    report.at_most("its growth while some do not read, MiB", grown, limit);
    fates(&mut report, args, fate, (held, during.ended + after.ended));
    report.fact("caught up after, s", (caught_up.as_secs_f64() * 10.0).round() / 10.0);
    report.fact("pushes served from the journal", gateway.metric("pushgate_fanout_replayed_total")?);
    report.equal("pushes in = acks out", stats.acks, stats.pushes);
    verdict.report(&mut report);
    Ok(report)
}

fn fates(report: &mut Report, args: &StalledArgs, fate: Fate, (held, ended): (u64, u64)) {
    let (streams, cut) = match fate {
        Fate::Stay => (args.reading + args.stalled, 0),
        Fate::Closed => (args.reading, args.stalled),
    };
    report.equal("streams that the gateway held at the end of that", held, streams as u64);
    report.equal("streams that ended", ended, cut as u64);
}

fn latencies(report: &mut Report, before: &Tally, during: &Tally) {
    let (before, during) = (&before.latency[0], &during.latency[0]);
    report.millis("the others, before: p50", before.percentile(50));
    report.millis("the others, during: p50", during.percentile(50));
    let (usual, now) = (in_millis(before.percentile(99)), in_millis(during.percentile(99)));
    report.millis("the others, before: p99", before.percentile(99));
    report.at_most("the others, during: p99, ms", now, usual * SLOWER.0 + SLOWER.1);
    report.fact("ratio of both", (now / usual.max(1e-3) * 100.0).round() / 100.0);
}

/// Pushes that each of the others has and those that stopped have not.
fn behind(audience: &Audience, args: &StalledArgs) -> u64 {
    let each = |group, count: usize| audience.pushes_of(group) / count.max(1) as u64;
    each(0, args.reading).saturating_sub(each(STALLED, args.stalled))
}
