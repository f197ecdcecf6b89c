//! The write-ahead log: kept on disk as `fsync` says, and kept small.

use std::{
    ffi::OsString,
    fs::File,
    io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use rusqlite::Connection;

use super::fault::Fault;
use crate::Fsync;

/// How many pages of the log, 4 KiB each, stand for what.
///
/// Copying runs between commits, and what it brings to disk are pages from all over the database: the more at a time,
/// the longer everybody waits.
#[derive(Clone, Copy)]
pub(super) struct Steps {
    /// From so many on that are new the log is copied into the database, if there is time. It then starts over by itself
    /// unless a reader is in it.
    pub(super) copy: u32,
    /// From so many on that are new it is copied in any case.
    pub(super) copy_late: u32,
    /// From so many on in all readers are waited for, so that it starts over also when they come without a pause.
    pub(super) restart: u32,
}

/// Copying may take one part in so many of the writer's time: a disk that is slow to sync gets fewer and larger copies.
const SHARE: u32 = 5;

/// How long readers are waited for. A page of pushes takes far less.
const READERS: Duration = Duration::from_millis(200);

/// Without a commit for so long, the log is copied and its file emptied.
const IDLE: Duration = Duration::from_secs(5);

/// The write-ahead log as the writer sees it.
pub(super) struct Wal {
    path: PathBuf,
    fsync: Fsync,
    /// Pages in the log after the last commit; the engine's hook writes it.
    pages: Arc<AtomicU32>,
    steps: Steps,
    /// Pages in the log when it was last copied.
    copied_at: u32,
    /// Until when copying has had its share of time.
    rest: Instant,
    /// Pages from which readers are waited for next.
    restart_at: u32,
    /// Since when something may be written but not on disk.
    unsynced: Option<Instant>,
    /// When the last commit was, until the log was emptied after it.
    busy: Option<Instant>,
    complained: bool,
}

/// How far the log is copied into the database.
#[derive(Clone, Copy)]
enum Checkpoint {
    /// As far as readers allow.
    Passive,
    /// All of it, waiting for readers.
    Restart,
    /// All of it, and empty the file.
    Truncate,
}

impl Steps {
    const USUAL: Self = Self { copy: 512, copy_late: 4096, restart: 16 * 1024 };
}

impl Wal {
    pub(super) fn new(path: &Path, fsync: Fsync) -> Self {
        let mut name = OsString::from(path);
        name.push("-wal");
        Self {
            path: name.into(),
            fsync,
            pages: Arc::default(),
            steps: Steps::USUAL,
            copied_at: 0,
            rest: Instant::now(),
            restart_at: Steps::USUAL.restart,
            unsynced: None,
            busy: None,
            complained: false,
        }
    }

    #[cfg(test)]
    pub(super) fn bound(&mut self, steps: Steps) {
        self.steps = steps;
        self.restart_at = steps.restart;
    }

    /// Takes over from the engine's own checkpoints, which would run within a commit.
    pub(super) fn attach(&self, conn: &mut Connection) -> rusqlite::Result<()> {
        let count = Arc::clone(&self.pages);
        conn.wal_hook(Some(move |_: &mut rusqlite::hooks::Wal, pages| {
            count.store(u32::try_from(pages).unwrap_or(0), Ordering::Relaxed);
            Ok(())
        }))
    }

    /// The `synchronous` that commits of pushes run under. With `NORMAL` no commit waits for the disk, but a copy into
    /// the database does, so that a power cut can't damage the file.
    pub(super) fn synchronous(&self) -> &'static str {
        match self.fsync {
            Fsync::Always => "FULL",
            Fsync::Every(_) | Fsync::Never => "NORMAL",
        }
    }

    /// Whether commits can be lost by a power cut.
    pub(super) fn is_lax(&self) -> bool {
        self.fsync != Fsync::Always
    }

    /// Something was committed.
    pub(super) fn committed(&mut self) {
        let now = Instant::now();
        self.busy = Some(now);
        if matches!(self.fsync, Fsync::Every(_)) {
            self.unsynced.get_or_insert(now);
        }
    }

    /// How long the writer may wait for pushes.
    pub(super) fn wait(&self) -> Duration {
        match (self.fsync, self.unsynced) {
            (Fsync::Every(interval), Some(since)) => interval.saturating_sub(since.elapsed()),
            _ => Duration::MAX,
        }
    }

    /// Brings the log to disk when its time has come, and copies it when it is long.
    pub(super) fn maintain(&mut self, conn: &Connection) -> Result<(), Fault> {
        if self.wait().is_zero() {
            self.sync()?;
        }
        let pages = self.pages();
        if pages < self.copied_at {
            // It started over.
            self.copied_at = 0;
            self.restart_at = self.steps.restart;
        }
        let new = pages - self.copied_at;
        if new >= self.steps.copy_late || (new >= self.steps.copy && self.rest <= Instant::now()) {
            self.shorten(conn, pages);
        } else if self.busy.is_some_and(|busy| busy.elapsed() >= IDLE) {
            self.copy(conn, Checkpoint::Truncate);
        }
        Ok(())
    }

    /// Pages in the log.
    pub(super) fn pages(&self) -> u32 {
        self.pages.load(Ordering::Relaxed)
    }

    /// Copies a log of so many pages.
    fn shorten(&mut self, conn: &Connection, pages: u32) {
        let begun = Instant::now();
        if pages < self.restart_at {
            self.copy(conn, Checkpoint::Passive);
        } else if self.copy(conn, Checkpoint::Restart) == Some(Copied::Whole) {
            self.restart_at = self.steps.restart;
        } else {
            // Somebody reads for long, say a backup: to wait for it again and again would stop all commits.
            self.restart_at = pages.saturating_mul(2);
        }
        self.copied_at = pages;
        self.rest = Instant::now() + begun.elapsed() * (SHARE - 1);
    }

    /// Copies all of the log and empties it, after a failure: nothing written since may stand on pages of the log whose
    /// way to the disk went wrong.
    ///
    /// # Errors
    /// The log could not be emptied, also because a reader is in the way: it has to be tried again.
    pub(super) fn renew(&mut self, conn: &Connection) -> Result<(), Fault> {
        if checkpoint(conn, Checkpoint::Truncate)? == Copied::InPart {
            return Err(Fault::replaced("readers keep the write-ahead log from being emptied"));
        }
        self.unsynced = None;
        Ok(())
    }

    /// Leaves everything in the database file, on disk.
    pub(super) fn finish(&mut self, conn: &Connection) {
        if self.unsynced.is_some()
            && let Err(fault) = self.sync()
        {
            tracing::error!(error = %fault, "the last pushes may not be on disk");
        }
        self.copy(conn, Checkpoint::Truncate);
    }

    fn sync(&mut self) -> Result<(), Fault> {
        match File::open(&self.path) {
            Ok(file) => file.sync_data()?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error.into()),
        }
        self.unsynced = None;
        Ok(())
    }

    /// A copy that fails loses nothing: the log still has it all, and grows until a commit fails.
    fn copy(&mut self, conn: &Connection, kind: Checkpoint) -> Option<Copied> {
        let copied = checkpoint(conn, kind);
        if matches!(kind, Checkpoint::Truncate) {
            self.busy = None;
        }
        if let Err(error) = &copied
            && !self.complained
        {
            tracing::warn!(%error, "the journal's write-ahead log can't be copied into the database");
        }
        self.complained = copied.is_err();
        copied.ok()
    }
}

/// How far a checkpoint came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Copied {
    Whole,
    /// A reader was in the way.
    InPart,
}

fn checkpoint(conn: &Connection, kind: Checkpoint) -> rusqlite::Result<Copied> {
    let sql = match kind {
        Checkpoint::Passive => "PRAGMA wal_checkpoint(PASSIVE)",
        Checkpoint::Restart => "PRAGMA wal_checkpoint(RESTART)",
        Checkpoint::Truncate => "PRAGMA wal_checkpoint(TRUNCATE)",
    };
    let before: i64 = conn.pragma_query_value(None, "busy_timeout", |row| row.get(0))?;
    conn.busy_timeout(READERS)?;
    // The first column of the row says whether somebody was in the way, which is no failure.
    let result = conn.query_row(sql, [], |row| row.get(0)).map(|busy: i64| match busy {
        0 => Copied::Whole,
        _ => Copied::InPart,
    });
    conn.busy_timeout(Duration::from_millis(before.cast_unsigned()))?;
    result
}
