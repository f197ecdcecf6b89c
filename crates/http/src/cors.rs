//! Which pages of other origins may read the public listener (Fetch Standard, section 3.3): those that the operator lists,
//! with credentials. An origin is never reflected unless it is listed, and there is no `*`.
//!
//! Whoever is not listed is served all the same, because only browsers look at these headers: they keep the answer from
//! the page. Access is a matter of tokens.

use std::collections::BTreeSet;

use actix_web::{
    HttpRequest,
    body::BoxBody,
    dev::ServiceResponse,
    http::{
        Method, StatusCode,
        header::{
            ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
            ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
            ACCESS_CONTROL_REQUEST_METHOD, ALLOW, HeaderMap, HeaderValue, ORIGIN, VARY,
        },
    },
};

/// What a page may send beside what it always may. `Cache-Control` is sent by common polyfills of `EventSource`.
const MAY_SEND: HeaderValue =
    HeaderValue::from_static("Authorization, Content-Type, Last-Event-ID, Cache-Control, If-None-Match");

/// What a page may read beside what it always may.
const MAY_READ: HeaderValue = HeaderValue::from_static("Retry-After, WWW-Authenticate, ETag");

/// Seconds for which a browser need not ask again; the browsers themselves allow no more than two hours.
const MAX_AGE: HeaderValue = HeaderValue::from_static("7200");

/// Tells a browser whether the page may read the answer, and before that, whether it may ask.
pub(crate) fn annotate(response: &mut ServiceResponse<BoxBody>, origins: &BTreeSet<String>) {
    if origins.is_empty() {
        return;
    }
    let request = response.request();
    let origin = listed(request, origins);
    let preflight = is_preflight(request);
    let answered = response.status() == StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    // Also without an origin, or a cache would give this answer to a page.
    headers.append(VARY, HeaderValue::from_static("Origin"));
    let Some(origin) = origin else { return };
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    if preflight && answered {
        permit(headers);
    } else {
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, MAY_READ);
    }
}

/// What a page may send here: the methods are those of the path.
fn permit(headers: &mut HeaderMap) {
    if let Some(methods) = headers.get(ALLOW).cloned() {
        headers.insert(ACCESS_CONTROL_ALLOW_METHODS, methods);
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, MAY_SEND);
        headers.insert(ACCESS_CONTROL_MAX_AGE, MAX_AGE);
    }
}

fn is_preflight(request: &HttpRequest) -> bool {
    request.method() == Method::OPTIONS && request.headers().contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}

/// The origin of the page, when there is exactly one and it is listed.
fn listed(request: &HttpRequest, origins: &BTreeSet<String>) -> Option<HeaderValue> {
    let mut given = request.headers().get_all(ORIGIN);
    let (origin, more) = (given.next()?, given.next());
    let known = more.is_none() && origin.to_str().is_ok_and(|origin| origins.contains(origin));
    known.then(|| origin.clone())
}
