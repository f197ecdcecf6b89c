use std::hint::black_box;

use actix_web::{
    Error, ResponseError as _,
    body::{BoxBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::header::{self, HeaderMap, HeaderName},
    middleware::Next,
    web::Data,
};
use secrecy::{ExposeSecret as _, SecretString};

use crate::{probes, problem::Problem};

/// Says from where a browser's request comes; a page can't set or remove it.
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// A page of this listener itself, and a person who typed the address.
const OWN_SITE: [&str; 2] = ["same-origin", "none"];

/// The names under which a request from this machine may ask.
const LOOPBACK: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

/// Who may use the admin listener.
#[derive(Clone, Debug)]
pub(crate) enum Access {
    /// Whoever knows the token; health probes need none.
    Token(SecretString),
    /// Whoever is on this machine, as long as no other site speaks through his browser: a page may resolve its own name
    /// to 127.0.0.1 (DNS rebinding), or simply send requests to it.
    Loopback,
}

/// Lets a request through, or answers in its place.
pub(crate) async fn admit(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let access = request.app_data::<Data<Access>>().expect("the admin listener is built with it");
    let verdict = match &***access {
        Access::Token(_) if matches!(request.path(), probes::HEALTHZ | probes::READYZ) => Ok(()),
        Access::Token(token) => check_token(token, request.headers()),
        Access::Loopback => check_origin(request.headers()),
    };
    match verdict {
        Ok(()) => Ok(next.call(request).await?.map_into_boxed_body()),
        Err(problem) => Ok(request.into_response(problem.error_response())),
    }
}

fn check_token(token: &SecretString, headers: &HeaderMap) -> Result<(), Problem> {
    let credentials = headers.get(header::AUTHORIZATION).map_or(&b""[..], |value| value.as_bytes());
    let (scheme, given) = credentials.split_at_checked("Bearer ".len()).unwrap_or_default();
    let token = token.expose_secret().as_bytes();
    let known = scheme.eq_ignore_ascii_case(b"Bearer ") && !token.is_empty() && same(token, given.trim_ascii());
    if known { Ok(()) } else { Err(Problem::Unauthorized) }
}

/// Compares without telling by its time how much of a guess was right; only the length may be learnt.
fn same(a: &[u8], b: &[u8]) -> bool {
    let difference = a.iter().zip(b).fold(0, |seen, (x, y)| black_box(seen | (x ^ y)));
    a.len() == b.len() && difference == 0
}

fn check_origin(headers: &HeaderMap) -> Result<(), Problem> {
    let host = text(headers, header::HOST).unwrap_or_default();
    if !LOOPBACK.iter().any(|name| without_port(host).eq_ignore_ascii_case(name)) {
        return Err(Problem::ForeignHost);
    }
    // Another port of this machine is `same-site`: whoever serves a page there is somebody else.
    let foreign_site = headers.get(SEC_FETCH_SITE).is_some_and(|site| !OWN_SITE.iter().any(|own| site == own));
    // `null`, and anything else that is no `http://host`, is nobody we know.
    let own = |origin: &str| origin.strip_prefix("http://").is_some_and(|rest| rest.eq_ignore_ascii_case(host));
    let foreign_origin = headers.get(header::ORIGIN).is_some_and(|value| !value.to_str().is_ok_and(own));
    if foreign_site || foreign_origin { Err(Problem::CrossSite) } else { Ok(()) }
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

/// A `Host` without its port. Of a bare IPv6 address nothing is cut: it is written in brackets there.
fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut request = TestRequest::default();
        for pair in pairs {
            request = request.insert_header(*pair);
        }
        request.to_http_request().headers().clone()
    }

    #[test]
    fn only_the_whole_token_opens() {
        let token = SecretString::from("s3cret");
        let admitted = |value| check_token(&token, &headers(&[("authorization", value)])).is_ok();
        for good in ["Bearer s3cret", "bearer s3cret", "Bearer   s3cret "] {
            assert!(admitted(good), "{good}");
        }
        for bad in
            ["", "Bearer", "Bearer ", "Bearer s3cre", "Bearer s3crets", "Bearer S3cret", "Basic s3cret", "s3cret"]
        {
            assert!(!admitted(bad), "{bad}");
        }
        assert!(check_token(&token, &headers(&[])).is_err());
        assert!(check_token(&SecretString::from(""), &headers(&[("authorization", "Bearer ")])).is_err());
    }

    #[test]
    fn only_loopback_names_are_answered() {
        let admitted = |host| check_origin(&headers(&[("host", host)])).is_ok();
        for good in ["localhost", "LOCALHOST:9090", "127.0.0.1", "127.0.0.1:9090", "[::1]", "[::1]:9090"] {
            assert!(admitted(good), "{good}");
        }
        for bad in ["", "evil.example", "localhost.evil.example", "127.0.0.1.evil.example:9090", "::1", "10.0.0.1:9090"]
        {
            assert!(!admitted(bad), "{bad}");
        }
        assert!(check_origin(&headers(&[])).is_err());
    }

    #[test]
    fn other_sites_are_refused() {
        let admitted = |name, value| check_origin(&headers(&[("host", "localhost:9090"), (name, value)])).is_ok();
        assert!(admitted("sec-fetch-site", "same-origin"));
        assert!(admitted("sec-fetch-site", "none"));
        for bad in ["cross-site", "same-site", "", "anything"] {
            assert!(!admitted("sec-fetch-site", bad), "{bad}");
        }
        assert!(admitted("origin", "http://localhost:9090"));
        for bad in ["http://localhost:3000", "https://localhost:9090", "http://evil.example", "null", ""] {
            assert!(!admitted("origin", bad), "{bad}");
        }
    }
}
