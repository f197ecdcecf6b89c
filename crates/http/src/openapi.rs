//! The description of the admin listener (`OpenAPI` 3.1), put together from what stands at each handler.

mod common;
mod schemas;
#[cfg(test)]
mod tests;

use std::sync::LazyLock;

use actix_web::{
    HttpResponse,
    http::header::{self, ContentType},
};
use utoipa::OpenApi;

use self::common::Common;
use crate::{metrics, probes, problem::ProblemDocument, quarantine, tenants};

pub(crate) use schemas::{SourceSchema, StateSchema};

/// All operations of the admin listener.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Pushgate admin API",
        description = "What operators do with a gateway. Every error is a problem document (RFC 9457). Lists are read \
                       page by page: `next` of one is `after` of the next.",
        license(name = "Apache License 2.0", identifier = "Apache-2.0"),
    ),
    servers((url = "/", description = "The admin listener")),
    tags(
        (name = "tenants", description = "Accounts at the upstream service"),
        (name = "quarantine", description = "Messages that can't be accepted as pushes"),
        (name = "description", description = "This document"),
        (name = "metrics", description = "What the gateway counts"),
        (name = "probes", description = "Whether it is alive and ready; no token is needed"),
    ),
    paths(
        probes::healthz,
        probes::readyz,
        metrics::exposition,
        description,
        tenants::list::list,
        tenants::one::get,
        tenants::one::put,
        tenants::one::delete,
        tenants::control::pause,
        tenants::control::resume,
        tenants::control::reconnect,
        tenants::transitions::list,
        tenants::subscribers::list,
        quarantine::list,
        quarantine::get,
        quarantine::delete,
        quarantine::replay,
    ),
    components(schemas(ProblemDocument)),
    modifiers(&Common),
)]
struct Description;

/// Made once: it is the same for every request.
static TEXT: LazyLock<String> =
    LazyLock::new(|| serde_json::to_string(&Description::openapi()).expect("a description is plain data"));

/// This description
#[utoipa::path(
    get,
    path = "/api/openapi.json",
    operation_id = "openapi",
    tag = "description",
    responses((status = 200, description = "OpenAPI 3.1", body = Object, content_type = "application/json"))
)]
pub(crate) async fn description() -> HttpResponse {
    HttpResponse::Ok()
        .insert_header(ContentType::json())
        .insert_header((header::CACHE_CONTROL, "no-cache"))
        .body(TEXT.as_str())
}
