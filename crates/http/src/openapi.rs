//! The descriptions of both listeners (`OpenAPI` 3.1). That of the admin listener is put together from what stands at
//! each handler, that of the public one from `openapi/public/`; what is the same for all operations is added by
//! `openapi/common.rs`.

mod admin;
mod common;
mod public;
mod schemas;
#[cfg(test)]
mod tests;

use actix_web::{
    HttpResponse,
    http::header::{self, ContentType},
};

use crate::PublicConfig;

pub(crate) use admin::admin;
pub(crate) use public::{PublicApi, public};
pub(crate) use schemas::{SourceSchema, StateSchema};

/// A document that a program reads: it may keep it, and has to ask whether it is still right.
pub(crate) fn description(text: String) -> HttpResponse {
    HttpResponse::Ok().insert_header(ContentType::json()).insert_header((header::CACHE_CONTROL, "no-cache")).body(text)
}

/// What the paths of the public listener come after.
pub(crate) fn root(config: &PublicConfig) -> &str {
    if config.base_path.is_empty() { "/" } else { &config.base_path }
}
