use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use secrecy::ExposeSecret;

use crate::TenantConfig;

/// Everything but the unreserved characters (RFC 3986, section 2.3) is encoded in a query.
const QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Whether a URL is to be dialled by TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Security {
    /// `ws://`
    Plain,
    /// `wss://`
    Tls,
}

impl Security {
    pub(crate) fn of(url: &str) -> Self {
        match url.split_once("://") {
            Some((scheme, _)) if scheme.eq_ignore_ascii_case("wss") => Self::Tls,
            _ => Self::Plain,
        }
    }

    /// The port of a URL that names none.
    pub(crate) fn default_port(self) -> u16 {
        match self {
            Self::Plain => 80,
            Self::Tls => 443,
        }
    }
}

/// The tenant's URL with its query secrets. Never to be logged.
///
/// Its scheme is `ws` also for a secure service: the connector does TLS, and awc must not.
pub(crate) fn request_url(tenant: &TenantConfig) -> String {
    let rest = tenant.url.split_once("://").map_or(tenant.url.as_str(), |(_, rest)| rest);
    let mut url = format!("ws://{rest}");
    let mut separator = if url.contains('?') { '&' } else { '?' };
    for (key, value) in &tenant.query {
        url.push(separator);
        url.extend(utf8_percent_encode(key, QUERY));
        url.push('=');
        url.extend(utf8_percent_encode(value.expose_secret(), QUERY));
        separator = '&';
    }
    url
}

/// Host and port of a URL, by which connect gates are shared, however they are spelled.
pub(crate) fn authority(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let authority = rest[..end].rsplit('@').next().unwrap_or_default().to_ascii_lowercase();
    let has_port = authority.rfind(':').is_some_and(|colon| !authority[colon..].contains(']'));
    if has_port { authority } else { format!("{authority}:{}", Security::of(url).default_port()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn query_secrets_are_encoded_behind_what_the_url_has() {
        let mut tenant = TenantConfig::new("acme".parse().unwrap(), "wss://push.example.com/ws");
        tenant.query = vec![("key".to_owned(), "a&b=ä".into()), ("v".to_owned(), "2".into())];
        assert_eq!(request_url(&tenant), "ws://push.example.com/ws?key=a%26b%3D%C3%A4&v=2");
        tenant.url.push_str("?x=1");
        assert_eq!(request_url(&tenant), "ws://push.example.com/ws?x=1&key=a%26b%3D%C3%A4&v=2");
    }

    #[test]
    fn authority_is_host_and_port_however_spelled() {
        assert_eq!(authority("wss://Push.Example.com/ws"), "push.example.com:443");
        assert_eq!(authority("wss://push.example.com:443?x"), "push.example.com:443");
        assert_eq!(authority("ws://[::1]:7070?x=/"), "[::1]:7070");
        assert_eq!(authority("ws://[::1]"), "[::1]:80");
        assert_eq!(authority("WSS://user@push.example.com"), "push.example.com:443");
    }
}
