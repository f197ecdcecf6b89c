use std::time::Duration;

use anyhow::Result;

use super::figures::{Bound, Figures};
use crate::{acks::Bench, report::in_millis, rig::Rig};

const TENANTS: usize = 5000;
/// Pushes without an answer that each tenant has at saturation: the next one comes with an answer.
const IN_FLIGHT: usize = 8;
/// Pushes a second at which latency is judged: half of the budget.
const AT: f64 = 20_000.0;
/// Pushes a second that a push's cost is measured at, whatever the number of tenants.
const SAME: f64 = 5000.0;
/// The part of all cores above which the machine is what is measured.
const CAPPED: f64 = 0.9;

/// Durable answers a second at saturation, and how long they take at half of the budget.
pub(crate) fn ingest(rig: &Rig, time: Duration) -> Result<Figures> {
    let bench = Bench::start(rig, TENANTS, "always")?;
    let mut figures = Figures::default();
    let cost = bench.saturate(IN_FLIGHT, time.as_secs_f64())?;
    let cores = cost.cores();
    figures.set("answered_per_s", cost.answered_per_second());
    figures.set("cpu_us", cost.gateway_micros());
    figures.set("cores", cores.0);
    figures.set("simulator_cores", cores.1);
    let (latency, cost) = bench.latency(AT, time.as_secs_f64())?;
    figures.set("half_answered_per_s", cost.answered_per_second());
    figures.set("p50_ms", in_millis(latency.times.percentile(50)));
    figures.set("p99_ms", in_millis(latency.times.percentile(99)));
    let stats = bench.simulator.stats()?;
    figures.set("missing", stats.pushes.saturating_sub(stats.acks) as f64);
    let machine = std::thread::available_parallelism().map_or(1, usize::from) as f64;
    figures.bound = if cores.0 + cores.1 > machine * CAPPED { Bound::Machine } else { Bound::Server };
    Ok(figures)
}

/// What a push costs with so many tenants, at a rate that does not depend on them.
pub(crate) fn push_cost(rig: &Rig, tenants: usize, time: Duration) -> Result<Figures> {
    let bench = Bench::start(rig, tenants, "always")?;
    // The first pushes of a process take longer.
    bench.load(SAME, 1.0)?;
    let cost = bench.load(SAME, time.as_secs_f64())?;
    let mut figures = Figures { bound: Bound::Rate, ..Figures::default() };
    figures.set("answered_per_s", cost.answered_per_second());
    figures.set("cpu_us", cost.gateway_micros());
    figures.set("cores", cost.cores().0);
    figures.set("simulator_cores", cost.cores().1);
    Ok(figures)
}
