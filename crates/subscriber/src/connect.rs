use std::{sync::Arc, time::Duration};

use awc::{Client, Connector, http::Uri, http::Version};
use rustls::ClientConfig;

use crate::dial::{Dial, Secured};

/// Responses kept open at a time by one client; 0 is no limit: each stream has its own.
const UNLIMITED: usize = 0;

/// What becomes of a redirect.
enum Redirects {
    Followed,
    Answers,
}

/// A client whose requests end without a response head after `timeout`. As a browser's, its streams follow redirects.
pub(crate) fn client(timeout: Duration, tls: Option<&Arc<ClientConfig>>) -> Client {
    build(timeout, tls, &Redirects::Followed)
}

/// The same for single requests, to which a redirect is an answer like others.
pub(crate) fn direct_client(timeout: Duration, tls: Option<&Arc<ClientConfig>>) -> Client {
    build(timeout, tls, &Redirects::Answers)
}

fn build(timeout: Duration, tls: Option<&Arc<ClientConfig>>, redirects: &Redirects) -> Client {
    let tls = tls.map(|tls| Arc::new(only_http_1_1(tls)));
    let dial = Dial::new(tls.clone());
    let connector = Connector::new().connector(dial).limit(UNLIMITED).timeout(timeout);
    let builder = match redirects {
        Redirects::Followed => Client::builder(),
        Redirects::Answers => Client::builder().disable_redirects(),
    };
    let builder = builder.timeout(timeout).connector(connector).max_http_version(Version::HTTP_11);
    // Without TLS settings the library itself refuses what a redirect leads to.
    if tls.is_some() { builder.wrap(Secured).finish() } else { builder.finish() }
}

/// A stream holds its connection for itself, so HTTP/2 would gain nothing.
fn only_http_1_1(tls: &Arc<ClientConfig>) -> ClientConfig {
    let mut tls = ClientConfig::clone(tls);
    tls.alpn_protocols = vec![b"http/1.1".to_vec()];
    tls
}

/// The URL, once it is certain that the client can dial it.
pub(crate) fn checked_url(url: &str, tls: Option<&Arc<ClientConfig>>) -> Result<Uri, String> {
    let uri: Uri = url.parse().map_err(|error| format!("not a URL: {error}"))?;
    let host = uri.host().filter(|host| !host.is_empty());
    match (uri.scheme_str(), host) {
        (_, None) => Err("the URL has no host".to_owned()),
        (Some("http"), _) => Ok(uri),
        (Some("https"), _) if tls.is_some() => Ok(uri),
        (Some("https"), _) => Err("an https URL needs TLS settings".to_owned()),
        _ => Err("the URL's scheme is neither http nor https".to_owned()),
    }
}
