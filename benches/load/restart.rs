use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use clap::Args;

use crate::{
    audience::{Manners, Retry},
    clock::monotonic_nanos,
    gateway::{Gateway, GatewayRules},
    judge::Verdict,
    record::Keep,
    report::Report,
    rig::{Rig, one},
    simulator::{Load, ServiceRules, Simulator},
    wait::pause,
};

/// How long the last answers and deliveries may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// The unit in which reconnects are counted.
const SLICE: Duration = Duration::from_millis(250);
/// What share of all streams may come back in one of them: spread evenly over the ten seconds of `retry:` at a drain it
/// would be one in forty.
const SPIKE: f64 = 0.15;
/// How many may be closed in one of them, where that share is fewer: a drain takes 10 ms for each, until it takes 3 s.
const CLOSES: f64 = 50.0;
/// How long it may take until all are back: the longest `retry:` at a drain, once more for those who came while nobody was
/// there, and the restart itself.
const ALL_BACK: Duration = Duration::from_secs(30);

#[derive(Args)]
pub(crate) struct RestartArgs {
    /// Streams, spread over the tenants
    #[arg(long, default_value_t = 2000)]
    streams: usize,
    /// Tenants
    #[arg(long, default_value_t = 20)]
    tenants: usize,
    /// Pushes a second, over all tenants, before, meanwhile and after
    #[arg(long, default_value_t = 100.0)]
    per_second: f64,
    /// Seconds of load before the signal
    #[arg(long, default_value_t = 5.0)]
    before: f64,
}

pub(crate) fn run(rig: &Rig, args: &RestartArgs) -> Result<Report> {
    ensure!(args.tenants > 0, "there must be tenants");
    let simulator = Simulator::start(rig, ServiceRules { accounts: args.tenants, ..ServiceRules::default() })?;
    let mut gateway = Gateway::start(rig, &GatewayRules { tenants: args.tenants, ..GatewayRules::default() })?;
    gateway.all_connected(PATIENCE)?;
    let specs = (0..args.streams).map(|n| one(n % args.tenants, 0, Keep::Pushes)).collect();
    let manners = Manners { retry: Retry::AsTold, opening: args.streams };
    let audience = rig.subscribe_with(specs, manners)?;
    let seconds = args.before + ALL_BACK.as_secs_f64();
    simulator.start_load(Load { accounts: args.tenants, per_second: args.per_second, seconds, size: 200 })?;
    pause(Duration::from_secs_f64(args.before))?;
    audience.lap()?;

    let (begun, since) = (Instant::now(), monotonic_nanos());
    let (ended, ready) = gateway.restart()?;
    eprintln!("restart: ready again after {:.1} s", begun.elapsed().as_secs_f64());
    while audience.open() < args.streams && begun.elapsed() < ALL_BACK {
        pause(Duration::from_millis(20))?;
    }
    let (open, all_back) = (audience.open(), begun.elapsed());
    let tally = audience.lap()?;
    simulator.load_done(ALL_BACK + PATIENCE)?;
    let stats = simulator.all_answered(PATIENCE)?;
    let stored = gateway.stored()?;
    let expected = (0..args.streams).map(|n| stored[n % args.tenants].len() as u64).sum();
    audience.settle(expected, PATIENCE)?;
    let after = audience.lap()?;
    let verdict = Verdict::of(&simulator.acked()?, &stored, &audience.finish()?);

    let mut report = Report::new("restart");
    report.fact("streams", args.streams);
    report.fact("pushes a second", args.per_second);
    report.at_most("SIGTERM to the end of the process, s", ended.as_secs_f64(), 10.0);
    report.millis("the next one is ready after", ready);
    report.equal("streams open again", open as u64, args.streams as u64);
    report.fact("after, s", (all_back.as_secs_f64() * 10.0).round() / 10.0);
    let (closes, opens) = (slices(&tally.ended_at, since), slices(&tally.opened_at, since));
    report.fact("streams closed, each 250 ms from the signal on", closes.clone());
    report.fact("streams opened, each 250 ms from the signal on", opens.clone());
    let burst = closes.iter().copied().max().unwrap_or_default();
    report.at_most("closed in one of them, at most", burst as f64, (args.streams as f64 * SPIKE).max(CLOSES));
    let spike = opens.iter().copied().max().unwrap_or_default();
    report.at_most("opened in one of them, at most", spike as f64, (args.streams as f64 * SPIKE).max(1.0));
    report.fact("connects that met nobody", tally.unreachable);
    report.fact("streams refused", tally.refused);
    if let Some(why) = &tally.first_refusal {
        report.fact("why, for the first of them", why.as_str());
    }
    report.none("streams cut after all were back", after.ended as usize);
    report.equal("pushes in, all acked", stats.acks, stats.pushes);
    verdict.report(&mut report);
    Ok(report)
}

/// How many of these moments fell into each slice.
fn slices(moments: &[u64], since: u64) -> Vec<u64> {
    let mut counts = Vec::new();
    for moment in moments {
        let slice = (u128::from(moment.saturating_sub(since)) / SLICE.as_nanos()) as usize;
        if counts.len() <= slice {
            counts.resize(slice + 1, 0);
        }
        counts[slice] += 1;
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_counted_by_slices() {
        let millis = |millis: u64| 7 + millis * 1_000_000;
        assert_eq!(slices(&[millis(0), millis(249), millis(250), millis(800)], 7), [2, 1, 0, 1]);
        assert!(slices(&[], 7).is_empty());
    }
}
