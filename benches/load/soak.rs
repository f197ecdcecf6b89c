use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use clap::Args;
use serde_json::Value;

use crate::{
    gateway::{Gateway, GatewayRules},
    judge::Verdict,
    record::Keep,
    report::Report,
    rig::{Rig, one},
    simulator::{Acked, Chaos, Load, ServiceRules, Simulator},
    slope::slope,
    wait::{interrupted, pause},
};

/// How long the first connects, and the last deliveries, may take.
const PATIENCE: Duration = Duration::from_secs(120);
/// How often memory is read and answers are fetched.
const SAMPLE: Duration = Duration::from_secs(10);
/// Minutes from which on memory must be level: below, tails and page caches are still filling.
const LEVEL_FROM: f64 = 10.0;
/// What memory may grow or shrink by in a minute, in percent of it.
const GROWTH: f64 = 1.0;
/// Error lines, and tenants that are not back, that are shown.
const SHOWN: usize = 10;
/// Seeds that JSON holds as they are, everywhere.
const SEEDS: std::ops::Range<u64> = 0..1 << 53;

#[derive(Args)]
pub(crate) struct SoakArgs {
    /// Minutes of load and faults
    #[arg(long, default_value_t = 20.0)]
    minutes: f64,
    /// Tenants
    #[arg(long, default_value_t = 500)]
    tenants: usize,
    /// Pushes a second, over all tenants
    #[arg(long, default_value_t = 500.0)]
    per_second: f64,
    /// Faults that begin each second, over all tenants
    #[arg(long, default_value_t = 5.0)]
    faults_per_second: f64,
    /// Kinds of faults, as the simulator names them (default: all); may be repeated
    #[arg(long = "kind")]
    kinds: Vec<String>,
    /// Decides which fault comes when and where (default: a random one, which is printed)
    #[arg(long)]
    seed: Option<u64>,
    /// Subscribers, each of one tenant, spread over all
    #[arg(long, default_value_t = 20)]
    subscribers: usize,
    /// How long the last one may take to be connected again once the faults have ended
    #[arg(long, default_value = "3m", value_parser = humantime::parse_duration)]
    settle: Duration,
}

pub(crate) fn run(rig: &Rig, args: &SoakArgs) -> Result<Report> {
    ensure!(args.tenants > 0 && args.minutes > 0.0, "there must be tenants, and time");
    let seed = args.seed.unwrap_or_else(|| fastrand::u64(SEEDS));
    eprintln!("soak: seed {seed}");
    let simulator = Simulator::start(rig, ServiceRules { accounts: args.tenants, ..ServiceRules::default() })?;
    let gateway = Gateway::start(rig, &GatewayRules { tenants: args.tenants, ..GatewayRules::default() })?;
    gateway.all_connected(PATIENCE)?;
    let followed = followed(args);
    let audience = rig.subscribe(followed.iter().map(|tenant| one(*tenant, 0, Keep::Pushes)).collect())?;

    let seconds = args.minutes * 60.0;
    simulator.start_load(Load { accounts: args.tenants, per_second: args.per_second, seconds, size: 200 })?;
    let chaos =
        Chaos { seed, accounts: args.tenants, per_second: args.faults_per_second, seconds, kinds: args.kinds.clone() };
    simulator.start_chaos(&chaos)?;
    let mut watch = Watch::new(&gateway, &simulator);
    watch.go_on_for(Duration::from_secs_f64(seconds))?;
    let done = simulator.end_chaos()?;
    eprintln!("soak: the faults have ended");
    let (healed, astray) = heal(&gateway, args)?;
    simulator.load_done(PATIENCE)?;
    // A tenant that is not back has pushes without an answer: the judgement is told all the same.
    let stats = simulator
        .all_answered(PATIENCE)
        .or_else(|error| if astray.is_empty() { Err(error) } else { simulator.stats() })?;
    watch.fetch()?;
    let stored = gateway.stored()?;
    audience.settle(followed.iter().map(|tenant| stored[*tenant].len() as u64).sum(), PATIENCE)?;
    let open = audience.open();
    let tally = audience.lap()?;
    let Watch { acked, samples, fewest, .. } = watch;
    let verdict = Verdict::of(&acked, &stored, &audience.finish()?);

    let mut report = Report::new("soak");
    report.fact("seed", seed);
    report.fact("minutes", args.minutes);
    report.fact("tenants", args.tenants);
    report.fact("pushes a second", args.per_second);
    faults(&mut report, &done);
    report.fact("handshakes refused", stats.refused);
    report.at_least("upstream sockets lost and made again", stats.disconnects as f64, 1.0);
    report.fact("fewest connected in a sample", fewest);
    report.at_most("all connected after the faults, s", healed.as_secs_f64(), args.settle.as_secs_f64());
    report.none("tenants not connected then", astray.len());
    for tenant in astray.iter().take(SHOWN) {
        report.fact("a tenant that is not", tenant.as_str());
    }
    report.equal("acks that are compared, of all", acked.len() as u64, stats.acks);
    report.equal("pushes of the service, all acked", stats.acks, stats.pushes);
    report.fact("push frames sent again by the service", stats.sent.saturating_sub(stats.pushes));
    verdict.report(&mut report);
    report.equal("streams open at the end", open as u64, followed.len() as u64);
    report.none("streams cut", tally.ended as usize);
    memory(&mut report, args, &samples);
    report.none("panics", gateway.metric("pushgate_upstream_panics_total")? as usize);
    let errors = gateway.errors_logged()?;
    report.none("errors in the gateway's log", errors.len());
    for error in errors.iter().take(SHOWN) {
        report.fact("an error", error.as_str());
    }
    Ok(report)
}

