use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use clap::Args;

use crate::{
    answered::AnswerTimes,
    flood,
    gateway::{Gateway, GatewayRules},
    report::{Report, in_millis},
    rig::Rig,
    simulator::{Load, ServiceRules, Simulator},
};

/// How long connects, and the answers that are late, may take.
const PATIENCE: Duration = Duration::from_secs(120);
/// `upstream.connect.per_second`: the start is not what is measured.
const CONNECTS: u32 = 1000;
/// How much more each step asks for.
const GROWTH: f64 = 1.5;
/// The most that is asked for, in pushes a second: the service makes no more.
const MOST: f64 = 500_000.0;
/// The part of what was asked for that must be answered in time for the next step to ask for more.
const KEPT_UP: f64 = 0.95;
/// Answered pushes a second, at least.
const RATE: f64 = 20_000.0;
/// Bytes of a push's body.
const SIZE: usize = 200;
/// The p99 from sending to answer at half of that, in milliseconds.
const P99: f64 = 50.0;

#[derive(Args)]
pub(crate) struct AcksArgs {
    /// Tenants
    #[arg(long, default_value_t = 5000)]
    pub(crate) tenants: usize,
    /// Pushes a second of the first step, over all tenants; each further step asks for half as many more, until they
    /// are not answered in time
    #[arg(long, default_value_t = 8000.0)]
    from: f64,
    /// Seconds of load in each step
    #[arg(long, default_value_t = 10.0)]
    step: f64,
    /// Pushes a second at which latency is judged; at half of what was found it is measured too
    #[arg(long, default_value_t = RATE / 2.0)]
    at: f64,
    /// Seconds of each load in which latency is measured
    #[arg(long, default_value_t = 20.0)]
    pub(crate) seconds: f64,
    /// `journal.fsync`
    #[arg(long, default_value = "always")]
    fsync: String,
    /// Instead: one tenant floods beside the others, whose latency is compared without and with it
    #[arg(long)]
    pub(crate) flood: bool,
    /// Pushes a second of the flooding tenant
    #[arg(long, default_value_t = 10_000.0)]
    pub(crate) flood_per_second: f64,
    /// Pushes a second of each of the others
    #[arg(long, default_value_t = 1.0)]
    pub(crate) each_per_second: f64,
}

/// A gateway and its service, all tenants connected.
pub(crate) struct Bench<'a> {
    pub(crate) tenants: usize,
    pub(crate) simulator: Simulator,
    pub(crate) gateway: Gateway<'a>,
}

/// What one load came to.
pub(crate) struct Cost {
    /// Pushes a second that were asked for.
    pub(crate) asked: f64,
    answered: u64,
    /// From its begin to the last answer.
    time: Duration,
    /// Of the gateway and of the service, in seconds.
    cpu: (f64, f64),
}

pub(crate) fn run(rig: &Rig, args: &AcksArgs) -> Result<Report> {
    ensure!(args.tenants > 1 && args.from > 0.0, "there must be two tenants at least, and a load to begin with");
    let bench = Bench::start(rig, args.tenants, &args.fsync)?;
    if args.flood { flood::run(&bench, args) } else { saturate(&bench, args) }
}

fn saturate(bench: &Bench<'_>, args: &AcksArgs) -> Result<Report> {
    let mut report = Report::new("acks");
    report.fact("tenants", args.tenants);
    report.fact("journal.fsync", args.fsync.as_str());
    let mut asked = args.from;
    let mut best: f64 = 0.0;
    loop {
        let cost = bench.load(asked, args.step)?;
        eprintln!("acks: {}", cost.text());
        report.fact(format!("asked for {asked:.0} a second"), cost.text());
        best = best.max(cost.answered_per_second());
        if cost.answered_per_second() < asked * KEPT_UP || asked >= MOST {
            break;
        }
        asked = (asked * GROWTH).min(MOST);
    }
    report.at_least("answered pushes a second", best, RATE);

    let (latency, cost) = bench.latency(args.at, args.seconds)?;
    let load = format!("at {:.0} a second", args.at);
    latency.report(&load, &mut report);
    report.at_most(format!("{load}: sent to answered, p99, ms"), in_millis(latency.times.percentile(99)), P99);
    report.fact(format!("{load}: found"), cost.text());
    let (latency, cost) = bench.latency(best / 2.0, args.seconds)?;
    let load = "at half of what was found";
    latency.report(load, &mut report);
    report.millis(format!("{load}: sent to answered, p99"), latency.times.percentile(99));
    report.fact(format!("{load}: found"), cost.text());
    bench.report(&mut report)?;
    Ok(report)
}

