use std::{
    ffi::OsString,
    fs::{File, OpenOptions, TryLockError},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use crate::JournalError;

/// Keeps other gateways from a journal for as long as it lives, also in this process.
///
/// An advisory lock of the system on `<path>.lock`: it goes with the process, however that ends, and the file may stay.
/// The database itself can't be locked so: this process's readers need it.
#[derive(Debug)]
pub(super) struct JournalLock {
    _file: File,
}

impl JournalLock {
    pub(super) fn acquire(path: &Path) -> Result<Self, JournalError> {
        let mut name = OsString::from(path);
        name.push(".lock");
        let not_writable = |error: std::io::Error| JournalError::NotWritable {
            path: path.to_owned(),
            error: format!("{}: {error}", Path::new(&name).display()),
        };
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&name)
            .map_err(not_writable)?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(JournalError::Locked { path: path.to_owned() }),
            Err(TryLockError::Error(error)) => Err(not_writable(error)),
        }
    }
}
