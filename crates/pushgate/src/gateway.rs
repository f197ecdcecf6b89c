//! How the crates are wired into one gateway, and how it stops.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use pushgate_fanout::Fanout;
use pushgate_http::{Deps, Http, HttpError, HttpHandle, Lifecycle};
use pushgate_journal::{Journal, JournalError, sqlite::SqliteJournal};
use pushgate_upstream::{
    Directory, TenantReader, TenantSources, Tenants, Upstream, UpstreamDeps, UpstreamError, Vitals, Words,
};
use tokio::time::timeout;

use crate::{
    reload::{Reloader, Running},
    settings::{RequestReader, Settings},
};

/// Commit batches that may wait for the dispatch thread before the journal's writer waits.
const COMMIT_QUEUE: usize = 256;
/// How long connections may take to finish commits, flush answers and close.
const UPSTREAM_DRAIN: Duration = Duration::from_secs(4);
/// How long streams and requests may take to end.
const HTTP_DRAIN: Duration = Duration::from_secs(4);
/// How long the journal may take to commit what is queued and close. All three together stay within the 10 s that a
/// stop may take.
const JOURNAL_CLOSE: Duration = Duration::from_millis(1500);

/// When a stop ends whatever is left, if something does not keep its time.
const LAST_RESORT: Duration = Duration::from_millis(9800);

/// Why a gateway can't start, or ended.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// The journal can't be used.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The connections can't be started.
    #[error(transparent)]
    Upstream(#[from] UpstreamError),
    /// A listener can't be opened, or ended.
    #[error(transparent)]
    Http(#[from] HttpError),
}

/// A running gateway: the journal, the fan-out, the connections and the listeners, wired.
pub struct Gateway {
    journal: Arc<SqliteJournal>,
    fanout: Fanout,
    upstream: Upstream,
    http: Http,
    lifecycle: Lifecycle,
    tenants: Tenants,
    vitals: Vitals,
    reader: Arc<RequestReader>,
    running: Running,
}

impl Gateway {
    /// Opens the journal and the listeners and starts the connections. Call inside an actix system.
    ///
    /// The order matters: a second gateway fails at the journal before it dials; an address in use fails before any
    /// push is accepted.
    ///
    /// # Errors
    /// The journal, a listener or the TLS roots can't be used.
    pub async fn start(settings: Settings) -> Result<Self, GatewayError> {
        let running = Running::of(&settings);
        let words = Words::default();
        let (inlet, inbox) = Fanout::channel(COMMIT_QUEUE);
        let journal = SqliteJournal::open(settings.journal, Box::new(inlet))?;
        let as_journal = || Arc::clone(&journal) as Arc<dyn Journal>;
        let fanout = Fanout::start(settings.fanout, as_journal(), inbox, Arc::new(words.clone()));
        let reader = Arc::new(RequestReader::new(settings.sources, settings.tenant_defaults));
        let sources = TenantSources { files: settings.tenants, stored: journal.tenants().await? };
        let deps = UpstreamDeps {
            journal: as_journal(),
            fanout: fanout.clone(),
            words,
            reader: Arc::clone(&reader) as Arc<dyn TenantReader>,
        };
        let prepared = Upstream::prepare(&settings.upstream, sources, deps)?;
        let (tenants, vitals, lifecycle) = (prepared.tenants(), prepared.vitals(), Lifecycle::default());
        let deps = Deps {
            fanout: fanout.clone(),
            journal: as_journal(),
            directory: prepared.directory(),
            tenants: tenants.clone(),
            vitals: vitals.clone(),
            upstream_metrics: prepared.metrics(),
            lifecycle: lifecycle.clone(),
        };
        let http = pushgate_http::bind(settings.http, deps)?;
        let upstream = prepared.start();
        lifecycle.set_ready();
        Ok(Self { journal, fanout, upstream, http, lifecycle, tenants, vitals, reader, running })
    }

    /// Where subscribers reach it.
    pub fn public_addr(&self) -> SocketAddr {
        self.http.public_addr
    }

    /// Where operators reach it.
    pub fn admin_addr(&self) -> SocketAddr {
        self.http.admin_addr
    }

    /// The tenants and their states.
    pub fn directory(&self) -> Arc<Directory> {
        self.upstream.directory()
    }

    /// The operations on tenants.
    pub fn tenants(&self) -> Tenants {
        self.tenants.clone()
    }

    /// Whether the connections are well.
    pub fn vitals(&self) -> Vitals {
        self.vitals.clone()
    }

    /// How many tenants it has, those of the admin API included.
    pub fn tenant_count(&self) -> usize {
        self.directory().count_by_state().values().sum::<u64>() as usize
    }

    /// Reloads the settings that it was started with.
    pub fn reloader(&self) -> Reloader {
        Reloader::new(self.running.clone(), self.tenants.clone(), Arc::clone(&self.reader))
    }

    /// Serves until `stop` completes, then drains.
    ///
    /// # Errors
    /// A listener ended by itself.
    pub async fn run(self, stop: impl Future<Output = ()>) -> Result<(), GatewayError> {
        let Self { journal, fanout, upstream, http, lifecycle, .. } = self;
        let handle = http.handle();
        let serving = http.run();
        tokio::pin!(serving);
        tokio::select! {
            ended = &mut serving => return Ok(ended?),
            () = stop => {}
        }
        lifecycle.set_draining();
        let drain = drain(&journal, &fanout, &upstream, &handle);
        if let Ok((served, ())) = timeout(LAST_RESORT, async { tokio::join!(serving, drain) }).await {
            served?;
        } else {
            tracing::error!("the drain did not end in time");
        }
        Ok(())
    }
}

/// Stops in order: connections first, so that what they commit still reaches subscribers; then the streams; then the
/// journal.
async fn drain(journal: &SqliteJournal, fanout: &Fanout, upstream: &Upstream, http: &HttpHandle) {
    tracing::info!("draining");
    if timeout(UPSTREAM_DRAIN, upstream.drain()).await.is_err() {
        tracing::warn!(
            "some connections did not end in time and are dropped: their unanswered pushes will be sent again"
        );
    }
    fanout.drain(Duration::ZERO);
    if timeout(HTTP_DRAIN, http.stop()).await.is_err() {
        tracing::warn!("some streams did not end in time and are dropped: they resume by their cursors");
    }
    if timeout(JOURNAL_CLOSE, journal.close()).await.is_err() {
        tracing::error!("the journal did not close in time");
    }
    tracing::info!("stopped");
}
