use std::{
    fs::File,
    io::Write,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use pushgate_journal::{
    Append, AppendOutcome, Appended, CommitSink, Entry, Fsync, Journal, JournalConfig, Limits, Retention,
    sqlite::SqliteJournal,
};
use pushgate_model::{Answer, Push, PushId, StoredPush, TenantId, Timestamp};
use tokio::sync::mpsc;

use crate::{histogram::Histogram, report::Report, rig::Rig, wait::interrupted};

/// Outcomes that are taken at a time.
const OUTCOMES: usize = 1024;
/// How long an outcome may let wait for it.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often what is due is appended at a fixed rate.
const TICK: Duration = Duration::from_millis(1);
/// Bytes of a write to the disk alone: about what a commit of a hundred pushes writes.
const WRITE: usize = 64 << 10;
/// How many of those.
const WRITES: usize = 200;
/// Bytes of a push's body, as in the runs with sockets.
const BODY: usize = 200;

#[derive(Args)]
pub(crate) struct JournalArgs {
    /// Tenants
    #[arg(long, default_value_t = 5000)]
    tenants: usize,
    /// Pushes of each tenant that wait for their commit at saturation
    #[arg(long, default_value_t = 1)]
    in_flight: usize,
    /// Pushes a second at which latency is measured (default: half of what was found)
    #[arg(long)]
    at: Option<f64>,
    /// Seconds of each of the two loads
    #[arg(long, default_value_t = 10.0)]
    seconds: f64,
}

/// The journal of the gateway without the gateway: what nothing above it can exceed.
pub(crate) fn run(rig: &Rig, args: &JournalArgs) -> Result<Report> {
    ensure!(args.tenants > 0 && args.in_flight > 0, "there must be tenants with pushes in flight");
    let disk = disk_alone(rig)?;
    let journal = SqliteJournal::open(config(rig), Box::new(Nobody))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut bench = Bench::new(journal, args);
    let (full, paced) = runtime.block_on(async {
        let full = bench.saturate(args.tenants * args.in_flight).await?;
        let at = args.at.unwrap_or(full.pushes_per_second() / 2.0);
        let paced = bench.pace(at).await?;
        bench.journal.close().await;
        anyhow::Ok((full, paced))
    })?;

    let mut report = Report::new("journal");
    report.fact("tenants", args.tenants);
    report.fact("in flight at saturation", args.tenants * args.in_flight);
    report.millis("the disk alone: 64 KiB with fsync, p50", disk.percentile(50));
    report.millis("the disk alone: 64 KiB with fsync, p99", disk.percentile(99));
    full.report("saturation", &mut report);
    paced.report(if args.at.is_some() { "as asked" } else { "half of it" }, &mut report);
    report.equal("pushes stored", bench.journal.metrics().stored.get(), full.pushes + paced.pushes);
    Ok(report)
}

/// As the gateway has it by default, with `journal.fsync = "always"`.
fn config(rig: &Rig) -> JournalConfig {
    const DAY: Duration = Duration::from_secs(24 * 3600);
    JournalConfig {
        path: rig.file("journal.db"),
        fsync: Fsync::Always,
        dedup: DAY,
        retention: Retention {
            max_age: 7 * DAY,
            max_pushes_per_tenant: 100_000,
            max_bytes: 10 << 30,
            quarantine: 256 << 20,
        },
        limits: Limits::default(),
    }
}

/// How long appending to a file takes until it is on disk: what no commit can be faster than.
fn disk_alone(rig: &Rig) -> Result<Histogram> {
    let mut file = File::create(rig.file("disk-alone"))?;
    let block = vec![0x55; WRITE];
    let mut times = Histogram::default();
    for _ in 0..WRITES {
        ensure!(!interrupted(), "interrupted");
        let begin = Instant::now();
        file.write_all(&block)?;
        file.sync_data()?;
        times.add(begin.elapsed().as_nanos() as u64);
    }
    Ok(times)
}

/// Commits that nobody follows.
struct Nobody;

impl CommitSink for Nobody {
    fn committed(&mut self, _: &[Arc<StoredPush>]) {}
}

struct Bench {
    journal: Arc<SqliteJournal>,
    tenants: Vec<TenantId>,
    seconds: f64,
    /// Appends so far, over both loads.
    made: usize,
}

/// One load.
struct Measured {
    pushes: u64,
    commits: u64,
    time: Duration,
    latency: Histogram,
}

/// Appends that wait for their outcome; the tag of each is its place here.
struct InFlight {
    begun: Vec<Instant>,
    free: Vec<u64>,
    sender: mpsc::Sender<Appended>,
    outcomes: mpsc::Receiver<Appended>,
    latency: Histogram,
    pushes: u64,
}

impl Bench {
    fn new(journal: Arc<SqliteJournal>, args: &JournalArgs) -> Self {
        let tenants = (0..args.tenants).map(|n| format!("t{n}").parse().expect("a letter and digits are an id"));
        Self { journal, tenants: tenants.collect(), seconds: args.seconds, made: 0 }
    }

    /// As many as are committed, with always so many in flight.
    async fn saturate(&mut self, window: usize) -> Result<Measured> {
        let mut flight = InFlight::new(window);
        self.measure(&mut flight, async |bench, flight| {
            let end = Instant::now() + Duration::from_secs_f64(bench.seconds);
            while Instant::now() < end {
                while let Some(tag) = flight.begin() {
                    bench.append(tag, &flight.sender).await?;
                }
                flight.settle().await?;
            }
            Ok(())
        })
        .await
    }

    /// So many a second, whatever is still in flight.
    async fn pace(&mut self, per_second: f64) -> Result<Measured> {
        ensure!(per_second > 0.0, "there must be a rate at which latency is measured");
        // Room for all: what comes late must wait in the journal, not here.
        let total = (per_second * self.seconds).ceil() as usize;
        let mut flight = InFlight::new(total);
        self.measure(&mut flight, async |bench, flight| {
            let begin = Instant::now();
            let mut ticks = tokio::time::interval(TICK);
            let mut made = 0;
            while made < total {
                tokio::select! {
                    _ = ticks.tick() => {}
                    settled = flight.settle(), if flight.waits() => settled?,
                }
                let due = ((begin.elapsed().as_secs_f64() * per_second) as usize).min(total);
                while made < due {
                    let tag = flight.begin().context("there is a place for each")?;
                    bench.append(tag, &flight.sender).await?;
                    made += 1;
                }
            }
            Ok(())
        })
        .await
    }

    async fn measure(
        &mut self,
        flight: &mut InFlight,
        load: impl AsyncFnOnce(&mut Self, &mut InFlight) -> Result<()>,
    ) -> Result<Measured> {
        let commits = self.journal.metrics().commits.get();
        let begin = Instant::now();
        load(self, flight).await?;
        while flight.waits() {
            flight.settle().await?;
        }
        Ok(Measured {
            pushes: flight.pushes,
            commits: self.journal.metrics().commits.get() - commits,
            time: begin.elapsed(),
            latency: std::mem::take(&mut flight.latency),
        })
    }

    async fn append(&mut self, tag: u64, reply: &mpsc::Sender<Appended>) -> Result<()> {
        let tenant = self.tenants[self.made % self.tenants.len()].clone();
        self.made += 1;
        let received_at = Timestamp::from(SystemTime::now());
        let entry = Entry::Push { push: push(received_at), answer: Some(Answer::Ack) };
        let append = Append { tenant, entry, received_at, tag, reply: reply.clone() };
        self.journal.append(append).await.context("the journal can't write")
    }
}

impl InFlight {
    fn new(places: usize) -> Self {
        let (sender, outcomes) = mpsc::channel(places);
        Self {
            begun: vec![Instant::now(); places],
            free: (0..places as u64).rev().collect(),
            sender,
            outcomes,
            latency: Histogram::default(),
            pushes: 0,
        }
    }

    /// The tag of one more, if there is room.
    fn begin(&mut self) -> Option<u64> {
        let tag = self.free.pop()?;
        self.begun[tag as usize] = Instant::now();
        Some(tag)
    }

    /// Whether something waits for its outcome.
    fn waits(&self) -> bool {
        self.free.len() < self.begun.len()
    }

    /// Waits for outcomes and takes those that are there. Given up half-way, it takes none.
    async fn settle(&mut self) -> Result<()> {
        ensure!(!interrupted(), "interrupted");
        let mut outcomes = Vec::with_capacity(OUTCOMES);
        let waiting = self.outcomes.recv_many(&mut outcomes, OUTCOMES);
        tokio::time::timeout(PATIENCE, waiting).await.context("the journal tells no outcome")?;
        let now = Instant::now();
        for Appended { tag, outcome, .. } in outcomes {
            let AppendOutcome::Stored(_) = outcome else { bail!("a fresh push became {outcome:?}") };
            self.latency.add(now.duration_since(self.begun[tag as usize]).as_nanos() as u64);
            self.free.push(tag);
            self.pushes += 1;
        }
        Ok(())
    }
}

impl Measured {
    fn pushes_per_second(&self) -> f64 {
        self.pushes as f64 / self.time.as_secs_f64()
    }

    fn report(&self, load: &str, report: &mut Report) {
        report.fact(format!("{load}: pushes a second"), self.pushes_per_second().round());
        report.fact(format!("{load}: commits a second"), (self.commits as f64 / self.time.as_secs_f64()).round());
        report.fact(format!("{load}: pushes in a commit"), self.pushes / self.commits.max(1));
        for percent in [50, 99] {
            report.millis(format!("{load}: append to outcome, p{percent}"), self.latency.percentile(percent));
        }
        report.millis(format!("{load}: append to outcome, max"), self.latency.max());
    }
}

/// A push as the service's load makes it.
fn push(now: Timestamp) -> Push {
    let body = format!("t={};n=0; {}", now.as_millis(), "x".repeat(BODY));
    Push { id: fresh_id(), created_at: now.to_string(), title: "Load".to_owned(), body }
}

/// Spelt as a uuid, because that is what the service sends.
fn fresh_id() -> PushId {
    let n = fastrand::u128(..);
    let parts = (n >> 96, (n >> 80) & 0xffff, (n >> 64) & 0xfff, (n >> 48) & 0xfff, n & 0xffff_ffff_ffff);
    PushId::from(format!("{:08x}-{:04x}-4{:03x}-8{:03x}-{:012x}", parts.0, parts.1, parts.2, parts.3, parts.4))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::push_line::PushKey;

    #[test]
    fn fresh_ids_are_uuids_and_differ() {
        let (one, other) = (fresh_id(), fresh_id());
        assert!(PushKey::read(one.as_str().as_bytes()).is_some() && one != other, "{one} {other}");
    }

    #[tokio::test]
    async fn every_append_is_measured_once() {
        let mut flight = InFlight::new(2);
        let tags = [flight.begin().unwrap(), flight.begin().unwrap()];
        assert_eq!((flight.begin(), flight.waits()), (None, true));
        for tag in tags {
            let outcome = AppendOutcome::Stored(pushgate_model::Seq::ZERO);
            flight.sender.try_send(Appended { tag, push_id: None, size: 0, outcome }).unwrap();
        }
        flight.settle().await.unwrap();
        assert_eq!((flight.pushes, flight.waits()), (2, false));
        let tag = flight.begin().unwrap();
        let failed = Appended { tag, push_id: None, size: 0, outcome: AppendOutcome::Failed };
        flight.sender.try_send(failed).unwrap();
        assert!(flight.settle().await.is_err());
    }
}
