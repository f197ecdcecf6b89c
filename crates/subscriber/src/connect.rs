use std::{sync::Arc, time::Duration};

use awc::{Client, Connector, http::Uri, http::Version};
use rustls::ClientConfig;

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
    let connector = Connector::new().limit(UNLIMITED).timeout(timeout).handshake_timeout(timeout);
    let builder = match redirects {
        Redirects::Followed => Client::builder(),
        Redirects::Answers => Client::builder().disable_redirects(),
    };
    let builder = builder.timeout(timeout);
    match tls {
        // A stream holds its connection for itself, so HTTP/2 would gain nothing.
        Some(tls) => {
            let mut tls = ClientConfig::clone(tls);
            tls.alpn_protocols = vec![b"http/1.1".to_vec()];
            builder.connector(connector.rustls_0_23(Arc::new(tls))).finish()
        }
        None => builder.connector(connector).max_http_version(Version::HTTP_11).finish(),
    }
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
