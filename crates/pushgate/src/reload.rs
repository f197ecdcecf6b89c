//! Reloading: the settings are read again, and the gateway becomes what they say now.
//!
//! SIGHUP asks for it, and so does a change in the folder of tenants. Settings with a mistake change nothing. Of valid
//! ones the tenants are applied, what tenants take over from `[upstream]`, and the policy of the public listener: who may
//! subscribe, how much, and its certificate. What else differs is named, because it needs a restart. One reload at a time: however often it is asked for meanwhile, one more follows. Begin reading at
//! [`Reloader::reload`].

mod debounce;
mod running;
mod watch;

use std::{
    net::SocketAddr,
    panic::AssertUnwindSafe,
    path::{Path, PathBuf},
    sync::Arc,
    thread,
};

use futures_util::FutureExt as _;
use pushgate_http::{HttpHandle, TlsError};
use pushgate_upstream::{Reloaded, Tenants};
use tokio::{
    signal::unix::Signal,
    sync::{Notify, oneshot},
};

use crate::{
    jwks::{KeySource, Signpost},
    settings::{Mistakes, RequestReader, Settings, Sources},
};

pub(crate) use running::Running;
use running::Seen;
use watch::{FolderWatch, Rhythm};

/// Why a reload changed nothing.
#[derive(Debug, thiserror::Error)]
pub enum ReloadError {
    /// The settings have mistakes.
    #[error(transparent)]
    Mistakes(#[from] Mistakes),
    /// They could not be read at all: the system gives no thread, or reading panicked.
    #[error("the settings could not be read")]
    Unread,
    /// They would let everybody subscribe on an address that others can reach: valid settings for the address that they
    /// name, but the listener keeps the one that it was started with.
    #[error("auth.mode = \"none\" needs a restart together with server.bind: {0} can be reached by others")]
    Exposed(SocketAddr),
    /// The certificate can't be used by now.
    #[error(transparent)]
    Certificate(#[from] TlsError),
    /// The gateway starts or stops.
    #[error("the gateway starts or stops")]
    NotRunning,
}

/// What of a gateway a reload changes.
pub(crate) struct Parts {
    pub(crate) http: HttpHandle,
    pub(crate) tenants: Tenants,
    pub(crate) reader: Arc<RequestReader>,
    pub(crate) signpost: Signpost,
}

/// Reloads the settings of a running gateway.
pub struct Reloader {
    running: Running,
    parts: Parts,
    /// The folder of tenants changed.
    changed: Arc<Notify>,
    watch: Option<(PathBuf, FolderWatch)>,
}

impl Reloader {
    /// Of a gateway that runs like this.
    pub(crate) fn new(running: Running, parts: Parts) -> Self {
        Self { running, parts, changed: Arc::default(), watch: None }
    }

    /// Reloads at each hangup and whenever the folder of tenants changes, until the future is dropped.
    pub(crate) async fn run(mut self, mut hangup: Signal) {
        let folder = self.running.tenants_dir().map(Path::to_owned);
        self.watch(folder, &self.running.sources().clone());
        loop {
            tokio::select! {
                Some(()) = hangup.recv() => tracing::info!("SIGHUP: reloading the settings"),
                () = self.changed.notified() => tracing::info!("tenants_dir changed: reloading the settings"),
            }
            // What it did, or why it did nothing, is logged. After a defect the next reload may mend what this one left.
            if AssertUnwindSafe(self.reload()).catch_unwind().await.is_err() {
                tracing::error!("a reload panicked: some tenants may not be what the settings say");
            }
        }
    }

    /// Reads the settings again and applies what can be applied to a running gateway. What it did is logged.
    ///
    /// # Errors
    /// The settings have mistakes, or can't be applied to this gateway: nothing changed.
    pub async fn reload(&mut self) -> Result<Reloaded, ReloadError> {
        match load(self.running.sources().clone()).await {
            Ok(settings) => self.apply(settings).await,
            Err(error) => Err(error),
        }
        .inspect_err(log_refusal)
    }

    async fn apply(&mut self, settings: Settings) -> Result<Reloaded, ReloadError> {
        self.running.check_exposure(&settings)?;
        let (source, seen) = (KeySource::of(&settings), Seen::of(&settings));
        let (restart, keys) = (self.running.needs_restart(&seen), self.running.policy_changes(&seen));
        let Settings { http, tenants, tenants_dir, tenant_defaults, sources, .. } = settings;
        // First, because it is all that can still fail: it reads the certificate again.
        self.parts.http.reload(http.policy, http.public.tls.as_ref())?;
        self.running.set_applied(seen);
        self.parts.signpost.point_to(source);
        // Before the tenants, because those of the admin API are read again as well.
        self.parts.reader.set_defaults(tenant_defaults);
        let reloaded = self.parts.tenants.reload(tenants).await.map_err(|_| ReloadError::NotRunning)?;
        let Reloaded { added, changed, removed, unchanged, stale } = reloaded;
        tracing::info!(added, changed, removed, unchanged, stale, keys = %keys.join(", "), "settings reloaded");
        if !restart.is_empty() {
            tracing::warn!(keys = %restart.join(", "), "a change of these settings needs a restart");
        }
        self.watch(tenants_dir, &sources);
        Ok(reloaded)
    }

    /// Watches this folder and no other one.
    fn watch(&mut self, folder: Option<PathBuf>, read: &Sources) {
        if self.watch.as_ref().map(|(watched, _)| watched) == folder.as_ref() {
            return;
        }
        self.watch = folder.and_then(|folder| {
            match FolderWatch::start(folder.clone(), read.read_at(), Arc::clone(&self.changed), Rhythm::default()) {
                Ok(watch) => Some((folder, watch)),
                Err(error) => {
                    tracing::warn!(%error, "tenants_dir can't be watched: changes there need a SIGHUP");
                    None
                }
            }
        });
    }
}

impl std::fmt::Debug for Reloader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reloader").field("running", &self.running).finish_non_exhaustive()
    }
}

/// Reads on a thread of its own, because files block. A runtime waits for its blocking tasks when it ends; for this
/// thread a stop does not wait, even if a file never answers.
async fn load(sources: Sources) -> Result<Settings, ReloadError> {
    let (sender, loaded) = oneshot::channel();
    let reading = thread::Builder::new().name("reload".into()).spawn(move || {
        // Nobody waits any more when the gateway stops.
        let _ = sender.send(sources.load());
    });
    match reading {
        Ok(_) => loaded.await.map_err(|_| ReloadError::Unread)?.map_err(ReloadError::Mistakes),
        Err(error) => {
            tracing::error!(%error, "no thread to read the settings");
            Err(ReloadError::Unread)
        }
    }
}

fn log_refusal(error: &ReloadError) {
    match error {
        ReloadError::Mistakes(Mistakes(mistakes)) => {
            for mistake in mistakes {
                tracing::warn!(%mistake, "a mistake in the settings");
            }
            let mistakes = mistakes.len();
            tracing::error!(mistakes, "reload refused: the settings are not valid, nothing changed");
        }
        ReloadError::Unread | ReloadError::Exposed(_) | ReloadError::Certificate(_) => {
            tracing::error!(%error, "reload refused: nothing changed");
        }
        ReloadError::NotRunning => tracing::info!("nothing was reloaded: the gateway starts or stops"),
    }
}

#[cfg(test)]
mod tests;
