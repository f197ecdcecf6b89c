//! Fetching the keys of `auth.jwks_url`.
//!
//! One task. It fetches when the source is new, every quarter of an hour, at a reload, and when somebody comes with a key
//! that is not known; after a failure it waits longer each time. What was fetched last stays for as long as nothing better comes.
//! Begin reading at [`KeyFetcher::run`].

mod pace;

use std::{convert::Infallible, sync::Arc, time::Duration};

use actix_rt::task::JoinHandle;
use pushgate_http::{AuthMode, KeyError, Keys, RemoteKeys};
use pushgate_subscriber::{HttpClient, HttpConfig, HttpError};
use rustls::{ClientConfig, RootCertStore, crypto::ring, pki_types::CertificateDer};
use tokio::{
    sync::{Notify, watch},
    time::sleep,
};

use crate::settings::{MAX_JWKS, Settings};
use pace::Pace;

/// From the dial to the last byte.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Neither somebody who makes up keys nor many reloads must have the login service asked more often than this.
const GAP: Duration = Duration::from_secs(10);

/// Where the keys are, and whom to trust there beside the system's roots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeySource {
    url: String,
    authorities: Vec<CertificateDer<'static>>,
}

impl KeySource {
    /// Nothing, unless keys have to be fetched.
    pub(crate) fn of(settings: &Settings) -> Option<Self> {
        match &settings.http.policy.auth.mode {
            AuthMode::Jwt(jwt) => match &jwt.keys {
                Keys::Remote { url } => {
                    Some(Self { url: url.clone(), authorities: settings.tokens.authorities.clone() })
                }
                Keys::Known(_) => None,
            },
            AuthMode::None => None,
        }
    }
}

/// Tells who fetches where the keys are now. Clones tell the same one.
#[derive(Clone, Debug)]
pub(crate) struct Signpost {
    source: watch::Sender<Option<KeySource>>,
    /// The keys there may be others by now.
    again: Arc<Notify>,
}

impl Signpost {
    /// At the start.
    pub(crate) fn new(source: Option<KeySource>) -> Self {
        Self { source: watch::Sender::new(source), again: Arc::default() }
    }

    /// From now on. Another source is asked at once; so is the same one, unless it was just asked: whoever took a key out
    /// there must not wait until it is due.
    pub(crate) fn point_to(&self, source: Option<KeySource>) {
        let is_new = self.source.send_if_modified(|current| {
            let is_new = *current != source;
            *current = source;
            is_new
        });
        if !is_new {
            self.again.notify_one();
        }
    }
}

/// Fetches keys in the background until it is dropped.
#[derive(Debug)]
pub(crate) struct Fetching(JoinHandle<()>);

impl Fetching {
    /// From where the signpost points to. Call inside an actix system.
    pub(crate) fn start(keys: RemoteKeys, signpost: &Signpost) -> Self {
        let (source, again) = (signpost.source.subscribe(), Arc::clone(&signpost.again));
        Self(actix_rt::spawn(KeyFetcher { keys, source, again }.run()))
    }
}

impl Drop for Fetching {
    fn drop(&mut self) {
        self.0.abort();
    }
}

struct KeyFetcher {
    keys: RemoteKeys,
    source: watch::Receiver<Option<KeySource>>,
    again: Arc<Notify>,
}

/// Why keys could not be fetched.
#[derive(Debug, thiserror::Error)]
enum FetchError {
    #[error(transparent)]
    Http(#[from] HttpError),
    /// A redirect is one of them: whoever may redirect could name a source that nobody configured.
    #[error("the answer has status {0} instead of 200")]
    Status(u16),
    #[error("the answer is not UTF-8")]
    NotText,
    #[error(transparent)]
    Keys(#[from] KeyError),
}

impl KeyFetcher {
    /// Until nobody can change the source any more.
    async fn run(mut self) {
        loop {
            let source = self.source.borrow_and_update().clone();
            let changed = self.source.changed();
            let changed = match source {
                None => changed.await,
                Some(source) => tokio::select! {
                    never = follow(&self.keys, &source, &self.again) => match never {},
                    changed = changed => changed,
                },
            };
            if changed.is_err() {
                return;
            }
        }
    }
}

/// Fetches from one source, again and again.
async fn follow(keys: &RemoteKeys, source: &KeySource, again: &Notify) -> Infallible {
    let client = client(source.authorities.clone()).await;
    let mut pace = Pace::default();
    loop {
        let pause = match fetch(&client, keys, &source.url).await {
            Ok(()) => {
                if pace.was_failing() {
                    tracing::info!("the keys of jwks_url are fetched again");
                }
                pace.succeeded()
            }
            Err(error) => {
                keys.failed();
                if !pace.was_failing() {
                    tracing::warn!(%error, "the keys of jwks_url can't be fetched: those that are known stay");
                }
                pace.failed()
            }
        };
        let wanted = async {
            sleep(GAP).await;
            tokio::select! {
                () = keys.wanted() => tracing::debug!("keys are wanted that are not known"),
                () = again.notified() => tracing::debug!("the settings were reloaded: the keys are fetched again"),
            }
        };
        tokio::select! {
            () = sleep(pause) => {}
            () = wanted => {}
        }
    }
}

async fn fetch(client: &HttpClient, keys: &RemoteKeys, url: &str) -> Result<(), FetchError> {
    Ok(keys.set(url, &text(client, url).await?)?)
}

async fn text(client: &HttpClient, url: &str) -> Result<String, FetchError> {
    let answer = client.get(url).await?;
    if answer.status != 200 {
        return Err(FetchError::Status(answer.status));
    }
    String::from_utf8(answer.body.into()).map_err(|_| FetchError::NotText)
}

/// Reading the system's roots takes files and time, so it is done elsewhere; without them only `authorities` are trusted.
async fn client(authorities: Vec<CertificateDer<'static>>) -> HttpClient {
    let trusting = actix_rt::task::spawn_blocking(move || tls(authorities)).await;
    let tls = trusting.inspect_err(|error| tracing::error!(%error, "TLS towards jwks_url can't be set up")).ok();
    HttpClient::new(HttpConfig { timeout: TIMEOUT, max_body: MAX_JWKS, bearer: None, tls })
}

fn tls(authorities: Vec<CertificateDer<'static>>) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    roots.add_parsable_certificates(authorities);
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring supports the default protocol versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    Arc::new(config)
}

#[cfg(test)]
mod tests;
