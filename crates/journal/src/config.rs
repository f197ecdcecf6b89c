use std::{path::PathBuf, time::Duration};

/// How the engine [`sqlite`](crate::sqlite) works.
#[derive(Clone, Debug)]
pub struct JournalConfig {
    /// The database file; its folder is created.
    pub path: PathBuf,
    /// When a commit counts as durable.
    pub fsync: Fsync,
    /// How long a push id is remembered after it was last seen, also when its push was trimmed.
    pub dedup: Duration,
    /// What is kept.
    pub retention: Retention,
    /// What may wait in memory.
    pub limits: Limits,
}

/// When a commit counts as durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fsync {
    /// Once it is on disk: survives a power cut.
    Always,
    /// Once it is written; on disk at least this often. Survives kill -9, a power cut may cost so much time.
    Every(Duration),
    /// Once it is written; no commit and no timer waits for the disk. Survives kill -9; a power cut may cost all since
    /// the log was last copied into the database file, which stays whole.
    Never,
}

/// What is kept. Zero switches a bound off.
#[derive(Clone, Copy, Debug)]
pub struct Retention {
    /// Pushes older than this are trimmed.
    pub max_age: Duration,
    /// Of each tenant at most so many pushes.
    pub max_pushes_per_tenant: u64,
    /// Bytes of all pushes together; the tenant that uses most is trimmed first.
    pub max_bytes: u64,
    /// Bytes of all quarantined pushes together, [`QUARANTINE_OVERHEAD`] for each entry included; the oldest go first.
    pub quarantine: u64,
}

/// What a quarantined push counts beside its own bytes, in bytes: its row and index, so that many tiny ones can't fill
/// the disk.
pub const QUARANTINE_OVERHEAD: u64 = 256;

/// What may wait in memory for the writer. One batch, of at most 2,048 appends and about 8 MiB, may be in the commit that
/// is under way beside it. One tenant gets at most a quarter of the pushes and of the bytes: one that floods waits at its
/// own door.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Queued pushes of all tenants.
    pub queued_pushes: usize,
    /// Queued bytes of all tenants. One push alone may be larger, also than its tenant's quarter.
    pub queued_bytes: usize,
    /// Threads that read, each with a connection of its own.
    pub readers: usize,
    /// Reads that wait for a reader, of those that look at a few rows and of those that read pages each; more wait
    /// outside.
    pub queued_reads: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { queued_pushes: 16_384, queued_bytes: 64 << 20, readers: 2, queued_reads: 256 }
    }
}
