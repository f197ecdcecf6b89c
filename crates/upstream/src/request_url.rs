use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use secrecy::ExposeSecret;

use crate::TenantConfig;

/// Everything but the unreserved characters (RFC 3986, section 2.3) is encoded in a query.
const QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The tenant's URL with its query secrets. Never to be logged.
pub(crate) fn request_url(tenant: &TenantConfig) -> String {
    let mut url = tenant.url.clone();
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

/// Host and port of a URL, by which connect gates are shared: all but scheme, path and query.
pub(crate) fn authority(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    &rest[..end]
}

#[cfg(test)]
mod tests {
    use pushgate_model::Answer;

    use super::*;
    use crate::Source;

    #[test]
    fn query_secrets_are_encoded_behind_what_the_url_has() {
        let mut tenant = TenantConfig {
            id: "acme".parse().unwrap(),
            url: "wss://push.example.com/ws".to_owned(),
            bearer: None,
            headers: Vec::new(),
            query: vec![("key".to_owned(), "a&b=ä".into()), ("v".to_owned(), "2".into())],
            enabled: true,
            on_quarantine: Answer::Nack,
            source: Source::File,
        };
        assert_eq!(request_url(&tenant), "wss://push.example.com/ws?key=a%26b%3D%C3%A4&v=2");
        tenant.url.push_str("?x=1");
        assert_eq!(request_url(&tenant), "wss://push.example.com/ws?x=1&key=a%26b%3D%C3%A4&v=2");
    }

    #[test]
    fn authority_is_host_and_port() {
        assert_eq!(authority("wss://push.example.com/ws"), "push.example.com");
        assert_eq!(authority("ws://[::1]:7070?x=/"), "[::1]:7070");
        assert_eq!(authority("ws://h"), "h");
    }
}
