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

/// Pages in the log, 4 KiB each, from which it is copied into the database. It then starts over by itself unless a
/// reader is in it.
const COPY_AT: u32 = 4096;

/// Pages in the log from which readers are waited for, so that it starts over also when they come without a pause.
const RESTART_AT: u32 = 16 * 1024;

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
    /// When to copy next, in pages.
    copy_at: u32,
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

impl Wal {
    pub(super) fn new(path: &Path, fsync: Fsync) -> Self {
        let mut name = OsString::from(path);
        name.push("-wal");
        Self {
            path: name.into(),
            fsync,
            pages: Arc::default(),
            copy_at: COPY_AT,
            unsynced: None,
            busy: None,
            complained: false,
        }
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
        let pages = self.pages.load(Ordering::Relaxed);
        if pages < COPY_AT {
            self.copy_at = COPY_AT;
        }
        if pages >= self.copy_at {
            let kind = if pages >= RESTART_AT { Checkpoint::Restart } else { Checkpoint::Passive };
            self.copy(conn, kind);
            self.copy_at = pages.saturating_add(COPY_AT);
        } else if self.busy.is_some_and(|busy| busy.elapsed() >= IDLE) {
            self.copy(conn, Checkpoint::Truncate);
        }
        Ok(())
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
    fn copy(&mut self, conn: &Connection, kind: Checkpoint) {
        match checkpoint(conn, kind) {
            Ok(_) => self.complained = false,
            Err(error) if !self.complained => {
                self.complained = true;
                tracing::warn!(%error, "the journal's write-ahead log can't be copied into the database");
            }
            Err(_) => {}
        }
        if matches!(kind, Checkpoint::Truncate) {
            self.busy = None;
        }
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
