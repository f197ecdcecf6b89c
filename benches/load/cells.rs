use std::{fmt, str::FromStr, time::Duration};

use anyhow::{Context, Result, ensure};
use clap::Args;

use crate::{
    audience::Audience,
    gateway::{Gateway, GatewayRules},
    process::{Usage, own_usage},
    record::Keep,
    report::Report,
    rig::{Rig, one},
    simulator::{Load, ServiceRules, Simulator},
    tally::Tally,
    wait::pause,
};

/// How long connects, the last answers and the last deliveries may take.
const PATIENCE: Duration = Duration::from_secs(90);
/// How long idle streams settle, and how long their CPU is measured.
const IDLE: Duration = Duration::from_secs(5);
/// Deliveries a second that the flood asks for: more than the gateway can fan out.
const FLOOD: f64 = 4_000_000.0;
/// The part of the measured rate at which latency is measured: one that the machine can bear.
const PART: f64 = 0.25;
/// The part of a thread's or the machine's time above which that is what is measured.
const CAPPED: f64 = 0.9;

#[derive(Args)]
pub(crate) struct CellsArgs {
    /// A cell: tenants, x, subscribers of each, as in 1x1000; may be repeated
    #[arg(long = "cell", default_values = ["1x1000", "1x10000", "1000x10"])]
    cells: Vec<Cell>,
    /// Deliveries of the flood
    #[arg(long, default_value_t = 2_000_000)]
    deliveries: u64,
    /// Seconds at a quarter of the measured rate
    #[arg(long, default_value_t = 10.0)]
    seconds: f64,
    /// `journal.fsync`
    #[arg(long, default_value = "always")]
    fsync: String,
}

/// How many tenants, and subscribers of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cell {
    tenants: usize,
    subscribers: usize,
}

impl FromStr for Cell {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let (tenants, subscribers) = text.split_once('x').context("a cell is TENANTSxSUBSCRIBERS")?;
        let cell = Self { tenants: tenants.parse()?, subscribers: subscribers.parse()? };
        ensure!((1..=15_000).contains(&cell.streams()), "a cell has 1 to 15000 streams");
        Ok(cell)
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.tenants, self.subscribers)
    }
}

impl Cell {
    fn streams(self) -> usize {
        self.tenants.saturating_mul(self.subscribers)
    }
}

/// One report for each cell, each on a rig of its own.
pub(crate) fn run(args: &CellsArgs, rig: impl Fn() -> Result<Rig>) -> Result<Vec<Report>> {
    let measured = args.cells.iter().map(|cell| {
        eprintln!("cells: {cell}");
        measure(&rig()?, *cell, args).with_context(|| format!("cell {cell}"))
    });
    measured.collect()
}

fn measure(rig: &Rig, cell: Cell, args: &CellsArgs) -> Result<Report> {
    // Whatever waits in the flood must not be made more by being sent again.
    let service = ServiceRules { accounts: cell.tenants, redeliver_after: "2m", ..ServiceRules::default() };
    let simulator = Simulator::start(rig, service)?;
    let rules = GatewayRules {
        tenants: cell.tenants,
        stall_timeout: "2m",
        connects_per_second: 500,
        fsync: args.fsync.clone(),
        ..GatewayRules::default()
    };
    let gateway = Gateway::start(rig, &rules)?;
    gateway.all_connected(PATIENCE)?;
    pause(Duration::from_secs(1))?;
    let empty = gateway.usage()?;
    let specs = (0..cell.streams()).map(|n| one(n % cell.tenants, 0, Keep::Counts));
    let bench = Bench { cell, simulator: &simulator, gateway: &gateway, audience: &rig.subscribe(specs.collect())? };

    let mut report = Report::new("cells");
    report.fact("tenants x subscribers", cell.to_string());
    bench.idle(empty, &mut report)?;
    let pushes = (args.deliveries / cell.subscribers as u64).max(cell.tenants as u64);
    let flood = bench.load(FLOOD / cell.subscribers as f64, pushes)?;
    let rate = flood.deliveries_per_second();
    flood.report("flood", &mut report);
    let per_second = rate * PART / cell.subscribers as f64;
    let quarter = bench.load(per_second, ((per_second * args.seconds) as u64).max(1))?;
    quarter.report("a quarter of it", &mut report);
    Ok(report)
}

struct Bench<'a> {
    cell: Cell,
    simulator: &'a Simulator,
    gateway: &'a Gateway<'a>,
    audience: &'a Audience,
}

