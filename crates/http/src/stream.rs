use std::{net::IpAddr, time::Duration};

use actix_web::{
    HttpRequest, HttpResponse, HttpResponseBuilder,
    body::{self as http_body, BodyStream},
    cookie::Cookie,
    http::{
        Method,
        header::{self, HeaderMap, HeaderName},
    },
    web::Data,
};
use pushgate_fanout::{Lease, Peer, Subscribe, Subscriber};
use pushgate_model::TenantId;
use pushgate_upstream::Directory;

use crate::{
    address::client_address, auth::Intent, body::EventBody, direct::OpenStream, edge::no_content, lifecycle::Phase,
    metrics::Refusal, problem::Problem, public::Public, query::Query, resume::resume, transport::Traffic,
};

/// How much of a `User-Agent` is kept for as long as its stream lives.
const USER_AGENT_BYTES: usize = 256;

const EVENT_STREAM: &str = "text/event-stream";

/// Tells nginx, and those that took over its header, to pass events on as they come.
const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// When a stream that is refused comes back: each somewhere in between, so that they do not all come at once.
const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(5));

/// `GET /events/{tenant}`: one tenant's pushes as they are committed.
pub(crate) async fn one(request: HttpRequest, public: Data<Public>) -> Result<HttpResponse, Problem> {
    let tenant = request.match_info().query("tenant").parse()?;
    open(&request, &public, &[tenant]).await
}

/// `GET /events?tenant=a&tenant=b`: the pushes of several tenants on one stream.
pub(crate) async fn several(request: HttpRequest, public: Data<Public>) -> Result<HttpResponse, Problem> {
    let tenants = named_tenants(&Query::of(&request), public.policy.get().limits.tenants_per_stream)?;
    open(&request, &public, &tenants).await
}

/// Each tenant once, in the order of the first mention.
fn named_tenants(query: &Query, limit: usize) -> Result<Vec<TenantId>, Problem> {
    let mut tenants: Vec<TenantId> = Vec::new();
    for text in query.all("tenant") {
        if tenants.iter().any(|known| known.as_str() == text) {
            continue;
        }
        if tenants.len() == limit {
            return Err(Problem::TooManyTenants { limit });
        }
        tenants.push(text.parse()?);
    }
    if tenants.is_empty() { Err(Problem::NoTenant) } else { Ok(tenants) }
}

/// In this order: whether the gateway serves at all; who asks, and whether he may read these tenants; whether they exist;
/// whether there is room. So nobody learns anything that he has no right to.
async fn open(request: &HttpRequest, public: &Public, named: &[TenantId]) -> Result<HttpResponse, Problem> {
    let phase = public.deps.lifecycle.phase();
    if phase == Phase::Starting {
        return refuse(request, public, Refusal::Phase(phase));
    }
    let policy = public.policy.get();
    let address = client_address(request, &policy.trusted_proxies);
    if let Err(limit) = public.limits.knock(&policy.limits, address) {
        return refuse(request, public, Refusal::Limit(limit));
    }
    let grant = match public.auth.authorize(request, &Query::of(request), Intent::Stream, named).await {
        // This is no fault of whoever asks, and passes.
        Err(Problem::KeysUnknown) => return refuse(request, public, Refusal::KeysUnknown),
        grant => grant?,
    };
    let tenants = present(&public.deps.directory, named)?;
    if phase == Phase::Draining && !accepts_events(request.headers()) {
        return refuse(request, public, Refusal::Phase(phase));
    }
    if request.method() == Method::HEAD && !tenants.is_empty() {
        return Ok(head().body(http_body::None::new()));
    }
    let permit = match public.limits.admit(&policy.limits, address, &grant, &tenants) {
        Ok(permit) => permit,
        // It comes back with the same URL, whose ticket is used up by now.
        Err(limit) => return refuse_with(request, public, Refusal::Limit(limit), grant.cookie),
    };
    let mut head = head_with(grant.cookie.clone());
    match subscribe(request, public, tenants, (address, &grant.lease))? {
        Some(subscriber) => {
            let stream = OpenStream { subscriber, permit };
            Ok(head.body(BodyStream::new(EventBody::new(stream, Traffic::of(request)))))
        }
        // Ends an EventSource for good (WHATWG HTML, section 9.2.3), which is what there is to do.
        None => Ok(no_content()),
    }
}

