use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use actix_web::{
    Error, HttpResponse, ResponseError as _,
    body::{BodySize, BoxBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::{ConnectionType, Version, header},
    middleware::Next,
    web::{self, Bytes},
};
use serde::Serialize;

use crate::{
    Lifecycle, Phase, StreamLimits, cors,
    metrics::{HttpCounts, Listener},
    policy::LivePolicy,
    problem::{CONTENT_TYPE, Problem},
    transport::{InHand, Traffic},
};

/// Bytes of a request's body on the admin listener. The largest are a tenant's settings with its certificate, the chain of it,
/// and their key; what subscribers may send is another matter, and set by the operator.
const ADMIN_BODY: usize = 1 << 20;

/// What both listeners do round every request.
#[derive(Clone, Debug)]
pub(crate) struct Edge {
    /// Which listener this is.
    pub(crate) listener: Listener,
    /// What the operator allows.
    pub(crate) policy: LivePolicy,
    /// How long a request's body may take to arrive.
    pub(crate) body_timeout: Duration,
    /// Whether the gateway is about to stop.
    pub(crate) lifecycle: Lifecycle,
    /// Where responses are counted.
    pub(crate) counts: HttpCounts,
}

impl Edge {
    /// Bytes of a request's body.
    pub(crate) fn body_limit(&self) -> usize {
        match self.listener {
            Listener::Public => self.policy.get().limits.body,
            Listener::Admin => ADMIN_BODY,
        }
    }

    /// Whether a request is within what may be sent.
    fn check(&self, request: &ServiceRequest) -> Result<(), Problem> {
        let StreamLimits { url, headers, .. } = self.policy.get().limits;
        if request.uri().path_and_query().is_some_and(|target| target.as_str().len() > url) {
            return Err(Problem::UrlTooLong { limit: url });
        }
        if request.headers().iter().map(|(name, value)| name.as_str().len() + value.len()).sum::<usize>() > headers {
            return Err(Problem::HeadersTooLarge { limit: headers });
        }
        if declared_length(request) > self.body_limit() as u64 {
            return Err(self.too_large());
        }
        Ok(())
    }

    /// A body is larger than this listener takes.
    pub(crate) fn too_large(&self) -> Problem {
        Problem::BodyTooLarge { limit: self.body_limit(), listener: self.listener }
    }
}

/// Refuses requests that are too large, makes every error a problem document, whoever made it, lets pages of other origins
/// read what they may, and counts responses.
pub(crate) async fn edge(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let edge = request.app_data::<web::Data<Edge>>().expect("both listeners are built with it").clone();
    let in_hand = Traffic::of(request.request()).map(|traffic| traffic.begin());
    let mut response = match edge.check(&request) {
        Err(problem) => request.into_response(problem.error_response()),
        Ok(()) => as_problem(next.call(request).await?.map_into_boxed_body()),
    };
    if edge.listener == Listener::Public {
        cors::annotate(&mut response, &edge.policy.get().cors_origins);
    }
    if ends_with_connection(&response) {
        let head = response.response_mut().head_mut();
        head.no_chunking(true);
        head.set_connection_type(ConnectionType::Close);
    }
    if edge.lifecycle.phase() == Phase::Draining {
        // The next request should go where it will be answered. HTTP/2 has no such word; the end of the connection says it.
        response.response_mut().head_mut().set_connection_type(ConnectionType::Close);
    }
    edge.counts.response(edge.listener, response.status());
    Ok(response.map_body(|_, body| BoxBody::new(Answer { body, _in_hand: in_hand })))
}

/// A response's body, by which its connection knows when it is written.
struct Answer {
    body: BoxBody,
    _in_hand: Option<InHand>,
}

impl MessageBody for Answer {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Pin::new(&mut self.get_mut().body).poll_next(cx)
    }
}

/// What a listener answers to paths that it does not have.
pub(crate) async fn not_found() -> Result<HttpResponse, Problem> {
    Err(Problem::NotFound)
}

/// A JSON answer that no cache keeps.
pub(crate) fn no_store_json(value: &impl Serialize) -> HttpResponse {
    HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "no-store")).json(value)
}

/// Done, and nothing to say.
pub(crate) fn no_content() -> HttpResponse {
    HttpResponse::NoContent().insert_header((header::CACHE_CONTROL, "no-store")).finish()
}

/// Whether a response has no end but that of its connection (RFC 9112, section 6.3): HTTP/1.0 knows no chunks, and a stream
/// that has the connection for itself writes nothing but its events.
fn ends_with_connection(response: &ServiceResponse<BoxBody>) -> bool {
    let leaves = || Traffic::of(response.request()).is_some_and(|traffic| traffic.may_leave);
    let without_chunks = match response.request().version() {
        Version::HTTP_09 | Version::HTTP_10 => true,
        Version::HTTP_11 => leaves(),
        _ => false,
    };
    without_chunks && matches!(response.response().body().size(), BodySize::Stream)
}

fn declared_length(request: &ServiceRequest) -> u64 {
    let length = request.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    length.and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// Replaces the body of an error that this crate did not make, such as one of the framework's own.
fn as_problem(response: ServiceResponse<BoxBody>) -> ServiceResponse<BoxBody> {
    let status = response.status();
    let failed = status.is_client_error() || status.is_server_error();
    let ours = response.headers().get(header::CONTENT_TYPE).is_some_and(|value| value == CONTENT_TYPE);
    if failed && !ours { response.into_response(Problem::Status(status).error_response()) } else { response }
}
