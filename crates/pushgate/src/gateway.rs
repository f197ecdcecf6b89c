//! How the crates are wired into one gateway, and how it stops.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use pushgate_fanout::Fanout;
use pushgate_http::{Deps, Http, HttpError, HttpHandle, Lifecycle};
use pushgate_journal::{Journal, JournalError, sqlite::SqliteJournal};
use pushgate_upstream::{
    Directory, TenantReader, TenantSources, Tenants, Upstream, UpstreamDeps, UpstreamError, Vitals, Words,
};
use tokio::time::{sleep, timeout};

use crate::{
    jwks::{Fetching, KeySource, Signpost},
    reload::{Parts, Reloader, Running},
    settings::{RequestReader, Settings},
};

/// Commit batches that may wait for the dispatch thread before the journal's writer waits.
const COMMIT_QUEUE: usize = 256;
/// How long connections may take to finish commits, flush answers and close: more than a session waits for the service's
/// Close.
const UPSTREAM_DRAIN: Duration = Duration::from_secs(4);
/// How long the streams wait for the connections, so that they get what these still commit. Whoever takes longer only waits
/// for a service that does not answer a Close.
const HEAD_START: Duration = Duration::from_millis(1500);
/// How long the public listener may take to serve whom the kernel holds for it, and close.
const CLOSING: Duration = Duration::from_millis(500);
/// How far the ends of streams are apart: what a gateway opens in that time without being felt by those that stay.
const SPREAD_PER_STREAM: Duration = Duration::from_millis(10);
/// The longest time over which the ends of all streams are spread.
const SPREAD: Duration = Duration::from_secs(3);
/// How long after that a stream may take to go.
const STREAM_GRACE: Duration = Duration::from_secs(1);
/// How long requests may take to end, and both listeners to close: more than the 2 s and 1 s after which they cut what is
/// left.
const HTTP_STOP: Duration = Duration::from_millis(3200);
/// How long the journal may take to commit what is queued and close. With the head start (1.5 s), the streams (4 s) and the
/// listeners (3.2 s) that is 9.7 s of the 10 s that a stop may take.
const JOURNAL_CLOSE: Duration = Duration::from_secs(1);
/// When a stop ends whatever is left, if something does not keep its time.
const LAST_RESORT: Duration = Duration::from_millis(9800);
/// How often it is looked whether streams are gone.
const GLANCE: Duration = Duration::from_millis(20);

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
    signpost: Signpost,
    fetching: Fetching,
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
        let signpost = Signpost::new(KeySource::of(&settings));
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
        let fetching = Fetching::start(http.remote_keys(), &signpost);
        let upstream = prepared.start();
        lifecycle.set_ready();
        Ok(Self { journal, fanout, upstream, http, lifecycle, tenants, vitals, reader, running, signpost, fetching })
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
        let parts = Parts {
            http: self.http.handle(),
            tenants: self.tenants.clone(),
            reader: Arc::clone(&self.reader),
            signpost: self.signpost.clone(),
        };
        Reloader::new(self.running.clone(), parts)
    }

    /// Serves until `stop` completes, then drains.
    ///
    /// # Errors
    /// A listener ended by itself.
    pub async fn run(self, stop: impl Future<Output = ()>) -> Result<(), GatewayError> {
        // Keys are fetched until the end: a request under way may wait for one.
        let Self { journal, fanout, upstream, http, lifecycle, fetching: _fetching, .. } = self;
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

/// Stops in order: connections first, so that what they commit still reaches subscribers, while nobody new is let in; then
/// the streams, not all at once; then the journal.
async fn drain(journal: &SqliteJournal, fanout: &Fanout, upstream: &Upstream, http: &HttpHandle) {
    tracing::info!("draining");
    let connections = end_connections(upstream);
    tokio::pin!(connections);
    let (ended, closed) = tokio::join!(timeout(HEAD_START, &mut connections), timeout(CLOSING, http.close_public()));
    if closed.is_err() {
        tracing::warn!("the public listener did not close in time");
    }
    match ended {
        Ok(()) => end_streams(fanout).await,
        Err(_) => drop(tokio::join!(end_streams(fanout), connections)),
    }
    if timeout(HTTP_STOP, http.stop()).await.is_err() {
        tracing::warn!("some requests did not end in time and are dropped");
    }
    if timeout(JOURNAL_CLOSE, journal.close()).await.is_err() {
        tracing::error!("the journal did not close in time");
    }
    tracing::info!("stopped");
}

async fn end_connections(upstream: &Upstream) {
    if timeout(UPSTREAM_DRAIN, upstream.drain()).await.is_err() {
        tracing::warn!(
            "some connections did not end in time and are dropped: their unanswered pushes will be sent again"
        );
    }
}

/// Ends all streams, over a time that grows with their number.
async fn end_streams(fanout: &Fanout) {
    let streams = || fanout.metrics().subscribers.get();
    let spread = spread(streams());
    fanout.drain(spread);
    let ends = async {
        while streams() > 0 {
            sleep(GLANCE).await;
        }
    };
    if timeout(spread + STREAM_GRACE, ends).await.is_err() {
        tracing::warn!(streams = streams(), "some streams take no bytes and are dropped: they resume by their cursors");
    }
}

/// Over how long the ends of so many streams are spread.
fn spread(streams: i64) -> Duration {
    let streams = u32::try_from(streams.max(0)).unwrap_or(u32::MAX);
    SPREAD_PER_STREAM.saturating_mul(streams).min(SPREAD)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_streams_end_at_once_and_many_over_seconds() {
        for (streams, millis) in [(-1, 0), (0, 0), (1, 10), (50, 500), (300, 3000), (i64::MAX, 3000)] {
            assert_eq!(spread(streams), Duration::from_millis(millis), "{streams}");
        }
    }

    #[test]
    fn all_steps_together_stay_within_a_stop() {
        let streams = HEAD_START + SPREAD + STREAM_GRACE;
        assert!(CLOSING < HEAD_START);
        assert!(streams + HTTP_STOP + JOURNAL_CLOSE < LAST_RESORT);
        assert!(UPSTREAM_DRAIN + HTTP_STOP + JOURNAL_CLOSE < LAST_RESORT);
        assert!(LAST_RESORT < Duration::from_secs(10));
    }
}
