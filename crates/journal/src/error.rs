use std::path::PathBuf;

/// The journal cannot write at the moment, or is closing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the journal cannot write at the moment")]
pub struct Unavailable;

/// What can go wrong with a journal, by what the caller can do about it.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// Another process has it open: stop that one, or give this one another path.
    #[error("the journal {} is in use by another process: a journal belongs to one gateway", path.display())]
    Locked {
        /// The database file.
        path: PathBuf,
    },
    /// It was written by a newer version: use that one.
    #[error("the journal {} has schema version {found}, this version knows up to {known}: use a newer pushgate", path.display())]
    Newer {
        /// The database file.
        path: PathBuf,
        /// What the file says.
        found: u32,
        /// What this version knows.
        known: u32,
    },
    /// The file or its folder can't be made or written.
    #[error("the journal {} can't be opened for writing: {error}", path.display())]
    NotWritable {
        /// The database file.
        path: PathBuf,
        /// What the system said.
        error: String,
    },
    /// The file is no journal, or is damaged.
    #[error("the journal {} is not usable: {error}", path.display())]
    Unusable {
        /// The database file.
        path: PathBuf,
        /// What the engine said.
        error: String,
    },
    /// A statement failed at run time.
    #[error("the journal failed: {0}")]
    Engine(String),
    /// The journal was closed.
    #[error("the journal is closed")]
    Closed,
}
