use std::sync::LazyLock;

use actix_web::HttpResponse;
use utoipa::{
    OpenApi,
    openapi::{
        Components, SecurityRequirement,
        security::{Http, HttpAuthScheme, HttpBuilder, SecurityScheme},
    },
};

use super::{common, description};
use crate::{
    metrics::{self, Listener},
    probes,
    problem::ProblemDocument,
    quarantine, tenants,
};

/// The name of the security scheme.
const TOKEN: &str = "admin_token";

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
        admin,
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
)]
struct Admin;

/// Made once: it is the same for every request.
static TEXT: LazyLock<String> =
    LazyLock::new(|| serde_json::to_string(&document()).expect("a description is plain data"));

/// The whole document.
pub(super) fn document() -> utoipa::openapi::OpenApi {
    let mut document = common::complete(Admin::openapi(), Listener::Admin);
    document.security = Some(vec![SecurityRequirement::new(TOKEN, [""; 0])]);
    let components = document.components.get_or_insert_with(Components::new);
    components.add_security_scheme(TOKEN, SecurityScheme::Http(bearer()));
    document
}

fn bearer() -> Http {
    let description = "`admin.token`; without one the listener answers only to this machine and refuses requests that \
                       other sites make";
    HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some(description)).build()
}

/// This description
#[utoipa::path(
    get,
    path = "/api/openapi.json",
    operation_id = "openapi",
    tag = "description",
    responses((status = 200, description = "OpenAPI 3.1", body = Object, content_type = "application/json"))
)]
pub(crate) async fn admin() -> HttpResponse {
    description(TEXT.clone())
}
