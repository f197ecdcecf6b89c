use utoipa::{
    Modify,
    openapi::{
        Components, Content, HeaderBuilder, OpenApi, PathItem, Ref, RefOr, Response, Schema, SecurityRequirement,
        path::Operation,
        schema::{AllOf, Object},
        security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
    },
};

use crate::problem::CONTENT_TYPE;

/// The name of the security scheme.
const TOKEN: &str = "admin_token";

/// What is the same for all operations, so that it does not stand at each.
pub(super) struct Common;

impl Modify for Common {
    fn modify(&self, openapi: &mut OpenApi) {
        env!("CARGO_PKG_VERSION").clone_into(&mut openapi.info.version);
        openapi.security = Some(vec![SecurityRequirement::new(TOKEN, [""; 0])]);
        let components = openapi.components.get_or_insert_with(Components::new);
        components.add_security_scheme(TOKEN, SecurityScheme::Http(bearer()));
        for (name, schema) in &mut components.schemas {
            if let (RefOr::T(schema), false) = (schema, OPTIONAL.contains(&name.as_str())) {
                require_all(schema);
            }
        }
        for (path, item) in &mut openapi.paths.paths {
            for operation in operations(item) {
                refusals(path, operation);
                for (status, response) in &mut operation.responses.responses {
                    complete(status, response);
                }
            }
        }
    }
}

/// Schemas with members that may be missing.
const OPTIONAL: [&str; 2] = ["Problem", "TenantSettings"];

fn bearer() -> utoipa::openapi::security::Http {
    let description = "`admin.token`; without one the listener answers only to this machine and refuses requests that \
                       other sites make";
    HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some(description)).build()
}

/// What is written is always whole: a member may be null, but is never missing.
fn require_all(schema: &mut Schema) {
    match schema {
        Schema::Object(Object { properties, required, .. }) => *required = properties.keys().cloned().collect(),
        Schema::AllOf(AllOf { items, .. }) => {
            for item in items {
                if let RefOr::T(schema) = item {
                    require_all(schema);
                }
            }
        }
        _ => {}
    }
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [&mut item.get, &mut item.put, &mut item.post, &mut item.delete].into_iter().flatten()
}

/// What any operation may answer, whatever its handler does.
fn refusals(path: &str, operation: &mut Operation) {
    let probe = path == crate::probes::HEALTHZ || path == crate::probes::READYZ;
    let refusals = [
        ("401", "The token is missing or wrong"),
        ("403", "Without a token: another site made a browser send this"),
        ("413", "The body is too large"),
        ("421", "Without a token: `Host` is no loopback name"),
        ("500", "The gateway failed"),
    ];
    for (status, description) in refusals {
        if !(probe && status == "401") {
            operation.responses.responses.entry(status.into()).or_insert_with(|| Response::new(description).into());
        }
    }
}

/// An error's content is a problem, and some statuses have a header.
fn complete(status: &str, response: &mut RefOr<Response>) {
    let RefOr::T(response) = response else { return };
    if !matches!(status.as_bytes().first(), Some(b'4' | b'5')) {
        return;
    }
    let problem = Content::new(Some(Ref::from_schema_name("Problem")));
    response.content.insert(CONTENT_TYPE.to_owned(), problem);
    let header = match status {
        "401" => ("WWW-Authenticate", "`Bearer`"),
        "503" => ("Retry-After", "Seconds until it is worth trying again"),
        _ => return,
    };
    let text = HeaderBuilder::new().schema(utoipa::schema!(String)).description(Some(header.1)).build();
    response.headers.insert(header.0.to_owned(), text);
}
