use std::{
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    thread::{Builder, JoinHandle},
};

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::{database::connect_reader, fault::engine, shared::Shared};
use crate::{JournalError, Limits};

type Job = Box<dyn FnOnce(&mut Reader) + Send>;

/// A few threads that read, with one queue. Full, it lets callers wait, first come first served.
pub(super) struct Readers {
    /// Nothing once the threads must end.
    jobs: Option<mpsc::Sender<Job>>,
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
        let (jobs, queue) = mpsc::channel(limits.queued_reads.max(1));
        let queue = Arc::new(Mutex::new(queue));
        let mut readers = Self { jobs: Some(jobs), threads: Vec::new() };
        for number in 0..limits.readers.max(1) {
            let queue = Arc::clone(&queue);
            let mut reader = Reader { path: path.to_owned(), shared: Arc::clone(shared), conn: None, generation: 0 };
            let builder = Builder::new().name(format!("journal-read-{number}"));
            readers.threads.push(builder.spawn(move || while reader.work(&queue) {})?);
        }
        Ok(readers)
    }

    /// Has `read` run on a thread, within one snapshot.
    pub(super) async fn run<T, F>(&self, read: F) -> Result<T, JournalError>
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
        let jobs = self.jobs.as_ref().ok_or(JournalError::Closed)?;
        jobs.send(job).await.map_err(|_| JournalError::Closed)?;
        let result = result.await.map_err(|_| JournalError::Closed)?;
        result.map_err(|error| engine(&error))
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        self.jobs = None;
        for thread in self.threads.drain(..) {
            // A reader that panicked has said so already.
            let _ = thread.join();
        }
    }
}

impl Reader {
    /// Does one job; false when there will be no more. One thread waits in the queue, the others for that one.
    fn work(&mut self, queue: &Mutex<mpsc::Receiver<Job>>) -> bool {
        let job = queue.lock().unwrap_or_else(PoisonError::into_inner).blocking_recv();
        job.map(|job| job(self)).is_some()
    }

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
