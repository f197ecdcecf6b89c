use std::time::{Duration, Instant};

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
const PATIENCE: Duration = Duration::from_secs(180);
/// What the edges of a sample of one second may add to the measured rate.
const MEASURE: f64 = 1.05;

#[derive(Args)]
pub(crate) struct OutageArgs {
    /// Tenants, each with one subscriber
    #[arg(long, default_value_t = 500)]
    tenants: usize,
    /// Pushes a second, over all tenants, before and after
    #[arg(long, default_value_t = 1000.0)]
    per_second: f64,
    /// Seconds of load before the service goes, and after it came back
    #[arg(long, default_value_t = 10.0)]
    seconds: f64,
    /// Seconds without the service
    #[arg(long, default_value_t = 30)]
    gone: u64,
    /// `upstream.connect.per_second`
    #[arg(long, default_value_t = 100)]
    gate: u32,
    /// `upstream.backoff.max`
    #[arg(long, default_value = "60s")]
    backoff_max: String,
}

pub(crate) fn run(rig: &Rig, args: &OutageArgs) -> Result<Report> {
    let service = ServiceRules { accounts: args.tenants, ..ServiceRules::default() };
    let load = Load { accounts: args.tenants, per_second: args.per_second, seconds: args.seconds, size: 200 };
    let mut simulator = Simulator::start(rig, service)?;
    let rules = GatewayRules {
        tenants: args.tenants,
        connects_per_second: args.gate,
        backoff_max: args.backoff_max.clone(),
        ..GatewayRules::default()
    };
    let gateway = Gateway::start(rig, &rules)?;
    let mut dials = Dials::begin(&gateway)?;
    let started = Instant::now();
    dials.until_all_connected()?;
    let all_up = started.elapsed();
    let audience = rig.subscribe((0..args.tenants).map(|tenant| one(tenant, 0, Keep::Pushes)).collect())?;

    // The load goes on until the service is gone.
    simulator.start_load(Load { seconds: args.seconds * 10.0, ..load })?;
    pause(Duration::from_secs_f64(args.seconds))?;
    let mut acked = simulator.acked()?;
    simulator.process.kill()?;
    eprintln!("outage: the service is gone");
    let begin = dials.samples.len();
    dials.sample_for(Duration::from_secs(args.gone))?;
    let simulator = Simulator::start(rig, service)?;
    eprintln!("outage: the service is back");
    let back = Instant::now();
    dials.until_all_connected()?;
    let all_back = back.elapsed();

    simulator.start_load(load)?;
    simulator.load_done(PATIENCE)?;
    let stats = simulator.all_answered(PATIENCE)?;
    let acked_after = simulator.acked()?;
    let acks_after = acked_after.len() as u64;
    acked.extend(acked_after);
    let stored = gateway.stored()?;
    audience.settle(stored.iter().map(|held| held.len() as u64).sum(), PATIENCE)?;
    let tally = audience.lap()?;
    let verdict = Verdict::of(&acked, &stored, &audience.finish()?);

    let mut report = Report::new("outage");
    report.fact("tenants", args.tenants);
    report.fact("seconds without the service", args.gone);
    report.fact("all connected at the start after, s", all_up.as_secs_f64().round());
    report.fact("all connected again after, s", all_back.as_secs_f64().round());
    report.fact("dials a second, from the loss on", dials.rates(begin));
    let fastest = dials.samples.iter().map(|sample| sample.rate()).fold(0.0, f64::max);
    report.at_most("dials a second, at most", fastest, f64::from(args.gate) * MEASURE);
    report.none("streams cut meanwhile", tally.ended as usize);
    verdict.report(&mut report);
    report.equal("pushes after the return, all acked", acks_after, stats.pushes);
    Ok(report)
}

/// The dials that the gateway begins, sampled each second.
struct Dials<'a> {
    gateway: &'a Gateway<'a>,
    last: (Instant, u64),
    samples: Vec<Sample>,
}

struct Sample {
    seconds: f64,
    dials: u64,
}

impl<'a> Dials<'a> {
    fn begin(gateway: &'a Gateway<'a>) -> Result<Self> {
        Ok(Self { gateway, last: (Instant::now(), count(gateway)?), samples: Vec::new() })
    }

    fn sample_for(&mut self, time: Duration) -> Result<()> {
        let end = Instant::now() + time;
        while Instant::now() < end {
            self.sample()?;
        }
        Ok(())
    }

    fn until_all_connected(&mut self) -> Result<()> {
        let end = Instant::now() + PATIENCE;
        while self.gateway.all_connected(Duration::ZERO).is_err() {
            anyhow::ensure!(Instant::now() < end, "not all tenants are connected after {PATIENCE:?}");
            self.sample()?;
        }
        Ok(())
    }

    fn sample(&mut self) -> Result<()> {
        pause((self.last.0 + Duration::from_secs(1)).saturating_duration_since(Instant::now()))?;
        let (now, dials) = (Instant::now(), count(self.gateway)?);
        let seconds = now.duration_since(self.last.0).as_secs_f64();
        self.samples.push(Sample { seconds, dials: dials - self.last.1 });
        self.last = (now, dials);
        Ok(())
    }

    fn rates(&self, begin: usize) -> Vec<f64> {
        self.samples[begin..].iter().map(|sample| sample.rate().round()).collect()
    }
}

impl Sample {
    fn rate(&self) -> f64 {
        self.dials as f64 / self.seconds
    }
}

fn count(gateway: &Gateway<'_>) -> Result<u64> {
    gateway.metric("pushgate_upstream_dials_total")
}
