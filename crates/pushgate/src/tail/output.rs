use std::{
    io::{self, Write as _},
    os::fd::AsFd as _,
    thread,
    time::Duration,
};

use rustix::{
    event::{PollFd, PollFlags, poll},
    io::Errno,
};
use tokio::sync::{mpsc, oneshot, watch};

/// How long what is being written may take once all is over.
const GRACE: Duration = Duration::from_millis(500);

/// Standard output, written by a thread of its own: whoever reads may be slow, and signals must count meanwhile.
pub(super) struct Output {
    jobs: mpsc::Sender<Job>,
    written_all: oneshot::Receiver<bool>,
    gone: watch::Receiver<bool>,
}

struct Job {
    text: String,
    done: oneshot::Sender<io::Result<()>>,
}

impl Output {
    /// Starts the thread.
    pub(super) fn start() -> io::Result<Self> {
        // One at a time: what comes next is not read from the stream until this one is out.
        let (jobs, mut inbox) = mpsc::channel::<Job>(1);
        let (ended, written_all) = oneshot::channel();
        thread::Builder::new().name("output".to_owned()).spawn(move || {
            let mut all = true;
            while let Some(Job { text, done }) = inbox.blocking_recv() {
                let mut stdout = io::stdout().lock();
                let written = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
                all &= written.is_ok();
                // Whoever waited for it may be gone.
                let _ = done.send(written);
            }
            let _ = ended.send(all);
        })?;
        let (tell, gone) = watch::channel(false);
        thread::Builder::new().name("reader-gone".to_owned()).spawn(move || {
            wait_for_hangup();
            tell.send_replace(true);
        })?;
        Ok(Self { jobs, written_all, gone })
    }

    /// Completes once the text was handed to the system.
    ///
    /// # Errors
    /// It can't be written.
    pub(super) async fn write(&self, text: String) -> io::Result<()> {
        let (done, written) = oneshot::channel();
        let sent = self.jobs.send(Job { text, done }).await;
        sent.map_err(|_| io::ErrorKind::BrokenPipe)?;
        written.await.unwrap_or_else(|_| Err(io::ErrorKind::BrokenPipe.into()))
    }

    /// Completes when nobody reads any more, as after `| head -1`, even while there is nothing to write.
    pub(super) async fn reader_gone(&self) {
        // The thread that tells it lives as long as the process.
        let _ = self.gone.clone().wait_for(|gone| *gone).await;
    }

    /// Lets what is being written come to its end, if that is soon. Says whether all was written.
    pub(super) async fn finish(self) -> bool {
        drop(self.jobs);
        matches!(tokio::time::timeout(GRACE, self.written_all).await, Ok(Ok(true)))
    }
}

/// Blocks until the other end of standard output is closed; for ever where it is a file.
fn wait_for_hangup() {
    let stdout = io::stdout();
    loop {
        let mut watched = [PollFd::from_borrowed_fd(stdout.as_fd(), PollFlags::empty())];
        match poll(&mut watched, None) {
            Ok(0) | Err(Errno::INTR) => {}
            Ok(_) => return,
            // Then it is noticed when something is written.
            Err(error) => {
                tracing::debug!(%error, "standard output can't be watched");
                loop {
                    thread::park();
                }
            }
        }
    }
}
