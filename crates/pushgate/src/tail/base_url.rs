use std::fmt;

use http::Uri;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use pushgate_http::PublicConfig;
use pushgate_model::TenantId;

use super::since::Since;
use crate::health::reachable;

const ALLOWED: &str = "must be an http or https URL with a host, without user, query or fragment, such as \
                       https://push.example.com/push";

/// What need not be encoded within a path or a query, beside letters and digits (RFC 3986, section 2.3).
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Where a gateway's public listener is, without a slash at the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BaseUrl(String);

impl BaseUrl {
    /// Reads what a person wrote.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let parsed = text.parse::<Uri>().ok().filter(|uri| {
            let web = matches!(uri.scheme_str(), Some("http" | "https"));
            let host = uri.host().is_some_and(|host| !host.is_empty());
            let user = uri.authority().is_some_and(|authority| authority.as_str().contains('@'));
            web && host && !user && uri.query().is_none() && !text.contains('#')
        });
        parsed.map(|_| Self(text.trim_end_matches('/').to_owned())).ok_or_else(|| ALLOWED.to_owned())
    }

    /// Of a listener on this machine.
    pub(super) fn of_listener(public: &PublicConfig) -> Self {
        let scheme = if public.tls.is_some() { "https" } else { "http" };
        Self(format!("{scheme}://{}{}", reachable(public.bind), public.base_path))
    }

    /// Whether TLS is spoken there.
    pub(super) fn is_https(&self) -> bool {
        self.0.get(..6).is_some_and(|scheme| scheme.eq_ignore_ascii_case("https:"))
    }

    /// The stream of these tenants.
    pub(super) fn events(&self, tenants: &[TenantId], since: Option<&Since>) -> String {
        let mut query: Vec<String> = Vec::new();
        let path = match tenants {
            [tenant] => format!("/events/{tenant}"),
            tenants => {
                query.extend(tenants.iter().map(|tenant| format!("tenant={tenant}")));
                "/events".to_owned()
            }
        };
        query.extend(since.map(|since| format!("since={}", encoded(&since.to_string()))));
        let mark = if query.is_empty() { "" } else { "?" };
        format!("{}{path}{mark}{}", self.0, query.join("&"))
    }

    /// Where a word about a push goes.
    pub(super) fn word(&self, tenant: &str, push_id: &str) -> String {
        format!("{}/tenants/{}/pushes/{}/ack", self.0, encoded(tenant), encoded(push_id))
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenants(ids: &[&str]) -> Vec<TenantId> {
        ids.iter().map(|id| id.parse().unwrap()).collect()
    }

    #[test]
    fn one_tenant_is_in_the_path_and_several_in_the_query() {
        let base = BaseUrl::parse("https://push.example.com/push/").unwrap();
        assert_eq!(base.events(&tenants(&["a"]), None), "https://push.example.com/push/events/a");
        let since = Since::parse("2026-11-24T06:00:00Z").unwrap();
        assert_eq!(
            base.events(&tenants(&["a", "b"]), Some(&since)),
            "https://push.example.com/push/events?tenant=a&tenant=b&since=2026-11-24T06%3A00%3A00.000Z"
        );
        assert!(base.is_https());
    }

    #[test]
    fn a_push_id_is_any_text() {
        let base = BaseUrl::parse("http://localhost:8080").unwrap();
        assert_eq!(base.word("a", "x/y?z ä"), "http://localhost:8080/tenants/a/pushes/x%2Fy%3Fz%20%C3%A4/ack");
        assert!(!base.is_https());
    }

    #[test]
    fn what_is_no_base_is_told_what_is_allowed() {
        for bad in [
            "",
            "push.example.com",
            "push.example.com:8080",
            "/push",
            "ftp://a/",
            "http://",
            "http://u:p@a/",
            "http://a/?x=1",
            "http://a/#x",
            "http://a b/",
        ] {
            assert_eq!(BaseUrl::parse(bad), Err(ALLOWED.to_owned()), "{bad}");
        }
    }
}
