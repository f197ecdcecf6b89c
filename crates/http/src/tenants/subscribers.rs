use std::convert::identity;

use actix_web::{HttpRequest, HttpResponse, web::Data};

use super::{TenantPath, named};
use crate::{
    Deps,
    edge::no_store_json,
    problem::Problem,
    query::{PageParams, Query},
    subscribers::{AfterParams, Part, SubscriberPage},
};

/// List a tenant's subscribers
#[utoipa::path(
    get,
    path = "/api/tenants/{id}/subscribers",
    operation_id = "list_subscribers",
    tag = "tenants",
    params(TenantPath, AfterParams, PageParams),
    responses(
        (status = 200, description = "A page of live streams", body = SubscriberPage),
        (status = 400, description = "A parameter is wrong"),
        (status = 404, description = "There is no such tenant"),
    )
)]
pub(crate) async fn list(request: HttpRequest, deps: Data<Deps>) -> Result<HttpResponse, Problem> {
    let id = named(&request)?;
    let part = Part::of(&Query::of(&request))?;
    if !deps.directory.contains(&id) {
        return Err(Problem::UnknownTenant(id));
    }
    Ok(no_store_json(&part.page(&deps.fanout, &id, identity)))
}
