//! The thread that writes: waits, commits, trims, and begins again.
//!
//! It works on one batch after the other while the store is well. When a statement fails, the whole batch fails, the
//! queue's door is shut, and from then on only the module `recovery` works, until a trial succeeds.

use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant, SystemTime},
};

use pushgate_model::{Epoch, StoredPush, Timestamp};
use rusqlite::Connection;

use super::{
    batch::{Pen, Waiter},
    command::Purges,
    database::DatabaseFile,
    fault::Fault,
    ledger::Ledger,
    lock::JournalLock,
    queue::{Door, Taken},
    recovery::Failure,
    retention::Schedule,
    rhythm::Rhythm,
    shared::Shared,
    wal::Wal,
};
use crate::{Append, AppendOutcome, CommitSink, Health, JournalConfig};

/// The loop goes round at least this often.
const ROUND: Duration = Duration::from_millis(500);

/// The writer's thread and all that only it may touch.
pub(super) struct Writer {
    pub(super) config: JournalConfig,
    pub(super) epoch: Epoch,
    pub(super) shared: Arc<Shared>,
    pub(super) sink: Box<dyn CommitSink>,
    pub(super) file: DatabaseFile,
    /// The only connection that writes; nothing when it could not be opened again.
    pub(super) conn: Option<Connection>,
    pub(super) ledger: Ledger,
    pub(super) wal: Wal,
    pub(super) schedule: Schedule,
    pub(super) failure: Option<Failure>,
    /// Who waits for the end of a purge.
    pub(super) purges: Purges,
    /// How long the last commit took.
    pub(super) last_commit: Duration,
    /// Whether the next batch waits for more.
    pub(super) rhythm: Rhythm,
    /// Held until the last file is closed.
    pub(super) lock: JournalLock,
}

/// Whether the loop goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Round {
    Again,
    Last,
}

/// What a transaction did.
#[derive(Default)]
struct Committed {
    /// In the order of the batch.
    outcomes: Vec<AppendOutcome>,
    /// What is new, in the order of seq.
    stored: Vec<Arc<StoredPush>>,
}

/// Tells everybody when the writer's thread ends, also by a panic.
struct Ended(Arc<Shared>);

impl Writer {
    /// Works until the queue is closed and empty.
    pub(super) fn run(self) {
        // Whatever ends this thread, nobody may wait for it afterwards. Dropped last, once files and lock are free.
        let _ended = Ended(Arc::clone(&self.shared));
        let mut writer = self;
        while writer.round() == Round::Again {}
        writer.finish();
    }

    /// One round: waits for pushes for a moment, then does all that is due.
    pub(super) fn round(&mut self) -> Round {
        let mut taken = Taken::default();
        self.rhythm.wait(|| self.shared.queue.len(), thread::sleep);
        let door = self.shared.queue.take(&mut taken, self.wait());
        self.rhythm.taken(taken.appends.len(), Instant::now());
        self.shared.progress.touch();
        if self.failure.is_some() {
            taken.refuse(&self.shared.reason());
            self.recover();
        } else if let Err(fault) = self.work(taken) {
            self.lose(&fault);
        }
        self.shared.progress.touch();
        if door == Door::Closed && self.shared.queue.is_empty() { Round::Last } else { Round::Again }
    }

    /// The connection and what is known about its content.
    pub(super) fn store(&mut self) -> Result<(&Connection, &mut Ledger), Fault> {
        match &self.conn {
            Some(conn) => Ok((conn, &mut self.ledger)),
            None => Err(Fault::replaced("the database is not open")),
        }
    }

    /// Reserves positions where a power cut may cost commits, before `count` more are given.
    pub(super) fn reserve(&mut self, count: usize) -> Result<(), Fault> {
        if self.wal.is_lax() && self.ledger.must_reserve(count) {
            let (conn, ledger) = self.store()?;
            conn.pragma_update(None, "synchronous", "FULL")?;
            ledger.reserve(conn, count)?;
        }
        Ok(())
    }