/// Opens the stream; nothing when there is no tenant left for it. During a drain the fan-out ends it at once, with a
/// `shutdown` event and a `retry:`.
fn subscribe(
    request: &HttpRequest,
    public: &Public,
    mut tenants: Vec<TenantId>,
    (address, lease): (IpAddr, &Lease),
) -> Result<Option<Subscriber>, Problem> {
    let resume = resume(request.headers(), &Query::of(request));
    while !tenants.is_empty() {
        let subscribe = Subscribe {
            tenants: tenants.clone(),
            resume: resume.clone(),
            peer: peer(request, address),
            lease: lease.clone(),
        };
        let subscriber = public.shard.subscribe(subscribe);
        let still = present(&public.deps.directory, &tenants)?;
        if still == tenants {
            tracing::debug!(tenants = tenants.len(), ?resume, "stream opened");
            public.counts.streams_opened.inc();
            return Ok(Some(subscriber));
        }
        // One was removed before the fan-out knew this stream, which nobody would tell now: begin without it.
        tenants = still;
    }
    Ok(None)
}

/// Those of the tenants that there are. One that was removed is left out until its name returns.
fn present(directory: &Directory, named: &[TenantId]) -> Result<Vec<TenantId>, Problem> {
    let mut present = Vec::with_capacity(named.len());
    for tenant in named {
        if directory.contains(tenant) {
            present.push(tenant.clone());
        } else if !directory.was_removed(tenant) {
            return Err(Problem::UnknownTenant(tenant.clone()));
        }
    }
    Ok(present)
}

/// Whom operators see at the other end.
fn peer(request: &HttpRequest, address: IpAddr) -> Peer {
    let user_agent = request.headers().get(header::USER_AGENT).map(|value| {
        let text = String::from_utf8_lossy(value.as_bytes());
        text[..text.floor_char_boundary(USER_AGENT_BYTES)].to_owned()
    });
    Peer { address: address.to_string(), user_agent }
}

/// A browser gives up for good on any status but 200, so it is told in its own words to come back.
fn refuse(request: &HttpRequest, public: &Public, refusal: Refusal) -> Result<HttpResponse, Problem> {
    refuse_with(request, public, refusal, None)
}

/// The same, with the cookie by which a redeemed ticket counts when it comes back.
fn refuse_with(
    request: &HttpRequest,
    public: &Public,
    refusal: Refusal,
    cookie: Option<Cookie<'static>>,
) -> Result<HttpResponse, Problem> {
    public.counts.stream_refused(refusal);
    if !accepts_events(request.headers()) {
        return Err(match refusal {
            Refusal::Phase(phase) => Problem::NotServing(phase),
            Refusal::Limit(limit) => Problem::OverLimit(limit),
            Refusal::KeysUnknown => Problem::KeysUnknown,
        });
    }
    let retry = fastrand::u128(RETRY.0.as_millis()..=RETRY.1.as_millis());
    Ok(head_with(cookie).force_close().body(format!("retry: {retry}\n\n")))
}

fn head() -> HttpResponseBuilder {
    let mut response = HttpResponse::Ok();
    response
        .content_type(EVENT_STREAM)
        .insert_header((header::CACHE_CONTROL, "no-store, no-transform"))
        .insert_header((X_ACCEL_BUFFERING, "no"))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"));
    response
}

fn head_with(cookie: Option<Cookie<'static>>) -> HttpResponseBuilder {
    let mut response = head();
    if let Some(cookie) = cookie {
        response.cookie(cookie);
    }
    response
}

/// Whether the client names `text/event-stream`, as every EventSource does.
fn accepts_events(headers: &HeaderMap) -> bool {
    headers
        .get_all(header::ACCEPT)
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|range| range.split(';').next())
        .any(|range| range.trim().eq_ignore_ascii_case(EVENT_STREAM))
}

#[cfg(test)]
mod tests {
    use actix_web::{http::header::ACCEPT, test::TestRequest};

    use super::*;

    fn named(query: &str) -> Result<Vec<String>, Problem> {
        let request = TestRequest::with_uri(&format!("/events?{query}")).to_http_request();
        named_tenants(&Query::of(&request), 2).map(|all| all.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn tenants_are_named_once_and_up_to_the_limit() {
        assert_eq!(named("tenant=b&tenant=a&tenant=b").unwrap(), ["b", "a"]);
        assert!(matches!(named(""), Err(Problem::NoTenant)));
        assert!(matches!(named("tenant=a&tenant=b&tenant=c"), Err(Problem::TooManyTenants { limit: 2 })));
        assert!(matches!(named("tenant=a,b"), Err(Problem::InvalidTenant(_))));
        assert!(matches!(named("tenant="), Err(Problem::InvalidTenant(_))));
    }

    #[test]
    fn only_a_named_event_stream_counts() {
        let accepts = |value: &'static str| {
            let request = TestRequest::default().insert_header((ACCEPT, value)).to_http_request();
            accepts_events(request.headers())
        };
        for yes in ["text/event-stream", "application/json, Text/Event-Stream;q=0.9"] {
            assert!(accepts(yes), "{yes}");
        }
        for no in ["*/*", "text/*", "application/json", "text/event-streams", ""] {
            assert!(!accepts(no), "{no}");
        }
        assert!(!accepts_events(TestRequest::default().to_http_request().headers()));
    }
}
