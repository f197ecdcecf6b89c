use std::{
    io,
    panic::{self, AssertUnwindSafe},
    path::{Path, PathBuf},
    sync::Arc,
    thread::{Builder, JoinHandle},
};

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::{
    database::connect_reader,
    fault::engine,
    jobs::{Jobs, Lane},
    shared::Shared,
};
use crate::{JournalError, Limits};

type Job = Box<dyn FnOnce(&mut Reader) + Send>;

/// A few threads that read.
pub(super) struct Readers {
    jobs: Arc<Jobs<Job>>,
    threads: Vec<JoinHandle<()>>,
}

/// What one thread reads with.
struct Reader {
    path: PathBuf,
    shared: Arc<Shared>,
    conn: Option<Connection>,
    generation: u64,
}

impl Readers {
    pub(super) fn start(path: &Path, shared: &Arc<Shared>, limits: &Limits) -> io::Result<Self> {
        let mut readers = Self { jobs: Arc::new(Jobs::new(limits.queued_reads)), threads: Vec::new() };
        for number in 0..limits.readers.max(1) {
            let jobs = Arc::clone(&readers.jobs);
            let mut reader = Reader { path: path.to_owned(), shared: Arc::clone(shared), conn: None, generation: 0 };
            let work = move || {
                while let Some(job) = jobs.take() {
                    // Whoever asked learns of it by the reply that is gone. The connection is not used again.
                    if panic::catch_unwind(AssertUnwindSafe(|| job(&mut reader))).is_err() {
                        tracing::error!("a read of the journal panicked");
                    }
                }
            };
            readers.threads.push(Builder::new().name(format!("journal-read-{number}")).spawn(work)?);
        }
        Ok(readers)
    }

    /// Has `read` run on a thread, within one snapshot.
    pub(super) async fn run<T, F>(&self, lane: Lane, read: F) -> Result<T, JournalError>
    where
        T: Send + 'static,
        F: Fn(&Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        let (reply, result) = oneshot::channel();
        let job: Job = Box::new(move |reader| {
            // Whoever asked may be gone: then nobody needs it.
            if !reply.is_closed() {
                let _ = reply.send(reader.read(&read));
            }
        });
        self.jobs.put(lane, job).await.map_err(|_| JournalError::Closed)?;
        let result = result.await.map_err(|_| JournalError::Closed)?;
        result.map_err(|error| engine(&error))
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        self.jobs.close();
        for thread in self.threads.drain(..) {
            // A reader that panicked has said so already.
            let _ = thread.join();
        }
    }
}

impl Reader {
    fn read<T>(&mut self, read: &impl Fn(&Connection) -> rusqlite::Result<T>) -> rusqlite::Result<T> {
        let generation = self.shared.generation();
        if self.generation != generation {
            self.generation = generation;
            self.conn = None;
        }
        let reused = self.conn.is_some();
        match self.attempt(read) {
            // The connection may be stale, say after an error of the disk: once more with a new one.
            Err(_) if reused => self.attempt(read),
            result => result,
        }
    }

    fn attempt<T>(&mut self, read: &impl Fn(&Connection) -> rusqlite::Result<T>) -> rusqlite::Result<T> {
        // Taken out, so that it is gone unless everything went well.
        let conn = self.conn.take().map_or_else(|| connect_reader(&self.path), Ok)?;
        let snapshot = conn.unchecked_transaction()?;
        let result = read(&conn)?;
        snapshot.finish()?;
        self.conn = Some(conn);
        Ok(result)
    }
}
