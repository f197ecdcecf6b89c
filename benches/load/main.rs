//! The proof rig: runs the real `pushgate` binary against its simulator, plays the subscribers, and judges what came.
//!
//! It is no part of the product and knows the gateway only from outside: by its command line, its configuration and its
//! HTTP interfaces; only `journal.rs` opens a part of it, to measure that alone. It talks to loopback addresses only, and ends every process that it started, by its process id,
//! also when it is interrupted or panics.
//!
//! Begin reading at `crash.rs`, the shortest run; then `audience.rs` for the thread that reads all streams, and
//! `judge.rs` for the comparison of sets. `benches/README.md` says how to read the reports.

mod acks;
mod answered;
mod attack;
mod audience;
mod bench;
mod cells;
mod chunked;
mod clock;
mod crash;
mod dials;
mod disk;
mod events;
mod filler;
mod flood;
mod gateway;
mod head;
mod histogram;
mod hostile;
mod http;
mod journal;
mod judge;
mod outage;
mod probe;
mod process;
mod push_line;
mod reader;
mod record;
mod replay;
mod report;
mod restart;
mod resumers;
mod rig;
mod simulator;
mod slope;
mod slow;
mod soak;
mod stalled;
mod steady;
mod stream;
mod tally;
mod tenants;
mod wait;

use std::{path::PathBuf, process::ExitCode};

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::{report::Form, rig::Rig};

/// Exit status after SIGINT or SIGTERM, as shells have it.
const INTERRUPTED: u8 = 130;

#[derive(Parser)]
#[command(about = "Proves what Pushgate promises, with the real binary")]
struct Cli {
    #[command(subcommand)]
    run: Run,
    /// The binary under test
    #[arg(long, global = true, default_value = "target/release/pushgate")]
    pushgate: PathBuf,
    /// Where the journal is put; its folder is removed afterwards (default: the folder for temporary files)
    #[arg(long, global = true)]
    dir: Option<PathBuf>,
    /// Prints one JSON object
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Subcommand)]
enum Run {
    /// kill -9 under load: nothing acked is lost, nothing comes twice or out of order
    Crash(crash::CrashArgs),
    /// The service goes away and comes back: everybody is back, and not all at once
    Outage(outage::OutageArgs),
    /// Minutes of constant load: arithmetic, memory, CPU, latency
    Steady(steady::SteadyArgs),
    /// The disk fills and is freed again; needs --dir on a small file system of its own
    Disk(disk::DiskArgs),
    /// One subscriber stops reading beside healthy ones
    Slow(slow::SlowArgs),
    /// Thousands of idle tenants: how fast they connect, their memory and CPU
    Tenants(tenants::TenantsArgs),
    /// Answers a second at saturation, and their latency at half of it; or beside a tenant that floods
    Acks(acks::AcksArgs),
    /// The journal alone, without sockets: what it commits a second, and how long that takes
    Journal(journal::JournalArgs),
    /// Minutes of random faults under load: nothing is lost, everybody is back, memory is level
    Soak(soak::SoakArgs),
    /// Thousands come back at once with old cursors, beside live streams
    Resumers(resumers::ResumersArgs),
    /// A hundred want 100,000 stored pushes at once, beside live streams
    Replay(replay::ReplayArgs),
    /// A hundred of a thousand subscribers stop reading: once they stay connected, once they are closed
    Stalled(stalled::StalledArgs),
    /// Half-open requests, connects and headers without end, beside live streams
    Hostile(hostile::HostileArgs),
    /// An orderly restart with thousands of streams: how their reconnects are spread, and that nothing is lost
    Restart(restart::RestartArgs),
    /// The performance cells: what they ask for, beside a raw server and nchan; writes docs/performance
    Bench(bench::BenchArgs),
    /// A raw server alone: what cells are compared with
    #[command(hide = true)]
    Raw(bench::RawArgs),
    /// Memory of idle streams, and fan-out at saturation and at a quarter of it
    Cells(cells::CellsArgs),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(&cli) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("load: {error:#}");
            if wait::interrupted() { ExitCode::from(INTERRUPTED) } else { ExitCode::FAILURE }
        }
    }
}

/// Whether everything passed.
fn run(cli: &Cli) -> Result<bool> {
    if let Run::Raw(args) = &cli.run {
        return bench::serve_raw(args).map(|()| true);
    }
    wait::watch_signals()?;
    let parent = cli.dir.clone().unwrap_or_else(std::env::temp_dir);
    if let Run::Bench(args) = &cli.run {
        return bench::run(args, || Rig::new(&cli.pushgate, &parent));
    }
    let rig = Rig::new(&cli.pushgate, &parent)?;
    let reports = match &cli.run {
        Run::Crash(args) => vec![crash::run(&rig, args)?],
        Run::Outage(args) => vec![outage::run(&rig, args)?],
        Run::Steady(args) => vec![steady::run(&rig, args)?],
        Run::Disk(args) => vec![disk::run(&rig, args)?],
        Run::Tenants(args) => vec![tenants::run(&rig, args)?],
        Run::Acks(args) => vec![acks::run(&rig, args)?],
        Run::Journal(args) => vec![journal::run(&rig, args)?],
        Run::Soak(args) => vec![soak::run(&rig, args)?],
        Run::Slow(args) => vec![slow::run(&rig, args)?],
        Run::Resumers(args) => vec![resumers::run(&rig, args)?],
        Run::Replay(args) => vec![replay::run(&rig, args)?],
        Run::Hostile(args) => vec![hostile::run(&rig, args)?],
        Run::Restart(args) => vec![restart::run(&rig, args)?],
        Run::Stalled(args) => stalled::run(args, || Rig::new(&cli.pushgate, &parent))?,
        // Each cell begins with a journal of its own.
        Run::Cells(args) => cells::run(args, || Rig::new(&cli.pushgate, &parent))?,
        // These do not judge by reports; they were run above.
        Run::Bench(_) | Run::Raw(_) => Vec::new(),
    };
    let form = if cli.json { Form::Json } else { Form::Text };
    for report in &reports {
        report.print(form);
    }
    Ok(reports.iter().all(|report| report.passed()))
}
