//! The description of the public listener. Its security follows the settings, which a reload may change, and its paths
//! the base path.

#[expect(dead_code, reason = "only describes")]
mod parameters;
#[expect(dead_code, reason = "only describes")]
mod paths;
#[expect(dead_code, reason = "only describes")]
mod schemas;

use std::sync::LazyLock;

use actix_web::{HttpResponse, web::Data};
use utoipa::{
    OpenApi,
    openapi::{
        SecurityRequirement, Server,
        security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme},
    },
};

use super::{common, description, root};
use crate::{
    PublicConfig, auth::AuthMode, metrics::Listener, policy::Policy, problem::ProblemDocument, public::Public,
};

/// A token in its header.
const BEARER: &str = "bearer";

/// A token in a cookie of the frontend's own login.
const COOKIE: &str = "cookie";

/// A ticket, for streams.
const TICKET: &str = "ticket";

/// All operations of the public listener.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Pushgate",
        description = "What subscribers reach. What comes on a stream is described in `/asyncapi.json`. Every error is \
                       a problem document (RFC 9457). Every path answers to OPTIONS with its methods, and GET to HEAD.",
        license(name = "Apache License 2.0", identifier = "Apache-2.0"),
    ),
    tags(
        (name = "streams", description = "Pushes as they come, by Server-Sent Events"),
        (name = "pushes", description = "Pushes that are kept, and what subscribers say about them"),
        (name = "access", description = "Tickets, and who subscribes"),
        (name = "client", description = "A module by which pages follow streams"),
        (name = "description", description = "These documents"),
    ),
    paths(
        paths::several,
        paths::one,
        paths::history,
        paths::word,
        paths::tickets,
        paths::presence,
        paths::client_js,
        paths::client_d_ts,
        paths::openapi,
        paths::asyncapi,
    ),
    components(schemas(ProblemDocument)),
)]
struct Description;

/// The same for all settings.
static COMMON: LazyLock<utoipa::openapi::OpenApi> =
    LazyLock::new(|| common::complete(Description::openapi(), Listener::Public));

/// The description of one listener.
#[derive(Clone, Debug)]
pub(crate) struct PublicApi {
    /// What its paths come after.
    server: String,
}

impl PublicApi {
    /// That of a listener with this configuration.
    pub(crate) fn new(config: &PublicConfig) -> Self {
        Self { server: root(config).to_owned() }
    }

    /// The whole document under the policy in force.
    pub(super) fn document(&self, policy: &Policy) -> utoipa::openapi::OpenApi {
        let mut document = COMMON.clone();
        document.servers = Some(vec![Server::new(&self.server)]);
        secure(&mut document, &policy.auth.mode);
        document
    }
}

/// `GET /openapi.json`
pub(crate) async fn public(api: Data<PublicApi>, public: Data<Public>) -> HttpResponse {
    let document = api.document(&public.policy.get());
    description(serde_json::to_string(&document).expect("a description is plain data"))
}

/// Says how each operation finds out who asks.
fn secure(document: &mut utoipa::openapi::OpenApi, mode: &AuthMode) {
    let components = document.components.get_or_insert_default();
    let mut tokens = Vec::new();
    if let AuthMode::Jwt(jwt) = mode {
        components.add_security_scheme(BEARER, bearer());
        tokens.push(requirement(BEARER));
        if let Some(name) = &jwt.cookie {
            let cookie = ApiKeyValue::with_description(name.as_str(), "The token, in a cookie of your own login");
            components.add_security_scheme(COOKIE, SecurityScheme::ApiKey(ApiKey::Cookie(cookie)));
            tokens.push(requirement(COOKIE));
        }
        let ticket = ApiKeyValue::with_description(
            "ticket",
            "From `POST /tickets`; counts once. The response sets the cookie `pushgate_ticket` for what \
                      the browser sends to this path afterwards",
        );
        components.add_security_scheme(TICKET, SecurityScheme::ApiKey(ApiKey::Query(ticket)));
    }
    for (path, item) in &mut document.paths.paths {
        for operation in common::operations(item).filter(|operation| operation.security.is_none()) {
            let mut all = if tokens.is_empty() { vec![SecurityRequirement::default()] } else { tokens.clone() };
            if path.starts_with("/events") && !tokens.is_empty() {
                all.push(requirement(TICKET));
            }
            operation.security = Some(all);
        }
    }
}

fn requirement(scheme: &str) -> SecurityRequirement {
    SecurityRequirement::new(scheme, [""; 0])
}

fn bearer() -> SecurityScheme {
    let description = "A JWT with the claims `tenants` and `exp`";
    let http = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").description(Some(description));
    SecurityScheme::Http(http.build())
}
