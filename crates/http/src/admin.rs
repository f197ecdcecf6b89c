use actix_web::{
    http::Method,
    web::{self, Data, ServiceConfig},
};

use crate::{
    Deps,
    edge::not_found,
    endpoint::Endpoint,
    metrics::{self, Metrics},
    openapi, probes, quarantine, tenants,
};

/// The routes of the admin listener. Who may reach them is decided before, in `access`.
pub(crate) fn routes(app: &mut ServiceConfig, deps: Data<Deps>, metrics: Data<Metrics>) {
    app.app_data(deps).app_data(metrics);
    for endpoint in endpoints() {
        app.service(endpoint.into_resource());
    }
    app.default_service(web::to(not_found));
}

/// All that the admin listener answers to. A test holds it against the API's description.
pub(crate) fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::at(probes::HEALTHZ).get(probes::healthz),
        Endpoint::at(probes::READYZ).get(probes::readyz),
        Endpoint::at("/metrics").get(metrics::exposition),
        Endpoint::at("/api/openapi.json").get(openapi::admin),
        Endpoint::at("/api/tenants").get(tenants::list::list),
        Endpoint::at("/api/tenants/{id}")
            .get(tenants::one::get)
            .on(Method::PUT, tenants::one::put)
            .on(Method::DELETE, tenants::one::delete),
        Endpoint::at("/api/tenants/{id}/pause").on(Method::POST, tenants::control::pause),
        Endpoint::at("/api/tenants/{id}/resume").on(Method::POST, tenants::control::resume),
        Endpoint::at("/api/tenants/{id}/reconnect").on(Method::POST, tenants::control::reconnect),
        Endpoint::at("/api/tenants/{id}/transitions").get(tenants::transitions::list),
        Endpoint::at("/api/tenants/{id}/subscribers").get(tenants::subscribers::list),
        Endpoint::at("/api/quarantine").get(quarantine::list),
        Endpoint::at("/api/quarantine/{id}").get(quarantine::get).on(Method::DELETE, quarantine::delete),
        Endpoint::at("/api/quarantine/{id}/replay").on(Method::POST, quarantine::replay),
    ]
}