/// What one load cost.
struct Cost {
    expected: u64,
    tally: Tally,
    cpu: f64,
    client_cpu: f64,
    simulator_cpu: f64,
    offered: f64,
    rss: u64,
}

impl Bench<'_> {
    fn idle(&self, empty: Usage, report: &mut Report) -> Result<()> {
        pause(IDLE)?;
        let settled = self.gateway.usage()?;
        let bytes = settled.rss.saturating_sub(empty.rss) as f64 / self.cell.streams() as f64;
        pause(IDLE)?;
        let cpu = (self.gateway.usage()?.cpu - settled.cpu) / IDLE.as_secs_f64();
        report.fact("memory of an idle stream, KiB", (bytes / 1024.0 * 100.0).round() / 100.0);
        report.fact("opening a stream, CPU us", per(settled.cpu - empty.cpu, self.cell.streams() as u64));
        report.fact("CPU with all streams idle, cores", (cpu * 1e3).round() / 1e3);
        report.mebibytes("gateway's memory without streams", empty.rss);
        Ok(())
    }

    /// Of the gateway, the audience and the simulator.
    fn usages(&self) -> Result<(Usage, Usage, Usage)> {
        Ok((self.gateway.usage()?, own_usage()?, self.simulator.process.usage()?))
    }

    fn load(&self, per_second: f64, pushes: u64) -> Result<Cost> {
        self.audience.lap()?;
        let before = self.audience.pushes();
        let (gateway, client, simulator) = self.usages()?;
        let expected = pushes * self.cell.subscribers as u64;
        let seconds = pushes as f64 / per_second;
        self.simulator.start_load(Load { accounts: self.cell.tenants, per_second, seconds, size: 200 })?;
        self.simulator.load_done(Duration::from_secs_f64(seconds) + PATIENCE)?;
        self.audience.settle(before + expected, PATIENCE)?;
        let (gateway_end, client_end, simulator_end) = self.usages()?;
        Ok(Cost {
            expected,
            tally: self.audience.lap()?,
            cpu: gateway_end.cpu - gateway.cpu,
            client_cpu: client_end.cpu - client.cpu,
            simulator_cpu: simulator_end.cpu - simulator.cpu,
            offered: per_second * self.cell.subscribers as f64,
            rss: gateway_end.rss,
        })
    }
}

impl Cost {
    /// What kept more from being delivered.
    fn bound_by(&self) -> &'static str {
        let cores = std::thread::available_parallelism().map_or(1, usize::from) as f64;
        let busy = (self.cpu + self.client_cpu + self.simulator_cpu) / self.seconds();
        if self.client_cpu / self.seconds() > CAPPED {
            "the audience's thread"
        } else if self.deliveries_per_second() > self.offered * CAPPED {
            "the load"
        } else if busy > cores * CAPPED {
            "the machine's cores"
        } else {
            "the gateway"
        }
    }

    fn seconds(&self) -> f64 {
        let first = self.tally.first_sent.unwrap_or(self.tally.last_read);
        (self.tally.last_read.saturating_sub(first) as f64 / 1e9).max(1e-3)
    }

    fn deliveries_per_second(&self) -> f64 {
        self.tally.pushes[0] as f64 / self.seconds()
    }

    fn report(&self, load: &str, report: &mut Report) {
        let latency = &self.tally.latency[0];
        report.equal(format!("{load}: deliveries"), self.tally.pushes[0], self.expected);
        report.none(format!("{load}: streams cut or refused"), (self.tally.ended + self.tally.refused) as usize);
        report.fact(format!("{load}: deliveries a second"), self.deliveries_per_second().round());
        report.millis(format!("{load}: sent to read, p50"), latency.percentile(50));
        report.millis(format!("{load}: sent to read, p99"), latency.percentile(99));
        report.fact(format!("{load}: gateway's CPU of a delivery, us"), per(self.cpu, self.expected));
        report.fact(format!("{load}: gateway's CPU, cores"), (self.cpu / self.seconds() * 100.0).round() / 100.0);
        let client = self.client_cpu / self.seconds();
        report.fact(format!("{load}: audience's CPU, cores"), (client * 100.0).round() / 100.0);
        report.fact(format!("{load}: bound by"), self.bound_by());
        report.mebibytes(format!("{load}: gateway's memory"), self.rss);
    }
}

/// Microseconds of each.
fn per(seconds: f64, count: u64) -> f64 {
    (seconds * 1e6 / count.max(1) as f64 * 1e3).round() / 1e3
}