    fn wait(&self) -> Duration {
        match &self.failure {
            Some(failure) => failure.wait(),
            None => self.schedule.wait().min(self.wal.wait()),
        }
        .min(ROUND)
    }

    fn work(&mut self, taken: Taken) -> Result<(), Fault> {
        let Taken { appends, commands } = taken;
        let waiters: Vec<Waiter> = appends.iter().map(Waiter::from).collect();
        if let Err(fault) = self.commit(appends, waiters) {
            Taken { commands, ..Taken::default() }.refuse(&fault.error);
            return Err(fault);
        }
        self.obey(commands)?;
        self.maintain_log()?;
        self.retain()?;
        self.maintain_log()
    }

    /// Does what is due for the write-ahead log.
    pub(super) fn maintain_log(&mut self) -> Result<(), Fault> {
        self.conn.as_ref().map_or(Ok(()), |conn| self.wal.maintain(conn))
    }

    /// Commits a batch and tells the sink, then those who wait, what became of it.
    fn commit(&mut self, batch: Vec<Append>, waiters: Vec<Waiter>) -> Result<(), Fault> {
        let begun = Instant::now();
        let Committed { outcomes, stored } = match self.write(batch) {
            Ok(committed) => committed,
            Err(fault) => {
                // Nobody is told that a push failed while more of its kind are let in.
                self.shared.metrics.commit_failures.inc();
                self.lose(&fault);
                for waiter in waiters {
                    waiter.answer(AppendOutcome::Failed);
                }
                return Err(fault);
            }
        };
        if outcomes.is_empty() {
            return Ok(());
        }
        self.wal.committed();
        self.last_commit = begun.elapsed();
        if !stored.is_empty() {
            self.sink.committed(&stored);
        }
        self.shared.set_head(self.ledger.head());
        self.count(&outcomes);
        for (waiter, outcome) in waiters.into_iter().zip(outcomes) {
            waiter.answer(outcome);
        }
        Ok(())
    }

    /// Writes a batch in one transaction: all of it is durable afterwards, or nothing.
    fn write(&mut self, batch: Vec<Append>) -> Result<Committed, Fault> {
        self.file.check_in_place()?;
        if batch.is_empty() {
            return Ok(Committed::default());
        }
        self.reserve(batch.len())?;
        let synchronous = self.wal.synchronous();
        let (shared, dedup) = (Arc::clone(&self.shared), self.config.dedup);
        let (conn, ledger) = self.store()?;
        conn.pragma_update(None, "synchronous", synchronous)?;
        conn.execute_batch("BEGIN IMMEDIATE")?;
        let mut pen = Pen::new(conn, ledger, &shared.progress, dedup)?;
        let outcomes = pen.write(batch)?;
        let stored = pen.stored;
        conn.execute_batch("COMMIT")?;
        Ok(Committed { outcomes, stored })
    }

    fn count(&self, outcomes: &[AppendOutcome]) {
        let metrics = &self.shared.metrics;
        metrics.commits.inc();
        metrics.batch_pushes.observe(outcomes.len() as f64);
        metrics.commit_seconds.observe(self.last_commit.as_secs_f64());
        metrics.bytes.set(self.ledger.bytes().cast_signed());
        for outcome in outcomes {
            metrics.count(*outcome);
        }
    }

    /// Leaves everything in one file, then lets others have it.
    fn finish(self) {
        let Self { conn, mut wal, lock, .. } = self;
        if let Some(conn) = conn {
            wal.finish(&conn);
        }
        drop(lock);
    }
}

impl Drop for Ended {
    fn drop(&mut self) {
        let mut rest = Taken::default();
        self.0.queue.close();
        self.0.queue.set(Door::Closed, &mut rest);
        rest.appends.iter().map(Waiter::from).for_each(|waiter| waiter.answer(AppendOutcome::Failed));
        let since = Timestamp::from(SystemTime::now());
        self.0.health.send_replace(Health::Failing { since, error: "the journal is closed".to_owned() });
        self.0.ended.send_replace(true);
    }
}
