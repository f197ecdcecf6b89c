use std::{fmt, io};

use rusqlite::ErrorCode;

use crate::JournalError;

/// Why the store can't write at the moment.
#[derive(Debug)]
pub(super) struct Fault {
    /// What the engine said, for an operator.
    pub(super) error: String,
    /// What may help beside waiting.
    pub(super) remedy: Remedy,
}

/// What may help a failing store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Remedy {
    /// Only time: another program holds the write lock.
    Wait,
    /// Trimming, or time: the disk is full.
    Room,
    /// A new connection: what this one believes about the files may no longer hold.
    Reopen,
}

impl Fault {
    /// The file at the journal's path is not the one that was opened.
    pub(super) fn replaced(error: impl Into<String>) -> Self {
        Self { error: error.into(), remedy: Remedy::Reopen }
    }

    /// No position is left.
    pub(super) fn exhausted() -> Self {
        Self { error: "no seq is left below 2^53".to_owned(), remedy: Remedy::Wait }
    }
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        // Unknown means reopen: it costs a few milliseconds, and a stale connection could fail for ever.
        let remedy = match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Remedy::Wait,
            Some(ErrorCode::DiskFull) => Remedy::Room,
            _ => Remedy::Reopen,
        };
        Self { error: error.to_string(), remedy }
    }
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Self { error: error.to_string(), remedy: Remedy::Reopen }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.error)
    }
}

/// A failure that nothing is known about but the engine's words.
pub(super) fn engine(error: &rusqlite::Error) -> JournalError {
    JournalError::Engine(error.to_string())
}