impl<'a> Bench<'a> {
    /// Starts both and waits until all tenants are connected.
    pub(crate) fn start(rig: &'a Rig, tenants: usize, fsync: &str) -> Result<Self> {
        // Whatever waits must not be made more by being sent again.
        let service = ServiceRules { accounts: tenants, redeliver_after: "2m", ..ServiceRules::default() };
        let simulator = Simulator::start(rig, service)?;
        let rules =
            GatewayRules { tenants, connects_per_second: CONNECTS, fsync: fsync.to_owned(), ..GatewayRules::default() };
        let gateway = Gateway::start(rig, &rules)?;
        gateway.all_connected(PATIENCE)?;
        Ok(Self { tenants, simulator, gateway })
    }

    /// A load over all tenants, until its last answer.
    pub(crate) fn load(&self, per_second: f64, seconds: f64) -> Result<Cost> {
        let load = Load { accounts: self.tenants, per_second, seconds, size: SIZE };
        self.cost(per_second, seconds, || self.simulator.start_load(load))
    }

    /// A load that is as high as it is answered: each tenant has so many pushes without an answer, for so long.
    pub(crate) fn saturate(&self, in_flight: usize, seconds: f64) -> Result<Cost> {
        let start = || self.simulator.start_load_in_flight(self.tenants, in_flight, seconds, SIZE);
        self.cost(f64::INFINITY, seconds, start)
    }

    fn cost(&self, asked: f64, seconds: f64, start: impl FnOnce() -> Result<()>) -> Result<Cost> {
        let cpu = (self.gateway.usage()?.cpu, self.simulator.process.usage()?.cpu);
        let before = self.simulator.stats()?.answers();
        let begin = Instant::now();
        start()?;
        self.simulator.load_done(Duration::from_secs_f64(seconds) + PATIENCE)?;
        let answered = self.simulator.all_answered(PATIENCE)?.answers() - before;
        let time = begin.elapsed();
        let end = (self.gateway.usage()?.cpu, self.simulator.process.usage()?.cpu);
        Ok(Cost { asked, answered, time, cpu: (end.0 - cpu.0, end.1 - cpu.1) })
    }

    /// A load, and how long its answers took: the service writes both moments in whole milliseconds.
    pub(crate) fn latency(&self, per_second: f64, seconds: f64) -> Result<(AnswerTimes, Cost)> {
        let from = self.simulator.stats()?.answers();
        let cost = self.load(per_second, seconds)?;
        let mut times = AnswerTimes::default();
        self.simulator.answers(from, |answered| times.add(&answered))?;
        Ok((times, cost))
    }

    /// What must hold at the end of every run.
    pub(crate) fn report(&self, report: &mut Report) -> Result<()> {
        let stats = self.simulator.stats()?;
        report.equal("pushes in = acks out", stats.acks, stats.pushes);
        report.equal("pushes stored", self.gateway.metric("pushgate_journal_stored_total")?, stats.pushes);
        report.none("upstream sockets lost", stats.disconnects as usize);
        report.mebibytes("gateway's memory at the end", self.gateway.usage()?.rss);
        Ok(())
    }
}

impl Cost {
    pub(crate) fn answered_per_second(&self) -> f64 {
        self.answered as f64 / self.time.as_secs_f64()
    }

    /// CPU of the gateway for each answer, in microseconds.
    pub(crate) fn gateway_micros(&self) -> f64 {
        self.cpu.0 * 1e6 / self.answered.max(1) as f64
    }

    /// Cores that gateway and service kept busy.
    pub(crate) fn cores(&self) -> (f64, f64) {
        let time = self.time.as_secs_f64();
        (self.cpu.0 / time, self.cpu.1 / time)
    }

    /// The figures in one line. When gateway and service together take all cores, the machine is the limit.
    pub(crate) fn text(&self) -> String {
        let (gateway, service) = self.cores();
        let machine = std::thread::available_parallelism().map_or(1, usize::from);
        format!(
            "{:.0} of {:.0} answered a second; gateway {:.2}, service {:.2} of {machine} cores; {:.1} us of the gateway each",
            self.answered_per_second(),
            self.asked,
            gateway,
            service,
            self.gateway_micros(),
        )
    }
}
