use utoipa::openapi::{
    Components, Content, HeaderBuilder, OpenApi, PathItem, Ref, RefOr, Response, Schema,
    path::Operation,
    schema::{AllOf, Object},
};

use crate::{metrics::Listener, probes, problem::CONTENT_TYPE};

/// Schemas with members that may be missing.
const OPTIONAL: [&str; 2] = ["Problem", "TenantSettings"];

/// Adds what is the same for all operations of a listener, so that it does not stand at each.
pub(super) fn complete(mut document: OpenApi, listener: Listener) -> OpenApi {
    env!("CARGO_PKG_VERSION").clone_into(&mut document.info.version);
    let components = document.components.get_or_insert_with(Components::new);
    for (name, schema) in &mut components.schemas {
        if let (RefOr::T(schema), false) = (schema, OPTIONAL.contains(&name.as_str())) {
            require_all(schema);
        }
    }
    for (path, item) in &mut document.paths.paths {
        for operation in operations(item) {
            refuse(operation, refusals(listener, path, operation));
            for (status, response) in &mut operation.responses.responses {
                problem(status, response);
            }
        }
    }
    document
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

/// The operations of a path.
pub(super) fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [&mut item.get, &mut item.put, &mut item.post, &mut item.delete].into_iter().flatten()
}

/// A status that a response has, and when.
type Refusal = (&'static str, &'static str);

/// What any operation may answer, whatever its handler does.
fn refusals(listener: Listener, path: &str, operation: &Operation) -> Vec<Refusal> {
    let mut refusals = vec![("413", "The body is too large"), ("500", "The gateway failed")];
    match listener {
        Listener::Admin => {
            if path != probes::HEALTHZ && path != probes::READYZ {
                refusals.push(("401", "The token is missing or wrong"));
            }
            refusals.push(("403", "Without a token: another site made a browser send this"));
            refusals.push(("421", "Without a token: `Host` is no loopback name"));
        }
        Listener::Public => {
            // An operation that says nothing of its own asks for what the document asks for.
            if operation.security.is_none() {
                refusals.push(("401", "There is no token, or it does not count"));
                refusals.push(("403", "The token does not permit this, or a cookie came from a foreign page"));
                refusals.push(("503", "The keys of tokens could not be fetched yet"));
            }
            refusals.push(("414", "The path and query are too long"));
            refusals.push(("431", "The headers are too large"));
        }
    }
    refusals
}

/// Adds what the operation does not explain itself.
fn refuse(operation: &mut Operation, refusals: Vec<Refusal>) {
    for (status, description) in refusals {
        operation.responses.responses.entry(status.into()).or_insert_with(|| Response::new(description).into());
    }
}

/// An error's content is a problem, and some statuses have a header.
fn problem(status: &str, response: &mut RefOr<Response>) {
    let RefOr::T(response) = response else { return };
    if !matches!(status.as_bytes().first(), Some(b'4' | b'5')) {
        return;
    }
    let problem = Content::new(Some(Ref::from_schema_name("Problem")));
    response.content.insert(CONTENT_TYPE.to_owned(), problem);
    let header = match status {
        "401" => ("WWW-Authenticate", "`Bearer`"),
        "429" | "503" => ("Retry-After", "Seconds until it is worth trying again"),
        _ => return,
    };
    let text = HeaderBuilder::new().schema(utoipa::schema!(String)).description(Some(header.1)).build();
    response.headers.insert(header.0.to_owned(), text);
}
