use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::Args;

use crate::{
    audience::Audience,
    filler::Filler,
    gateway::{Gateway, GatewayRules, LogPlace},
    judge::Verdict,
    record::Keep,
    report::Report,
    rig::{Rig, one},
    simulator::{Load, ServiceRules, Simulator},
    wait::{pause, until},
};

/// How long a change of state, the last answers and the last deliveries may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// Seconds of load with room before and after.
const AROUND: u64 = 5;

#[derive(Args)]
pub(crate) struct DiskArgs {
    /// Tenants, each with two subscribers
    #[arg(long, default_value_t = 10)]
    tenants: usize,
    /// Pushes a second, over all tenants
    #[arg(long, default_value_t = 200.0)]
    per_second: f64,
    /// Seconds that the disk is full
    #[arg(long, default_value_t = 15)]
    full: u64,
    /// The gateway's log goes to the full disk too
    #[arg(long)]
    log_too: bool,
}

pub(crate) fn run(rig: &Rig, args: &DiskArgs) -> Result<Report> {
    let mut filler = Filler::new(rig.file("filler"))?;
    // A service that cuts connections with unanswered pushes would hide whether the gateway keeps them.
    let simulator =
        Simulator::start(rig, ServiceRules { accounts: args.tenants, attempts: 1000, ..ServiceRules::default() })?;
    let log = if args.log_too { LogPlace::BesideJournal } else { LogPlace::Apart };
    let rules = GatewayRules { tenants: args.tenants, heartbeat: "1s", log, ..GatewayRules::default() };
    let mut gateway = Gateway::start(rig, &rules)?;
    gateway.all_connected(PATIENCE)?;
    let streams = args.tenants * 2;
    let audience = rig.subscribe((0..streams).map(|n| one(n % args.tenants, 0, Keep::Pushes)).collect())?;
    let mut view = View { simulator: &simulator, audience: &audience, rows: Vec::new() };

    // It goes on through all phases; the last one is as long as it takes.
    let seconds = (AROUND + args.full + AROUND) as f64;
    simulator.start_load(Load { accounts: args.tenants, per_second: args.per_second, seconds, size: 200 })?;
    view.watch(&gateway, "room", Duration::from_secs(AROUND))?;
    filler.fill()?;
    let full_at = Instant::now();
    // What the store gives back meanwhile is taken too.
    let refusal = gateway.answers(503, || filler.fill().map(drop))?;
    let noticed = full_at.elapsed();
    view.row(&gateway, "filled")?;
    view.watch(&gateway, "full", Duration::from_secs(args.full).saturating_sub(noticed))?;
    drop(filler);
    let freed = Instant::now();
    view.row(&gateway, "freed")?;
    gateway.ready()?;
    let recovered = freed.elapsed();
    until("an ack", PATIENCE, || (simulator.stats().ok()?.acks > view.rows.last()?.acks_total).then_some(()))?;
    let acked_again = freed.elapsed();
    view.watch(&gateway, "room", Duration::from_secs(AROUND))?;
    simulator.load_done(PATIENCE)?;
    let stats = simulator.all_answered(PATIENCE)?;
    view.row(&gateway, "end")?;
    let rows = view.rows;
    let stored = gateway.stored()?;
    audience.settle(stats.pushes * 2, PATIENCE)?;
    let ended = audience.lap()?.ended + rows.iter().map(|row| row.cut).sum::<u64>();
    let verdict = Verdict::of(&simulator.acked()?, &stored, &audience.finish()?);

    let mut report = Report::new("disk");
    for row in &rows {
        report.fact(format!("{:>5.1} s {}", row.at.as_secs_f64(), row.phase), row.text());
    }
    report.millis("full, noticed after", noticed);
    report.fact("reason of 503", refusal.text());
    report.millis("freed, ready after", recovered);
    report.millis("freed, first ack after", acked_again);
    let full: Vec<_> = rows.iter().filter(|row| row.phase == "full").collect();
    report.none("acks while full", full.iter().map(|row| row.acks).sum::<u64>() as usize);
    report.none("seconds ready while full", full.iter().filter(|row| row.ready != 503).count());
    let heartbeats = full.iter().map(|row| row.comments).min().unwrap_or_default();
    report.at_least("heartbeats while full, in the poorest second", heartbeats as f64, streams as f64 / 2.0);
    report.none("streams cut", ended as usize);
    report.none("upstream sockets lost", stats.disconnects as usize);
    report.equal("pushes in = acks out, at the end", stats.acks, stats.pushes);
    verdict.report(&mut report);
    Ok(report)
}

/// Looks at everything that users see.
struct View<'a> {
    simulator: &'a Simulator,
    audience: &'a Audience,
    rows: Vec<Row>,
}

/// What users saw since the row before.
#[derive(Clone, Copy)]
struct Row {
    begin: Instant,
    at: Duration,
    phase: &'static str,
    ready: u16,
    acks_total: u64,
    acks: u64,
    pushes: u64,
    comments: u64,
    cut: u64,
    streams: usize,
    connected: u64,
}

impl View<'_> {
    fn watch(&mut self, gateway: &Gateway<'_>, phase: &'static str, time: Duration) -> Result<()> {
        for _ in 0..time.as_secs() {
            pause(Duration::from_secs(1))?;
            self.row(gateway, phase)?;
        }
        Ok(())
    }

    fn row(&mut self, gateway: &Gateway<'_>, phase: &'static str) -> Result<()> {
        let last = self.rows.last().copied();
        let begin = last.map_or_else(Instant::now, |row| row.begin);
        let stats = self.simulator.stats()?;
        let tally = self.audience.lap()?;
        self.rows.push(Row {
            begin,
            at: begin.elapsed(),
            phase,
            ready: gateway.readyz().context("the gateway stays up")?.status,
            acks_total: stats.acks,
            acks: stats.acks - last.map_or(0, |row| row.acks_total),
            pushes: tally.pushes.iter().sum(),
            comments: tally.comments,
            cut: tally.ended,
            streams: self.audience.open(),
            connected: gateway.connected()?,
        });
        Ok(())
    }
}

impl Row {
    fn text(&self) -> String {
        format!(
            "readyz {}, {} acks, {} pushes read, {} heartbeats, {} streams, {} connected",
            self.ready, self.acks, self.pushes, self.comments, self.streams, self.connected
        )
    }
}
