use actix_web::{
    HttpRequest,
    http::header::{self, HeaderName},
};

use super::Intent;
use crate::{Policy, address::is_https};

/// Says from where a browser's request comes; a page can't set or remove it.
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Whether a request that is sent by a browser comes from a page that may use the browser's cookies: one of this very
/// origin, or of `server.cors_origins`.
///
/// Another port or another name of the same site is somebody else.
pub(super) fn is_trusted(request: &HttpRequest, intent: Intent, policy: &Policy) -> bool {
    let site = request.headers().get(SEC_FETCH_SITE).map(|value| value.as_bytes());
    let mut origins = request.headers().get_all(header::ORIGIN);
    match (origins.next(), origins.next(), site) {
        (Some(origin), None, site) => origin.to_str().is_ok_and(|origin| {
            let scheme = if is_https(request, &policy.trusted_proxies) { "https" } else { "http" };
            // Behind a proxy that nobody named, the scheme can't be known; but the browser knows its own.
            let own = host_of(origin, scheme) || (site == Some(b"same-origin") && host_of(origin, "https"));
            policy.cors_origins.contains(origin) || (own && is_host(request, origin))
        }),
        (Some(_), Some(_), _) => false,
        (None, _, Some(site)) => site == b"same-origin" || site == b"none",
        // No browser of today. Whatever it is, it may look, but not change anything by a cookie alone.
        (None, _, None) => intent != Intent::Change,
    }
}

/// Whether an origin has this scheme.
fn host_of(origin: &str, scheme: &str) -> bool {
    origin.strip_prefix(scheme).is_some_and(|rest| rest.starts_with("://"))
}

/// Whether an origin is of the host that the request is for. A browser leaves its scheme's usual port out of both.
fn is_host(request: &HttpRequest, origin: &str) -> bool {
    let Some((scheme, host)) = origin.split_once("://") else { return false };
    let usual_port = if scheme == "https" { ":443" } else { ":80" };
    // HTTP/2 has it in the request's target instead.
    let asked = request.headers().get(header::HOST).and_then(|value| value.to_str().ok());
    let asked = asked.or_else(|| request.uri().authority().map(|authority| authority.as_str())).unwrap_or_default();
    let asked = asked.strip_suffix(usual_port).unwrap_or(asked);
    !asked.is_empty() && asked.eq_ignore_ascii_case(host)
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn trusted(intent: Intent, headers: &[(&'static str, &'static str)]) -> bool {
        let mut request = TestRequest::default().peer_addr(([10, 0, 0, 1], 1).into());
        for pair in headers {
            request = request.append_header(*pair);
        }
        let policy = Policy {
            cors_origins: ["https://app.example.com".to_owned()].into(),
            trusted_proxies: vec!["10.0.0.0/8".parse().unwrap()],
            ..Policy::default()
        };
        is_trusted(&request.to_http_request(), intent, &policy)
    }

    #[test]
    fn own_pages_and_those_of_the_list_are_trusted() {
        let host = ("host", "push.example.com");
        for origin in ["http://push.example.com", "https://app.example.com"] {
            for intent in [Intent::Read, Intent::Change, Intent::Stream] {
                assert!(trusted(intent, &[host, ("origin", origin)]), "{origin}");
            }
        }
        assert!(trusted(
            Intent::Change,
            &[("host", "push.example.com:8080"), ("origin", "http://push.example.com:8080")]
        ));
        assert!(trusted(Intent::Change, &[("host", "PUSH.example.com:80"), ("origin", "http://push.example.com")]));
        // Of the list also where the browser says that it is another site: it is.
        let list = ("origin", "https://app.example.com");
        assert!(trusted(Intent::Change, &[host, list, ("sec-fetch-site", "cross-site")]));
    }

    #[test]
    fn other_origins_are_not() {
        let host = ("host", "push.example.com");
        for origin in [
            "https://evil.example",
            "http://push.example.com:8080",
            "http://app.example.com",
            "https://app.example.com.evil.example",
            "http://push.example.com.evil.example",
            "null",
            "",
            "push.example.com",
            "http://",
        ] {
            assert!(!trusted(Intent::Read, &[host, ("origin", origin)]), "{origin}");
        }
        let own = ("origin", "http://push.example.com");
        assert!(!trusted(Intent::Read, &[host, own, own]), "one too many");
        assert!(!trusted(Intent::Read, &[("origin", "http://")]), "no host");
    }

    #[test]
    fn a_scheme_that_a_proxy_hides_is_known_to_the_browser() {
        let (host, own) = (("host", "push.example.com"), ("origin", "https://push.example.com"));
        assert!(!trusted(Intent::Change, &[host, own]));
        assert!(!trusted(Intent::Change, &[host, own, ("sec-fetch-site", "same-site")]));
        assert!(trusted(Intent::Change, &[host, own, ("sec-fetch-site", "same-origin")]));
        let foreign = ("origin", "https://evil.example");
        assert!(!trusted(Intent::Change, &[host, foreign, ("sec-fetch-site", "same-origin")]));
    }

    #[test]
    fn without_an_origin_the_browser_says_where_it_comes_from() {
        for good in ["same-origin", "none"] {
            assert!(trusted(Intent::Stream, &[("sec-fetch-site", good)]), "{good}");
        }
        for bad in ["same-site", "cross-site", "", "anything"] {
            assert!(!trusted(Intent::Stream, &[("sec-fetch-site", bad)]), "{bad}");
        }
        assert!(trusted(Intent::Stream, &[]) && trusted(Intent::Read, &[]) && !trusted(Intent::Change, &[]));
    }
}
