use actix_web::{
    HttpResponse,
    http::header,
    web::{Data, ServiceConfig},
};
use serde_json::json;

use crate::{edge::no_store_json, endpoint::Endpoint, public::Public};

const PAGE: &str = include_str!("../assets/demo.html");
const STYLE: &str = include_str!("../assets/demo.css");
const SCRIPT: &str = include_str!("../assets/demo.js");

/// The page runs its own script and style and talks to its own origin, nothing else: a push that held markup could not
/// do anything even if the script put it into the page as such.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// A page that shows live pushes of all tenants, for whoever tries the gateway out.
pub(crate) fn routes(app: &mut ServiceConfig) {
    let endpoints = [
        Endpoint::at("/").get(|| async { asset("text/html; charset=utf-8", PAGE) }),
        Endpoint::at("/demo.css").get(|| async { asset("text/css; charset=utf-8", STYLE) }),
        Endpoint::at("/demo.js").get(|| async { asset("text/javascript; charset=utf-8", SCRIPT) }),
        Endpoint::at("/demo/tenants").get(tenants),
    ];
    for endpoint in endpoints {
        app.service(endpoint.into_resource());
    }
}

fn asset(content_type: &'static str, text: &'static str) -> HttpResponse {
    HttpResponse::Ok()
        .content_type(content_type)
        .insert_header((header::CACHE_CONTROL, "no-cache"))
        .insert_header((header::CONTENT_SECURITY_POLICY, POLICY))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((header::REFERRER_POLICY, "no-referrer"))
        .body(text)
}

/// As many tenants as one stream may carry.
async fn tenants(public: Data<Public>) -> HttpResponse {
    let mut tenants: Vec<_> = public.deps.directory.list().into_iter().map(|tenant| tenant.id).collect();
    tenants.truncate(public.policy.get().limits.tenants_per_stream);
    no_store_json(&json!({ "tenants": tenants }))
}
