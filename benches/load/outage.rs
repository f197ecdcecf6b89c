use std::time::Duration;

use anyhow::{Result, ensure};
use clap::Args;

use crate::{
    dials::{Dials, Sample, draw},
    gateway::{Gateway, GatewayRules},
    judge::Verdict,
    record::Keep,
    report::Report,
    rig::{Rig, one},
    simulator::{Load, ServiceRules, Simulator},
    wait::pause,
};

/// How long the last answers and deliveries may take, and connects beyond what gate and backoff need.
const PATIENCE: Duration = Duration::from_secs(180);
/// What the edges of a sample of one second may add to the measured rate.
const MEASURE: f64 = 1.05;

#[derive(Args)]
pub(crate) struct OutageArgs {
    /// Tenants
    #[arg(long, default_value_t = 500)]
    tenants: usize,
    /// Subscribers, each of one tenant, spread over all
    #[arg(long, default_value_t = 500)]
    subscribers: usize,
    /// Pushes a second, over all tenants, before and after
    #[arg(long, default_value_t = 1000.0)]
    per_second: f64,
    /// Seconds of load before the service goes, and after it came back
    #[arg(long, default_value_t = 10.0)]
    seconds: f64,
    /// How long the service is gone
    #[arg(long, default_value = "30s", value_parser = humantime::parse_duration)]
    down: Duration,
    /// `upstream.connect.per_second`
    #[arg(long, default_value_t = 100)]
    gate: u32,
    /// `upstream.backoff.max`
    #[arg(long, default_value = "60s", value_parser = humantime::parse_duration)]
    backoff_max: Duration,
}

impl OutageArgs {
    /// The tenants that have a subscriber, as far apart as can be.
    fn followed(&self) -> Vec<usize> {
        let count = self.subscribers.min(self.tenants);
        (0..count).map(|n| n * self.tenants / count).collect()
    }

    /// How long all connects may take: what the gate and the longest backoff need, and more.
    fn patience(&self) -> Duration {
        Duration::from_secs_f64(self.tenants as f64 / f64::from(self.gate)) + self.backoff_max + PATIENCE
    }
}

pub(crate) fn run(rig: &Rig, args: &OutageArgs) -> Result<Report> {
    ensure!(args.tenants > 0 && args.gate > 0, "there must be tenants, and a gate that lets them through");
    let service = ServiceRules { accounts: args.tenants, ..ServiceRules::default() };
    let load = Load { accounts: args.tenants, per_second: args.per_second, seconds: args.seconds, size: 200 };
    let mut simulator = Simulator::start(rig, service)?;
    let rules = GatewayRules {
        tenants: args.tenants,
        connects_per_second: args.gate,
        backoff_max: humantime::format_duration(args.backoff_max).to_string(),
        ..GatewayRules::default()
    };
    let gateway = Gateway::start(rig, &rules)?;
    let mut dials = Dials::begin(&gateway)?;
    let all_up = dials.until_all_connected(args.patience(), &simulator)?;
    let audience = rig.subscribe(args.followed().into_iter().map(|tenant| one(tenant, 0, Keep::Pushes)).collect())?;

    // The load goes on until the service is gone.
    simulator.start_load(Load { seconds: args.seconds * 10.0, ..load })?;
    pause(Duration::from_secs_f64(args.seconds))?;
    let mut acked = simulator.acked()?;
    dials.skip()?;
    simulator.process.kill()?;
    eprintln!("outage: the service is gone");
    let begin = dials.samples.len();
    dials.sample_for(args.down, None)?;
    let simulator = Simulator::start(rig, service)?;
    eprintln!("outage: the service is back");
    let all_back = dials.until_all_connected(args.patience(), &simulator)?;
    let (astray, sockets) = (gateway.astray()?, simulator.stats()?.sockets);

    simulator.start_load(load)?;
    simulator.load_done(PATIENCE)?;
    let stats = simulator.all_answered(PATIENCE)?;
    let acked_after = simulator.acked()?;
    let acks_after = acked_after.len() as u64;
    acked.extend(acked_after);
    let stored = gateway.stored()?;
    let expected = args.followed().iter().map(|tenant| stored[*tenant].len() as u64).sum();
    audience.settle(expected, PATIENCE)?;
    let tally = audience.lap()?;
    let verdict = Verdict::of(&acked, &stored, &audience.finish()?);

    let mut report = Report::new("outage");
    report.fact("tenants", args.tenants);
    report.fact("seconds without the service", args.down.as_secs_f64());
    report.fact("all connected at the start after, s", all_up.as_secs_f64().round());
    report.fact("all connected again after, s", all_back.as_secs_f64().round());
    report.none("not connected then, as the admin API lists them", astray.len());
    report.equal("sockets at the service then", sockets, args.tenants as u64);
    draw(&dials.samples[begin..], &mut report);
    rates(&mut report, &dials.samples, begin, f64::from(args.gate));
    report.none("streams cut meanwhile", tally.ended as usize);
    verdict.report(&mut report);
    report.equal("pushes after the return, all acked", acks_after, stats.pushes);
    Ok(report)
}

/// The curve in figures, and its highest points. Only dials are checked: what the service takes within one sample may
/// have been dialled in the one before.
fn rates(report: &mut Report, samples: &[Sample], begin: usize, gate: f64) {
    let lost = &samples[begin..];
    let dials: Vec<_> = lost.iter().map(|sample| sample.dials_per_second().round()).collect();
    let taken: Vec<_> = lost.iter().filter_map(Sample::taken_per_second).map(f64::round).collect();
    report.fact("dials a second, from the loss on", dials);
    report.fact("taken by the service a second, from its return on", taken);
    let fastest = samples.iter().map(Sample::dials_per_second).fold(0.0, f64::max);
    report.at_most("dials a second, at most", fastest, gate * MEASURE);
    let most = samples.iter().filter_map(Sample::taken_per_second).fold(0.0, f64::max);
    report.fact("taken by the service a second, at most", most.round());
}
