use std::{
    sync::Arc,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use pushgate_model::{Epoch, Seq, TenantId, Timestamp};
use tokio::sync::{oneshot, watch};

use super::{
    command::{Change, Command, Purges},
    database::{Creation, DatabaseFile, create_folder, resolve},
    epoch,
    fault::engine,
    jobs::Lane,
    ledger::Ledger,
    listing,
    lock::JournalLock,
    page,
    queue::Door,
    readers::Readers,
    retention::Schedule,
    rhythm::Rhythm,
    shared::Shared,
    since,
    wal::Wal,
    writer::Writer,
};
use crate::{
    Append, Bounds, BoxFuture, CommitSink, Health, HistoryItem, Journal, JournalConfig, JournalError, JournalMetrics,
    Page, QuarantineQuery, Quarantined, QuarantinedRaw, ReadQuery, Since, StoredTenant, Unavailable,
};

/// The log in one `SQLite` database.
///
/// Dropping it commits what is queued and waits for its threads: call [`Journal::close`] first where waiting is bad.
/// After `close`, reading still works and another process may open the journal.
pub struct SqliteJournal {
    epoch: Epoch,
    shared: Arc<Shared>,
    readers: Readers,
    writer: Option<JoinHandle<()>>,
}

impl SqliteJournal {
    /// Opens the journal, or makes it, and starts its threads. `sink` learns of every commit from now on.
    ///
    /// With an `fsync` other than `always`, seq goes on at a distance of up to 2^24 above the last known one: a power cut
    /// may have taken back commits, whose positions subscribers have already seen and which must not be used again.
    ///
    /// # Errors
    /// Another process has the journal open, it can't be made or written, it is no journal or a newer version's.
    pub fn open(config: JournalConfig, sink: Box<dyn CommitSink>) -> Result<Arc<Self>, JournalError> {
        let thread = |error: std::io::Error| JournalError::Engine(format!("no thread can be started: {error}"));
        let writer = prepare(config, sink)?;
        let (epoch, shared) = (writer.epoch.clone(), Arc::clone(&writer.shared));
        let readers = Readers::start(&writer.config.path, &shared, &writer.config.limits).map_err(thread)?;
        tracing::info!(%epoch, seq = %shared.head(), path = %writer.config.path.display(), "the journal is open");
        let writer = thread::Builder::new().name("journal-write".to_owned()).spawn(|| writer.run()).map_err(thread)?;
        Ok(Arc::new(Self { epoch, shared, readers, writer: Some(writer) }))
    }
}

impl SqliteJournal {
    /// Has the writer change something, and waits until that is durable.
    async fn change(&self, change: Change) -> Result<bool, JournalError> {
        let (reply, result) = oneshot::channel();
        if self.shared.queue.command(Command { change, reply }).await.is_err() {
            return Err(match self.shared.queue.door() {
                Door::Closed => JournalError::Closed,
                // It may be open again by now.
                Door::Shut | Door::Open => JournalError::Engine(self.shared.reason()),
            });
        }
        result.await.map_err(|_| JournalError::Closed)?
    }
}

impl Journal for SqliteJournal {
    fn epoch(&self) -> Epoch {
        self.epoch.clone()
    }

    fn head(&self) -> Seq {
        self.shared.head()
    }

    fn try_append(&self, append: Append) -> Option<Append> {
        self.shared.queue.try_push(append)
    }

    fn append(&self, append: Append) -> BoxFuture<'_, Result<(), Unavailable>> {
        Box::pin(self.shared.queue.push(append))
    }

    fn read(&self, query: ReadQuery) -> BoxFuture<'_, Result<Page, JournalError>> {
        Box::pin(self.readers.run(Lane::Long, move |conn| page::read(conn, &query)))
    }

    fn removals(&self) -> u64 {
        self.shared.removals()
    }

    fn history(
        &self,
        tenant: TenantId,
        after: Seq,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<HistoryItem>, JournalError>> {
        Box::pin(self.readers.run(Lane::Long, move |conn| page::history(conn, &tenant, after, limit)))
    }

    fn bounds(&self, tenants: Vec<TenantId>) -> BoxFuture<'_, Result<Bounds, JournalError>> {
        Box::pin(self.readers.run(Lane::Short, move |conn| page::bounds(conn, &tenants)))
    }

    fn since(&self, tenants: Vec<TenantId>, time: Timestamp) -> BoxFuture<'_, Result<Since, JournalError>> {
        Box::pin(self.readers.run(Lane::Short, move |conn| since::since(conn, &tenants, time)))
    }

    fn tenants(&self) -> BoxFuture<'_, Result<Vec<StoredTenant>, JournalError>> {
        Box::pin(self.readers.run(Lane::Long, listing::tenants))
    }

    fn put_tenant(&self, tenant: StoredTenant) -> BoxFuture<'_, Result<(), JournalError>> {
        Box::pin(async { self.change(Change::PutTenant(tenant)).await.map(drop) })
    }

    fn delete_tenant(&self, tenant: TenantId) -> BoxFuture<'_, Result<(), JournalError>> {
        Box::pin(async { self.change(Change::DeleteTenant(tenant)).await.map(drop) })
    }

    fn purge(&self, tenant: TenantId) -> BoxFuture<'_, Result<(), JournalError>> {
        Box::pin(async { self.change(Change::Purge(tenant)).await.map(drop) })
    }

    fn quarantine(&self, query: QuarantineQuery) -> BoxFuture<'_, Result<Vec<Quarantined>, JournalError>> {
        Box::pin(self.readers.run(Lane::Long, move |conn| listing::quarantine(conn, &query)))
    }

    fn quarantined(&self, id: u64) -> BoxFuture<'_, Result<Option<QuarantinedRaw>, JournalError>> {
        Box::pin(self.readers.run(Lane::Short, move |conn| listing::quarantined(conn, id)))
    }

    fn delete_quarantined(&self, id: u64) -> BoxFuture<'_, Result<bool, JournalError>> {
        Box::pin(self.change(Change::DeleteQuarantined(id)))
    }

    fn health(&self) -> watch::Receiver<Health> {
        self.shared.health.subscribe()
    }

    fn metrics(&self) -> JournalMetrics {
        self.shared.metrics.clone()
    }

    fn last_progress(&self) -> Instant {
        self.shared.progress.last()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        self.shared.queue.close();
        let mut ended = self.shared.ended.subscribe();
        Box::pin(async move {
            ended.wait_for(|ended| *ended).await.expect("the sender lives as long as the journal");
        })
    }
}

