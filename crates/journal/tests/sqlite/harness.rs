use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};

use pushgate_journal::{
    Append, AppendOutcome, Appended, CommitSink, Entry, Fsync, Health, Journal, JournalConfig, Limits, Page, ReadQuery,
    Retention, sqlite::SqliteJournal,
};
use pushgate_model::{Answer, Push, Seq, StoredPush, TenantId, Timestamp};
use tempfile::TempDir;
use tokio::sync::mpsc;

/// A journal in a folder of its own, with a sink that remembers.
pub(crate) struct TestJournal {
    pub(crate) journal: Arc<SqliteJournal>,
    pub(crate) config: JournalConfig,
    pub(crate) committed: Committed,
    pub(crate) folder: Arc<TempDir>,
    reply: mpsc::Sender<Appended>,
    replies: mpsc::Receiver<Appended>,
}

/// Every push that the sink got.
#[derive(Clone, Default)]
pub(crate) struct Committed {
    pushes: Arc<Mutex<Vec<Arc<StoredPush>>>>,
    gate: Arc<Mutex<Option<std::sync::mpsc::Receiver<()>>>>,
}

impl CommitSink for Committed {
    fn committed(&mut self, batch: &[Arc<StoredPush>]) {
        self.pushes.lock().unwrap().extend_from_slice(batch);
        if let Some(gate) = self.gate.lock().unwrap().take() {
            let _ = gate.recv();
        }
    }
}

impl Committed {
    /// The writer stays in its next commit until what this returns is dropped.
    pub(crate) fn hold(&self) -> std::sync::mpsc::Sender<()> {
        let (release, gate) = std::sync::mpsc::channel();
        *self.gate.lock().unwrap() = Some(gate);
        release
    }

    pub(crate) fn seqs(&self) -> Vec<u64> {
        self.pushes.lock().unwrap().iter().map(|push| push.seq.get()).collect()
    }
}

impl TestJournal {
    pub(crate) fn new() -> Self {
        Self::with(|_| {})
    }

    pub(crate) fn with(change: impl FnOnce(&mut JournalConfig)) -> Self {
        let folder = Arc::new(TempDir::new().unwrap());
        let mut config = config(&folder.path().join("data/journal.db"));
        change(&mut config);
        Self::open(folder, config)
    }

    pub(crate) fn open(folder: Arc<TempDir>, config: JournalConfig) -> Self {
        let committed = Committed::default();
        let journal = SqliteJournal::open(config.clone(), Box::new(committed.clone())).unwrap();
        let (reply, replies) = mpsc::channel(4096);
        Self { journal, config, committed, folder, reply, replies }
    }

    /// Stops in good order and opens again.
    pub(crate) async fn restart(self) -> Self {
        let Self { journal, config, folder, .. } = self;
        journal.close().await;
        drop(journal);
        Self::open(folder, config)
    }

    /// What a kill at this moment leaves on disk, opened.
    pub(crate) fn killed(&self) -> Self {
        let folder = Arc::new(TempDir::new().unwrap());
        let path = folder.path().join("journal.db");
        for suffix in ["", "-wal"] {
            std::fs::copy(beside(&self.config.path, suffix), beside(&path, suffix)).unwrap();
        }
        Self::open(folder, JournalConfig { path, ..self.config.clone() })
    }

    pub(crate) fn make(&self, tenant: &str, id: &str) -> Append {
        Append {
            tenant: tenant.parse().unwrap(),
            entry: Entry::Push { push: push(id), answer: Some(Answer::Ack) },
            received_at: now(),
            tag: 7,
            reply: self.reply.clone(),
        }
    }

    /// Appends and waits for the outcome.
    pub(crate) async fn append(&mut self, append: Append) -> AppendOutcome {
        self.journal.append(append).await.expect("the journal can write");
        self.outcome().await
    }

    pub(crate) async fn push(&mut self, tenant: &str, id: &str) -> AppendOutcome {
        self.append(self.make(tenant, id)).await
    }

    /// Pushes something new and says where it was stored.
    pub(crate) async fn store(&mut self, tenant: &str, id: &str) -> u64 {
        match self.push(tenant, id).await {
            AppendOutcome::Stored(seq) => seq.get(),
            other => panic!("{id} of {tenant} was not stored: {other:?}"),
        }
    }

    pub(crate) async fn outcome(&mut self) -> AppendOutcome {
        self.appended().await.outcome
    }

    pub(crate) async fn appended(&mut self) -> Appended {
        let appended = tokio::time::timeout(Duration::from_secs(20), self.replies.recv()).await;
        appended.expect("an outcome comes").unwrap()
    }

    pub(crate) async fn read(&self, tenants: &[&str], after: u64) -> Page {
        self.journal.read(query(tenants, after)).await.unwrap()
    }

    /// The seqs of all kept pushes of a tenant.
    pub(crate) async fn kept(&self, tenant: &str) -> Vec<u64> {
        seqs(&self.read(&[tenant], 0).await)
    }

    pub(crate) async fn wait_until_failing(&self) -> String {
        let mut health = self.journal.health();
        let failing = health.wait_for(|health| matches!(health, Health::Failing { .. })).await.unwrap();
        match &*failing {
            Health::Failing { error, .. } => error.clone(),
            Health::Writable => unreachable!("it was waited for"),
        }
    }

    pub(crate) async fn wait_until_writable(&self) {
        let mut health = self.journal.health();
        health.wait_for(|health| *health == Health::Writable).await.unwrap();
    }

    /// A second connection, as an operator's tool has.
    pub(crate) fn tool(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(&self.config.path).unwrap()
    }
}

pub(crate) fn config(path: &Path) -> JournalConfig {
    JournalConfig {
        path: path.to_owned(),
        fsync: Fsync::Always,
        dedup: Duration::from_secs(3600),
        retention: Retention { max_age: Duration::ZERO, max_pushes_per_tenant: 0, max_bytes: 0, quarantine: 0 },
        limits: Limits::default(),
    }
}

pub(crate) fn push(id: &str) -> Push {
    Push { id: id.into(), created_at: "then".into(), title: format!("title of {id}"), body: "body\0".into() }
}

pub(crate) fn query(tenants: &[&str], after: u64) -> ReadQuery {
    let tenants: Vec<TenantId> = tenants.iter().map(|tenant| tenant.parse().unwrap()).collect();
    ReadQuery { tenants, after: Seq::new(after).unwrap(), upto: Seq::MAX, limit: 1000, max_bytes: usize::MAX }
}

pub(crate) fn seqs(page: &Page) -> Vec<u64> {
    page.pushes.iter().map(|push| push.seq.get()).collect()
}

pub(crate) fn now() -> Timestamp {
    Timestamp::from(SystemTime::now())
}

pub(crate) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}
