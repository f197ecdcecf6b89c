use actix_web::{HttpResponse, web::Data};
use serde_json::{Value, json};

use crate::{
    PublicConfig,
    openapi::{description, root},
};

/// Everything but what a configuration decides.
const DOCUMENT: &str = include_str!("../assets/asyncapi.json");

/// The description of streams (`AsyncAPI` 3.0): which events come, and what their data looks like.
#[derive(Clone, Debug)]
pub(crate) struct AsyncApi(String);

impl AsyncApi {
    /// That of a listener with this configuration.
    pub(crate) fn new(config: &PublicConfig) -> Self {
        let mut document: Value = serde_json::from_str(DOCUMENT).expect("a test reads it");
        document["info"]["version"] = json!(env!("CARGO_PKG_VERSION"));
        let server = &mut document["servers"]["gateway"];
        server["pathname"] = json!(root(config));
        server["protocol"] = json!(if config.tls.is_some() { "https" } else { "http" });
        Self(document.to_string())
    }
}

/// `GET /asyncapi.json`
pub(crate) async fn asyncapi(document: Data<AsyncApi>) -> HttpResponse {
    description(document.0.clone())
}
