//! The writer, driven round by round without its thread.

mod failing;
mod indexed;
mod log;
mod migrating;
mod model;
mod purging;
mod queue;
mod retention;

use std::{
    path::Path,
    pin::{Pin, pin},
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker},
    time::{Duration, SystemTime},
};

use pushgate_model::{Answer, Push, Seq, StoredPush, Timestamp};
use tokio::sync::mpsc;

use super::{journal::prepare, page, retention::Schedule, writer::Writer};
use crate::{
    Append, AppendOutcome, Appended, CommitSink, Entry, Fsync, JournalConfig, Limits, Page, ReadQuery, Retention,
};

/// A writer, and what it tells.
struct Bench {
    writer: Writer,
    committed: Arc<Mutex<Vec<u64>>>,
    reply: mpsc::Sender<Appended>,
    replies: mpsc::Receiver<Appended>,
}

struct Sink(Arc<Mutex<Vec<u64>>>);

impl CommitSink for Sink {
    fn committed(&mut self, batch: &[Arc<StoredPush>]) {
        self.0.lock().unwrap().extend(batch.iter().map(|push| push.seq.get()));
    }
}

impl Bench {
    fn open(path: &Path) -> Self {
        let retention = Retention { max_age: Duration::ZERO, max_pushes_per_tenant: 0, max_bytes: 0, quarantine: 0 };
        let dedup = Duration::from_secs(3600);
        let config =
            JournalConfig { path: path.to_owned(), fsync: Fsync::Never, dedup, retention, limits: Limits::default() };
        let committed = Arc::default();
        let writer = prepare(config, Box::new(Sink(Arc::clone(&committed)))).unwrap();
        let (reply, replies) = mpsc::channel(10_000);
        Self { writer, committed, reply, replies }
    }

    fn queue(&self, append: Append) {
        assert_eq!(poll(&mut pin!(self.writer.shared.queue.push(append))), Poll::Ready(Ok(())));
    }

    fn queue_push(&self, tenant: &str, id: &str) {
        self.queue(self.make(tenant, push(id)));
    }

    fn make(&self, tenant: &str, push: Push) -> Append {
        Append {
            tenant: tenant.parse().unwrap(),
            entry: Entry::Push { push, answer: Some(Answer::Ack) },
            received_at: Timestamp::from(SystemTime::now()),
            tag: 0,
            reply: self.reply.clone(),
        }
    }

    /// Commits what is queued.
    fn round(&mut self) -> Vec<AppendOutcome> {
        self.writer.round();
        std::iter::from_fn(|| self.replies.try_recv().ok()).map(|appended| appended.outcome).collect()
    }

    /// Trims until everything is within bounds.
    fn trim(&mut self) {
        self.writer.schedule = Schedule::new();
        while self.writer.schedule.wait().is_zero() {
            self.writer.retain().unwrap();
        }
    }

    fn read(&self, query: &ReadQuery) -> Page {
        page::read(self.writer.conn.as_ref().unwrap(), query).unwrap()
    }

    /// Rows of a table; ids that wait for theirs count.
    fn count(&self, table: &str) -> i64 {
        let waiting = if table == "ids" { self.writer.ledger.recent.len() } else { 0 };
        self.ask(&format!("SELECT count(*) FROM {table}")) + waiting.cast_signed() as i64
    }

    /// The table of ids has all up to a mark, and the rows of tenants count all up to it; what is after it is known by heart.
    fn check_indexed(&mut self) {
        let unknown = "SELECT count(*) FROM pushes p JOIN tenants t ON t.id = p.tenant
             LEFT JOIN ids i ON i.tenant = p.tenant AND i.push_id = p.push_id
             WHERE (p.seq <= (SELECT indexed FROM log) AND i.seq IS NULL) OR i.seq <> p.seq OR i.trimmed <> 0";
        assert_eq!(self.ask(unknown), 0, "an id is missing");
        let waiting = "SELECT count(*) FROM pushes p JOIN tenants t ON t.id = p.tenant
             WHERE NOT EXISTS (SELECT 1 FROM ids i WHERE i.tenant = p.tenant AND i.push_id = p.push_id)";
        assert_eq!(self.ask(waiting), self.writer.ledger.recent.len().cast_signed() as i64, "an id is forgotten");
        let miscounted = "SELECT count(*) FROM tenants t WHERE (pushes, bytes) <>
             (SELECT count(*), coalesce(sum(size), 0) FROM pushes p
              WHERE p.tenant = t.id AND p.seq <= (SELECT indexed FROM log))";
        assert_eq!(self.ask(miscounted), 0, "the usage of a tenant is wrong");
        let bytes = "SELECT coalesce(sum(size), 0) FROM pushes p JOIN tenants t ON t.id = p.tenant";
        assert_eq!(self.ask(bytes), self.writer.ledger.bytes().cast_signed(), "the usage of all is wrong");
    }

    fn ask(&self, sql: &str) -> i64 {
        self.writer.conn.as_ref().unwrap().query_row(sql, [], |row| row.get(0)).unwrap()
    }

    /// The ids of all kept pushes of a tenant.
    fn kept(&self, tenant: &str) -> Vec<String> {
        let page = self.read(&all(&[tenant]));
        page.pushes.iter().map(|push| push.push.id.to_string()).collect()
    }
}

/// What a future says when nobody wakes it.
fn poll<F: Future>(future: &mut Pin<&mut F>) -> Poll<F::Output> {
    future.as_mut().poll(&mut Context::from_waker(Waker::noop()))
}

fn all(tenants: &[&str]) -> ReadQuery {
    ReadQuery {
        tenants: tenants.iter().map(|tenant| tenant.parse().unwrap()).collect(),
        after: Seq::ZERO,
        upto: Seq::MAX,
        limit: usize::MAX,
        max_bytes: usize::MAX,
    }
}

fn push(id: &str) -> Push {
    Push { id: id.into(), created_at: String::new(), title: String::new(), body: String::new() }
}

/// A push of so many bytes.
fn push_of(id: &str, size: usize) -> Push {
    Push { body: "x".repeat(size - id.len()), ..push(id) }
}
