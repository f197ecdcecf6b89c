//! What a commit costs: so many pushes appended at once, until all of them are on disk. The journal lives in the folder for
//! temporary files (`TMPDIR`), so the figures are those of that disk.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use criterion::{Criterion, Throughput};
use pushgate_journal::{
    Append, Appended, CommitSink, Entry, Fsync, Journal, JournalConfig, Limits, Retention, sqlite::SqliteJournal,
};
use pushgate_model::{Answer, Push, StoredPush, TenantId, Timestamp};
use tempfile::TempDir;
use tokio::sync::mpsc;

/// Tenants that the pushes are spread over.
const TENANTS: usize = 64;

fn main() {
    let mut criterion = Criterion::default().configure_from_args().sample_size(20);
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime without drivers");
    for fsync in [Fsync::Always, Fsync::Never] {
        let name = if fsync == Fsync::Always { "commit, fsync" } else { "commit, no fsync" };
        let mut group = criterion.benchmark_group(name);
        let mut bench = Bench::open(fsync);
        for count in [1, 64, 1024] {
            group.throughput(Throughput::Elements(count as u64));
            let commit = |bench: &mut Bench| runtime.block_on(bench.commit(count));
            group.bench_function(format!("{count} pushes"), |criterion| criterion.iter(|| commit(&mut bench)));
        }
        group.finish();
        runtime.block_on(bench.journal.close());
    }
    criterion.final_summary();
}

/// Commits that nobody follows.
struct Nobody;

impl CommitSink for Nobody {
    fn committed(&mut self, _: &[Arc<StoredPush>]) {}
}

struct Bench {
    journal: Arc<SqliteJournal>,
    tenants: Vec<TenantId>,
    reply: mpsc::Sender<Appended>,
    outcomes: mpsc::Receiver<Appended>,
    made: u64,
    /// Removed when it is dropped.
    _folder: TempDir,
}

impl Bench {
    fn open(fsync: Fsync) -> Self {
        let folder = tempfile::tempdir().expect("a folder for temporary files");
        let journal = SqliteJournal::open(config(&folder, fsync), Box::new(Nobody)).expect("a new journal opens");
        let tenants = (0..TENANTS).map(|n| format!("t{n}").parse().expect("a letter and digits are an id")).collect();
        let (reply, outcomes) = mpsc::channel(2048);
        Self { journal, tenants, reply, outcomes, made: 0, _folder: folder }
    }

    async fn commit(&mut self, count: usize) {
        let received_at = Timestamp::from(SystemTime::now());
        for _ in 0..count {
            self.made += 1;
            let entry = Entry::Push { push: push(self.made), answer: Some(Answer::Ack) };
            let tenant = self.tenants[self.made as usize % TENANTS].clone();
            let append = Append { tenant, entry, received_at, tag: 0, reply: self.reply.clone() };
            self.journal.append(append).await.expect("the journal can write");
        }
        for _ in 0..count {
            self.outcomes.recv().await.expect("every append has an outcome");
        }
    }
}

fn push(number: u64) -> Push {
    Push {
        id: format!("0b46a13c-1111-4222-8333-{number:012}").as_str().into(),
        created_at: "2026-01-02T03:04:05.678Z".to_owned(),
        title: "Order shipped".to_owned(),
        body: "x".repeat(200),
    }
}

fn config(folder: &TempDir, fsync: Fsync) -> JournalConfig {
    const DAY: Duration = Duration::from_secs(24 * 3600);
    let retention =
        Retention { max_age: 7 * DAY, max_pushes_per_tenant: 100_000, max_bytes: 10 << 30, quarantine: 256 << 20 };
    let path = folder.path().join("journal.db");
    JournalConfig { path, fsync, dedup: DAY, retention, limits: Limits::default() }
}
