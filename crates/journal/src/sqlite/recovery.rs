//! A store that can't write: what is lost, and how it comes back by itself.

use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use pushgate_model::{StoredPush, Timestamp};

use super::{
    fault::{Fault, Remedy},
    ledger::Ledger,
    page,
    queue::{Door, Taken},
    writer::Writer,
};
use crate::Health;

/// How often a failing store is tried.
const PAUSE: Duration = Duration::from_secs(1);

/// Bytes that a trial writes: a disk that has room for less is as good as full.
const TRIAL: u32 = 64 * 1024;

/// How long a failing store is trimmed after each trial in vain.
const ROOM: Duration = Duration::from_millis(100);

/// Pushes that are given to the sink at once when a commit proves to have succeeded after all.
const CATCH_UP: usize = 1000;

/// That the store can't write.
pub(super) struct Failure {
    remedy: Remedy,
    next_trial: Instant,
}

impl Failure {
    /// How long until the next trial.
    pub(super) fn wait(&self) -> Duration {
        self.next_trial.saturating_duration_since(Instant::now())
    }

    /// The next trial is due.
    #[cfg(test)]
    pub(super) fn hurry(&mut self) {
        self.next_trial = Instant::now();
    }
}

impl Writer {
    /// The store failed: from now on nothing is let in, until a trial succeeds.
    pub(super) fn lose(&mut self, fault: &Fault) {
        if self.failure.is_some() {
            return;
        }
        self.failure = Some(Failure { remedy: fault.remedy, next_trial: Instant::now() + PAUSE });
        self.roll_back();
        tracing::warn!(error = %fault, "the journal cannot write");
        // The door first: whoever learns of the failure finds it shut.
        let mut refused = Taken::default();
        self.shared.queue.set(Door::Shut, &mut refused);
        let since = Timestamp::from(SystemTime::now());
        self.shared.health.send_replace(Health::Failing { since, error: fault.error.clone() });
        refused.refuse(&fault.error);
        self.purges.refuse(&fault.error);
    }

    /// Tries to write, when it is time, and lets pushes in again if that succeeds.
    pub(super) fn recover(&mut self) {
        let Some(failure) = self.failure.as_mut().filter(|failure| failure.wait().is_zero()) else { return };
        failure.next_trial = Instant::now() + PAUSE;
        let remedy = failure.remedy;
        match self.attempt(remedy) {
            Ok(()) => {
                self.failure = None;
                self.shared.queue.set(Door::Open, &mut Taken::default());
                self.shared.health.send_replace(Health::Writable);
                tracing::info!("the journal can write again");
            }
            Err(fault) => {
                self.roll_back();
                // Once in doubt about the connection or the log on disk, a failure of another kind does not clear it.
                if let Some(failure) = &mut self.failure
                    && fault.remedy == Remedy::Reopen
                {
                    failure.remedy = Remedy::Reopen;
                }
                if fault.remedy == Remedy::Room
                    && let Err(fault) = self.make_room()
                {
                    self.roll_back();
                    tracing::debug!(error = %fault, "no room could be made in the journal");
                }
                self.shared.health.send_if_modified(|health| match health {
                    Health::Failing { error, .. } if *error != fault.error => {
                        error.clone_from(&fault.error);
                        true
                    }
                    _ => false,
                });
            }
        }
    }

    /// Trims while the disk is full: what is out of bounds may be all that stands in the way. Needs room itself for the
    /// log, which is there as long as the log's file is longer than what it holds.
    fn make_room(&mut self) -> Result<(), Fault> {
        self.shared.progress.touch();
        let head = self.ledger.head();
        let (conn, ledger) = self.store()?;
        *ledger = Ledger::load(conn, head)?;
        // Before anything is trimmed that the sink has not seen.
        self.catch_up()?;
        self.maintain_log()?;
        self.trim_for(ROOM)
    }

    /// Writes and commits something as a batch would be, and makes right what is known by heart.
    fn attempt(&mut self, remedy: Remedy) -> Result<(), Fault> {
        self.file.check_in_place()?;
        if remedy == Remedy::Reopen || self.conn.is_none() {
            self.conn = None;
            let mut conn = self.file.reopen(self.epoch.as_str())?;
            self.wal.attach(&mut conn)?;
            self.conn = Some(conn);
            self.shared.next_generation();
        }
        let Some(conn) = &self.conn else { return Err(Fault::replaced("the database is not open")) };
        conn.pragma_update(None, "synchronous", self.wal.synchronous())?;
        conn.execute("INSERT OR REPLACE INTO trial (id, filler) VALUES (1, zeroblob(?1))", [TRIAL])?;
        conn.execute("DELETE FROM trial", [])?;
        if remedy == Remedy::Reopen {
            self.wal.renew(conn)?;
        }
        self.ledger = Ledger::load(conn, self.ledger.head())?;
        self.ledger.next()?;
        self.catch_up()
    }

    /// A commit that failed may have succeeded all the same, when only its last step went wrong. Its pushes were answered
    /// as failed and will come again as duplicates, so this is the only chance to tell the sink.
    fn catch_up(&mut self) -> Result<(), Fault> {
        loop {
            let after = self.shared.head();
            let (conn, _) = self.store()?;
            let missed: Vec<Arc<StoredPush>> = page::all_after(conn, after, CATCH_UP)?;
            let Some(last) = missed.last() else { break };
            self.shared.metrics.stored.inc_by(missed.len() as u64);
            let head = last.seq;
            self.sink.committed(&missed);
            self.shared.set_head(head);
        }
        self.shared.metrics.bytes.set(self.ledger.bytes().cast_signed());
        Ok(())
    }

    fn roll_back(&self) {
        if let Some(conn) = &self.conn
            && !conn.is_autocommit()
            && let Err(error) = conn.execute_batch("ROLLBACK")
        {
            tracing::debug!(%error, "the transaction could not be rolled back");
        }
    }
}
