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

/// Host and port of a URL, by which connect gates are shared, however they are spelled.
pub(crate) fn authority(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let authority = rest[..end].to_ascii_lowercase();
    let has_port = authority.rfind(':').is_some_and(|colon| !authority[colon..].contains(']'));
    match scheme {
        _ if has_port => authority,
        "wss" => format!("{authority}:443"),
        _ => format!("{authority}:80"),
    }
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
    fn authority_is_host_and_port_however_spelled() {
        assert_eq!(authority("wss://Push.Example.com/ws"), "push.example.com:443");
        assert_eq!(authority("wss://push.example.com:443?x"), "push.example.com:443");
        assert_eq!(authority("ws://[::1]:7070?x=/"), "[::1]:7070");
        assert_eq!(authority("ws://[::1]"), "[::1]:80");
    }
}
