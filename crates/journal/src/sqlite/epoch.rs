use std::path::Path;

use pushgate_model::Epoch;
use rusqlite::Connection;

use super::{
    database::{Creation, DatabaseFile, resolve},
    fault::engine,
    lock::JournalLock,
};
use crate::JournalError;

/// Length of an epoch that this code makes: 36^12 is above 2^62, so two never meet by chance.
const LENGTH: usize = 12;

/// Gives a journal that is not in use a new epoch, so that cursors of its former life are recognised as foreign; for
/// after a backup was restored. Returns the old epoch and the new one.
///
/// # Errors
/// A gateway uses the journal, there is none at `path`, or it can't be written.
pub fn new_epoch(path: &Path) -> Result<(Epoch, Epoch), JournalError> {
    let path = &resolve(path);
    if let Err(error) = std::fs::metadata(path) {
        return Err(JournalError::NotWritable { path: path.to_owned(), error: error.to_string() });
    }
    let _lock = JournalLock::acquire(path)?;
    let (_, conn) = DatabaseFile::open(path, Creation::Forbidden)?;
    let old = read(&conn).map_err(|error| engine(&error))?;
    let new = fresh();
    conn.pragma_update(None, "synchronous", "FULL").map_err(|error| engine(&error))?;
    conn.execute("UPDATE log SET epoch = ?1", [new.as_str()]).map_err(|error| engine(&error))?;
    Ok((old, new))
}

/// An epoch that no other journal has.
pub(super) fn fresh() -> Epoch {
    let text: String = (0..LENGTH).map(|_| fastrand::digit(36)).collect();
    text.parse().expect("digits of base 36 are an epoch")
}

/// The epoch of a journal.
pub(super) fn read(conn: &Connection) -> rusqlite::Result<Epoch> {
    let text: String = conn.query_row("SELECT epoch FROM log", [], |row| row.get(0))?;
    text.parse()
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, Box::new(error)))
}
