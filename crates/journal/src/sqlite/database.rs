use std::{
    fs::{self, File, OpenOptions, Permissions},
    io,
    os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    time::Duration,
};

use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::{
    fault::Fault,
    schema::{self, MIGRATIONS, SchemaError},
};
use crate::JournalError;

/// How long a statement waits for another program that holds the write lock: below the second within which the writer
/// must show progress.
const BUSY: Duration = Duration::from_millis(500);

/// Page cache of the writer, in KiB: holds the hot parts of the indexes.
const WRITER_CACHE: i32 = 32 * 1024;

/// Page cache of a reader, in KiB.
const READER_CACHE: i32 = 4 * 1024;

/// Up to this size, in bytes, the file of the write-ahead log stays when the log starts over.
const LOG_KEPT: u32 = 64 << 20;

/// Prepared statements that a connection keeps: all that this code has.
const STATEMENTS: usize = 64;

/// Whether a missing database is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Creation {
    /// It is, with its folder.
    Allowed,
    /// It must be there.
    Forbidden,
}

/// The database's file, as it was when the journal was opened.
pub(super) struct DatabaseFile {
    path: PathBuf,
    /// Device and inode.
    identity: (u64, u64),
}

impl DatabaseFile {
    /// Opens the database, makes it if allowed, and brings its schema up to date. The caller holds the journal's lock.
    pub(super) fn open(path: &Path, creation: Creation) -> Result<(Self, Connection), JournalError> {
        let not_writable =
            |error: io::Error| JournalError::NotWritable { path: path.to_owned(), error: error.to_string() };
        prepare_file(path, creation).map_err(not_writable)?;
        let identity = identity(path).map_err(not_writable)?;
        let conn = connect(path).map_err(|error| open_error(path, error))?;
        Ok((Self { path: path.to_owned(), identity }, conn))
    }

    /// Opens the database again after a failure; it must be the journal that `epoch` names.
    pub(super) fn reopen(&self, epoch: &str) -> Result<Connection, Fault> {
        let conn = connect(&self.path)?;
        let found: String = conn.query_row("SELECT epoch FROM log", [], |row| row.get(0))?;
        if found == epoch { Ok(conn) } else { Err(Fault::replaced("another journal is at its path")) }
    }

    /// Fails unless the file is still at its path. What is committed to a deleted file is lost. And to open another file
    /// in its place would be worse: this one's write-ahead log, left beside it, would be copied into that one.
    pub(super) fn check_in_place(&self) -> Result<(), Fault> {
        match identity(&self.path) {
            Ok(found) if found == self.identity => Ok(()),
            Ok(_) => Err(Fault::replaced("another file is in the database's place: stop the gateway to replace it")),
            Err(error) => Err(Fault::replaced(format!("the database file is gone: {error}"))),
        }
    }
}

/// A connection that only reads, to a database that the writer has open.
pub(super) fn connect_reader(path: &Path) -> rusqlite::Result<Connection> {
    let conn = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    conn.busy_timeout(BUSY)?;
    conn.pragma_update(None, "cache_size", -READER_CACHE)?;
    conn.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(conn)
}

fn connect(path: &Path) -> Result<Connection, SchemaError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut conn = Connection::open_with_flags(path, flags)?;
    conn.busy_timeout(BUSY)?;
    // Refuse what is no journal before anything is written to it.
    schema::version(&conn, MIGRATIONS.len())?;
    // Takes effect only in a database without a page yet.
    conn.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    let mode: String = conn.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
    if mode != "wal" {
        let error = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CANTOPEN);
        let words = format!("the file system can't hold a write-ahead log (journal mode is {mode})");
        return Err(SchemaError::Engine(rusqlite::Error::SqliteFailure(error, Some(words))));
    }
    conn.pragma_update(None, "synchronous", "FULL")?;
    conn.pragma_update(None, "journal_size_limit", LOG_KEPT)?;
    conn.pragma_update(None, "cache_size", -WRITER_CACHE)?;
    conn.set_prepared_statement_cache_capacity(STATEMENTS);
    schema::migrate(&mut conn, MIGRATIONS)?;
    Ok(conn)
}

/// Finds out with the system's own words whether the file can be written, and makes it where it is missing.
fn prepare_file(path: &Path, creation: Creation) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(0o600);
    match options.open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound && creation == Creation::Allowed => {
            options.create_new(true).open(path)?;
            // The file's name must survive a power cut as well as its content.
            File::open(folder(path))?.sync_all()
        }
        Err(error) => Err(error),
        Ok(_) => {
            for suffix in ["", "-wal", "-shm"] {
                keep_to_owner(path, suffix);
            }
            Ok(())
        }
    }
}

/// Takes the rights of others to a file of the database that is there: secrets are in it.
fn keep_to_owner(path: &Path, suffix: &str) {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    if fs::metadata(&name).is_ok_and(|file| file.mode() & 0o077 != 0)
        && let Err(error) = fs::set_permissions(&name, Permissions::from_mode(0o600))
    {
        tracing::warn!(path = %Path::new(&name).display(), %error, "others than the owner may read the journal");
    }
}

/// The path without symbolic links: the engine puts its write-ahead log beside the real file, and a second gateway must
/// find the same lock. As given where nothing is there yet.
pub(super) fn resolve(path: &Path) -> PathBuf {
    let through_folder = || Some(fs::canonicalize(folder(path)).ok()?.join(path.file_name()?));
    fs::canonicalize(path).ok().or_else(through_folder).unwrap_or_else(|| path.to_owned())
}

/// Makes the folder of a path. Its name, too, must survive a power cut.
pub(super) fn create_folder(path: &Path) -> io::Result<()> {
    let missing: Vec<&Path> = folder(path).ancestors().take_while(|ancestor| !ancestor.exists()).collect();
    fs::create_dir_all(folder(path))?;
    missing.into_iter().try_for_each(|made| File::open(folder(made))?.sync_all())
}

/// The folder of a path; the current one for a bare name.
fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let metadata = fs::metadata(path)?;
    Ok((metadata.dev(), metadata.ino()))
}

fn open_error(path: &Path, error: SchemaError) -> JournalError {
    let path = path.to_owned();
    match error {
        SchemaError::Newer { found, known } => JournalError::Newer { path, found, known },
        SchemaError::Foreign => {
            JournalError::Unusable { path, error: "it is the database of another program".to_owned() }
        }
        SchemaError::Engine(error) => match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => JournalError::Locked { path },
            Some(
                ErrorCode::CannotOpen
                | ErrorCode::ReadOnly
                | ErrorCode::PermissionDenied
                | ErrorCode::SystemIoFailure
                | ErrorCode::DiskFull,
            ) => JournalError::NotWritable { path, error: error.to_string() },
            _ => JournalError::Unusable { path, error: error.to_string() },
        },
    }
}
