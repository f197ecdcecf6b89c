use actix_web::web::{self, Data, ServiceConfig};

use crate::{
    Deps,
    edge::{not_found, read_only},
    metrics::{self, Metrics},
    probes, tenants,
};

/// The routes of the admin listener. Who may reach them is decided before, in `access`.
pub(crate) fn routes(app: &mut ServiceConfig, deps: Data<Deps>, metrics: Data<Metrics>) {
    app.app_data(deps)
        .app_data(metrics)
        .service(read_only(probes::HEALTHZ, probes::healthz))
        .service(read_only(probes::READYZ, probes::readyz))
        .service(read_only("/metrics", metrics::exposition))
        .service(read_only("/api/tenants", tenants::list))
        .service(read_only("/api/tenants/{id}", tenants::one))
        .default_service(web::to(not_found));
}
