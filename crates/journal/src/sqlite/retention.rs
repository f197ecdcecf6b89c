//! When to trim and to erase: in small steps between commits, more of them the longer it takes.

use std::time::{Duration, Instant, SystemTime};

use pushgate_model::Timestamp;
use rusqlite::Connection;

use super::{
    fault::Fault,
    trim::{Bounds, Step},
    writer::Writer,
};

/// How often the bounds are checked while nothing is out of them.
const PERIOD: Duration = Duration::from_secs(1);

/// How long pushes may be out of bounds before trimming gets twice the time that commits do, so that it catches up.
/// Below the ten seconds within which retention is applied.
const LENIENCE: Duration = Duration::from_secs(2);

/// How long the writer trims at a stretch while nobody waits.
const STRETCH: Duration = Duration::from_millis(100);

/// Free pages that are kept for pushes to come, beside a quarter of the file.
const SPARE_PAGES: u64 = 4096;

/// Free pages that one step gives back to the file system.
const VACUUM_STEP: u32 = 256;

/// When to trim next.
pub(super) struct Schedule {
    due: Instant,
    /// Since when something is out of bounds.
    behind: Option<Instant>,
}

impl Schedule {
    pub(super) fn new() -> Self {
        Self { due: Instant::now(), behind: None }
    }

    /// There is something to do at once.
    pub(super) fn hurry(&mut self) {
        self.due = Instant::now();
    }

    /// How long the writer may wait for pushes.
    pub(super) fn wait(&self) -> Duration {
        self.due.saturating_duration_since(Instant::now())
    }
}

impl Writer {
    /// Trims for a while, if it is time.
    pub(super) fn retain(&mut self) -> Result<(), Fault> {
        let begun = Instant::now();
        if begun < self.schedule.due {
            return Ok(());
        }
        while self.trim_step()? {
            let behind = *self.schedule.behind.get_or_insert(begun);
            let budget = match (self.shared.queue.is_empty(), behind.elapsed() >= LENIENCE) {
                (true, _) => STRETCH,
                (false, true) => self.last_commit * 2,
                (false, false) => Duration::ZERO,
            };
            if begun.elapsed() >= budget {
                return Ok(());
            }
            self.maintain_log()?;
            self.shared.progress.touch();
        }
        self.schedule = Schedule { due: Instant::now() + PERIOD, behind: None };
        if self.shared.queue.is_empty() {
            self.shrink()?;
        }
        Ok(())
    }

    /// Trims for at most so long, whether or not it is time.
    pub(super) fn trim_for(&mut self, budget: Duration) -> Result<(), Fault> {
        let begun = Instant::now();
        while self.trim_step()? && begun.elapsed() < budget {}
        Ok(())
    }

    /// One step in a transaction of its own; says whether more is out of bounds. Nobody waits for it to be on disk: a
    /// power cut may bring pushes back that were trimmed a moment ago.
    fn trim_step(&mut self) -> Result<bool, Fault> {
        let bounds = Bounds {
            retention: self.config.retention,
            dedup: self.config.dedup,
            now: Timestamp::from(SystemTime::now()),
        };
        let (conn, ledger) = self.store()?;
        conn.pragma_update(None, "synchronous", "NORMAL")?;
        conn.execute_batch("BEGIN IMMEDIATE")?;
        let trimmed = Step::new(conn, ledger, bounds).run()?;
        conn.execute_batch("COMMIT")?;
        if trimmed.pushes > 0 {
            self.shared.removed();
        }
        self.shared.metrics.trimmed.inc_by(trimmed.pushes);
        self.shared.metrics.bytes.set(self.ledger.bytes().cast_signed());
        self.purges.erased(&trimmed.erased);
        Ok(trimmed.more)
    }

    /// Gives pages back to the file system once far more are free than new pushes will soon need; until then new
    /// pushes take them.
    fn shrink(&mut self) -> Result<(), Fault> {
        let (conn, _) = self.store()?;
        let free: i64 = conn.pragma_query_value(None, "freelist_count", |row| row.get(0))?;
        let pages: i64 = conn.pragma_query_value(None, "page_count", |row| row.get(0))?;
        if free.cast_unsigned() <= SPARE_PAGES + pages.cast_unsigned() / 4 {
            return Ok(());
        }
        vacuum(conn)?;
        self.schedule.due = Instant::now() + PERIOD / 20;
        Ok(())
    }
}

/// Gives [`VACUUM_STEP`] pages back. The pragma gives one back each time it is stepped, so it has to be read to its end.
fn vacuum(conn: &Connection) -> rusqlite::Result<()> {
    let mut statement = conn.prepare(&format!("PRAGMA incremental_vacuum({VACUUM_STEP})"))?;
    let mut rows = statement.query([])?;
    while rows.next()?.is_some() {}
    Ok(())
}
