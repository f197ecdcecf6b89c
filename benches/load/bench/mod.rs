//! The performance cells: what the table of budgets asks for, measured beside a raw server, which is the ceiling, and
//! beside nchan where that is installed, in the same run on the same machine.
//!
//! Begin reading at `cell.rs`, which names the cells; then `fan_out.rs` for one run of most of them, `crowd.rs` for the
//! subscribers that only count, `publisher.rs` and `window.rs` for what is published and when. `summary.rs` has the
//! budgets, `page.rs` and `plots.rs` what is written into `docs/performance`.

mod cell;
mod count;
mod credit;
mod crowd;
mod ears;
mod fan_out;
mod figures;
mod idle;
mod ingest;
mod line;
mod machine;
mod nchan;
mod page;
mod phase;
mod pin;
mod plots;
mod posts;
mod publisher;
mod raw;
mod server;
mod source;
mod stamps;
mod summary;
mod sums;
mod window;

use std::{
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use anyhow::Result;
use clap::{Args, ValueEnum};

pub(crate) use self::raw::{RawArgs, serve as serve_raw};
use self::{
    cell::Cell,
    fan_out::fan_out,
    figures::{Figures, Record},
    nchan::Installed,
    server::Kind,
    summary::Summary,
};
use crate::rig::Rig;

/// The page that the figures are written into, and the folder of the plots.
const PAGE: &str = "docs/performance/README.md";

#[derive(Args)]
pub(crate) struct BenchArgs {
    /// A cell; may be repeated (default: all)
    #[arg(long = "cell")]
    cells: Vec<Cell>,
    /// Rounds; in each of them the servers take turns, and medians count
    #[arg(long, default_value_t = 3)]
    rounds: u32,
    /// One round of a second each: shows that everything works, and touches no page
    #[arg(long)]
    quick: bool,
    /// Writes page and plots anew from the runs that are kept, and measures nothing
    #[arg(long)]
    only_report: bool,
    /// Where runs are kept, a line of JSON each; those of a cell that is measured again are replaced
    #[arg(long, default_value = "target/bench/runs.jsonl")]
    runs: PathBuf,
    /// Where nginx's module nchan is, when not where Debian puts it
    #[arg(long)]
    nchan_module: Option<PathBuf>,
}

/// How long things are measured.
#[derive(Clone, Copy, Debug)]
struct Times {
    rounds: u32,
    fan_out: Duration,
    idle: Duration,
    ingest: Duration,
}

/// Measures, and says whether nothing was lost, doubled or reordered. A budget that is not met is told and fails nothing:
/// it depends on the machine.
pub(crate) fn run(args: &BenchArgs, rig: impl Fn() -> Result<Rig>) -> Result<bool> {
    let cells = if args.cells.is_empty() { Cell::value_variants() } else { &args.cells };
    let runs = if args.quick { args.runs.with_extension("quick.jsonl") } else { args.runs.clone() };
    let mut faultless = true;
    if !args.only_report {
        figures::forget(&runs, &cells.iter().map(|cell| cell.name()).collect::<Vec<_>>())?;
        for cell in cells {
            measure_cell(*cell, args, &runs, &rig)?;
            let records = figures::read(&runs)?;
            let summary = Summary::new(*cell, &records);
            println!("{}", page::section(&summary));
            faultless &= summary.faults() == 0.0;
        }
    }
    if !args.quick {
        let records = figures::read(&runs)?;
        let plots = plots::draw(Path::new(PAGE).parent().unwrap_or(Path::new(".")), &records)?;
        page::write(Path::new(PAGE), &records, Cell::value_variants(), &plots)?;
    }
    Ok(faultless)
}

fn measure_cell(cell: Cell, args: &BenchArgs, runs: &Path, rig: &impl Fn() -> Result<Rig>) -> Result<()> {
    let (times, nchan) = (Times::of(args), Installed::find(args.nchan_module.as_deref()));
    let machine = machine::machine();
    for round in 1..=times.rounds {
        for (kind, step) in cell.servers().iter().flat_map(|kind| cell.steps().iter().map(|step| (*kind, *step))) {
            if kind == Kind::Nchan && nchan.is_none() {
                eprintln!("bench: nchan is left out: it needs nginx-light and libnginx-mod-nchan");
                continue;
            }
            eprintln!("bench: {}, round {round} of {}: {kind}", cell.name(), times.rounds);
            let figures = measure(cell, kind, step, times, &rig()?, nchan.as_ref())?;
            let at = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
            let (cell, server, machine) = (cell.name().to_owned(), kind, machine.clone());
            figures::append(runs, &Record { cell, server, step, round, at, machine, figures })?;
        }
    }
    Ok(())
}

fn measure(cell: Cell, kind: Kind, step: u64, times: Times, rig: &Rig, nchan: Option<&Installed>) -> Result<Figures> {
    if let Some(shape) = cell.shape(step, times.fan_out) {
        return fan_out(rig, kind, &shape, nchan);
    }
    match cell {
        Cell::Idle => idle::idle(rig, kind, times.idle, nchan),
        Cell::GrowthTenants => ingest::push_cost(rig, step as usize, times.ingest),
        _ => ingest::ingest(rig, times.ingest),
    }
}

impl Times {
    fn of(args: &BenchArgs) -> Self {
        let seconds = Duration::from_secs;
        if args.quick {
            return Self { rounds: 1, fan_out: seconds(1), idle: seconds(5), ingest: seconds(2) };
        }
        Self { rounds: args.rounds.max(1), fan_out: seconds(5), idle: seconds(60), ingest: seconds(6) }
    }
}