impl Drop for SqliteJournal {
    fn drop(&mut self) {
        self.shared.queue.close();
        // The sink, on the writer's own thread, may hold the last reference: that thread ends by itself.
        if let Some(writer) = self.writer.take().filter(|writer| writer.thread().id() != thread::current().id()) {
            // A writer that panicked has said so already.
            let _ = writer.join();
        }
    }
}

/// Opens the files and learns what they hold; the writer is ready to run.
pub(super) fn prepare(mut config: JournalConfig, sink: Box<dyn CommitSink>) -> Result<Writer, JournalError> {
    let not_writable = |error: std::io::Error| JournalError::NotWritable {
        path: config.path.clone(),
        error: format!("its folder can't be made: {error}"),
    };
    create_folder(&config.path).map_err(not_writable)?;
    config.path = resolve(&config.path);
    let path = &config.path;
    let lock = JournalLock::acquire(path)?;
    let (file, mut conn) = DatabaseFile::open(path, Creation::Allowed)?;
    let wal = Wal::new(path, config.fsync);
    wal.attach(&mut conn).map_err(|error| engine(&error))?;
    let epoch = epoch::read(&conn).map_err(|error| engine(&error))?;
    let mut ledger = Ledger::load(&conn, Seq::ZERO).map_err(|error| engine(&error))?;
    ledger.skip_reserved();
    let shared = Arc::new(Shared::new(&config.limits));
    shared.set_head(ledger.head());
    shared.metrics.bytes.set(ledger.bytes().cast_signed());
    Ok(Writer {
        config,
        epoch,
        shared,
        sink,
        file,
        conn: Some(conn),
        ledger,
        wal,
        schedule: Schedule::new(),
        failure: None,
        purges: Purges::default(),
        last_commit: Duration::ZERO,
        rhythm: Rhythm::default(),
        lock,
    })
}
