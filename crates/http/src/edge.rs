use std::time::Duration;

use actix_web::{
    Error, HttpResponse, ResponseError as _,
    body::{BoxBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::header,
    middleware::Next,
    web,
};
use serde::Serialize;

use crate::{
    metrics::{HttpCounts, Listener},
    policy::LivePolicy,
    problem::{CONTENT_TYPE, Problem},
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

    /// A body is larger than this listener takes.
    pub(crate) fn too_large(&self) -> Problem {
        Problem::BodyTooLarge { limit: self.body_limit(), listener: self.listener }
    }
}

/// Refuses bodies that say of themselves that they are too large, makes every error a problem document, whoever made
/// it, and counts responses.
pub(crate) async fn edge(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let edge = request.app_data::<web::Data<Edge>>().expect("both listeners are built with it").clone();
    let response = if declared_length(&request) > edge.body_limit() as u64 {
        request.into_response(edge.too_large().error_response())
    } else {
        as_problem(next.call(request).await?.map_into_boxed_body())
    };
    edge.counts.response(edge.listener, response.status());
    Ok(response)
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