/// Waits until all are connected: how long that took, and who is not.
fn heal(gateway: &Gateway<'_>, args: &SoakArgs) -> Result<(Duration, Vec<String>)> {
    let begin = Instant::now();
    if let Err(error) = gateway.all_connected(args.settle) {
        ensure!(!interrupted(), "interrupted");
        eprintln!("soak: {error:#}");
    }
    Ok((begin.elapsed(), gateway.astray()?))
}

/// The tenants that have a subscriber, as far apart as can be.
fn followed(args: &SoakArgs) -> Vec<usize> {
    let count = args.subscribers.min(args.tenants);
    (0..count).map(|n| n * args.tenants / count).collect()
}

/// What was done, as the service tells it.
fn faults(report: &mut Report, done: &Value) {
    let Value::Object(done) = done else { return report.fact("faults", done.clone()) };
    for (what, value) in done {
        report.fact(format!("faults: {what}"), value.clone());
    }
}

/// Looks from time to time, and fetches the answers before the service forgets the oldest.
struct Watch<'a> {
    gateway: &'a Gateway<'a>,
    simulator: &'a Simulator,
    begin: Instant,
    acked: Acked,
    next: u64,
    /// Minutes since the begin, and KiB of resident memory.
    samples: Vec<(f64, f64)>,
    fewest: u64,
}

impl<'a> Watch<'a> {
    fn new(gateway: &'a Gateway<'a>, simulator: &'a Simulator) -> Self {
        let begin = Instant::now();
        Self { gateway, simulator, begin, acked: Acked::new(), next: 0, samples: Vec::new(), fewest: u64::MAX }
    }

    fn go_on_for(&mut self, time: Duration) -> Result<()> {
        while self.begin.elapsed() < time {
            pause(SAMPLE.min(time.saturating_sub(self.begin.elapsed())))?;
            let connected = self.gateway.connected()?;
            self.fewest = self.fewest.min(connected);
            let rss = self.gateway.usage()?.rss;
            let minutes = self.begin.elapsed().as_secs_f64() / 60.0;
            self.samples.push((minutes, rss as f64 / 1024.0));
            self.fetch()?;
            if self.samples.len().is_multiple_of(6) {
                eprintln!(
                    "soak: {minutes:.0} min, {connected} connected, {} acks, {} MiB",
                    self.acked.len(),
                    rss >> 20
                );
            }
        }
        Ok(())
    }

    fn fetch(&mut self) -> Result<()> {
        self.next = self.simulator.add_acked(self.next, &mut self.acked)?;
        Ok(())
    }
}

/// Its course, and how steep the last half of it was.
fn memory(report: &mut Report, args: &SoakArgs, samples: &[(f64, f64)]) {
    let course: Vec<_> = samples.iter().map(|(_, kibibytes)| (kibibytes / 1024.0).round()).collect();
    report.fact("gateway's memory, each 10 s, MiB", course);
    let half = &samples[samples.len() / 2..];
    let Some(slope) = slope(half) else { return };
    let mean = half.iter().map(|(_, kibibytes)| kibibytes).sum::<f64>() / half.len() as f64;
    let percent = slope / mean * 100.0;
    report.fact("its slope over the last half, KiB a minute", slope.round());
    if args.minutes >= LEVEL_FROM {
        report.at_most("the same without sign, percent a minute", percent.abs(), GROWTH);
    } else {
        report.fact("the same, percent a minute (too short to judge)", (percent * 100.0).round() / 100.0);
    }
}
