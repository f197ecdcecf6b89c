use actix_web::{
    HttpRequest, HttpResponse, HttpResponseBuilder,
    http::{
        StatusCode,
        header::{self, ETag, EntityTag, TryIntoHeaderValue as _},
    },
    web::{Data, Payload},
};
use pushgate_model::TenantId;
use pushgate_upstream::{Pushes, Put, TenantMistake};
use serde_json::{Map, Value};
use utoipa::IntoParams;

use super::{TenantPath, named, precondition, settings::SettingsSchema, view::TenantDetail};
use crate::{Deps, edge::no_content, payload, problem::Problem, query::Query, task::to_its_end};

/// Headers of a put.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "only describes the headers")]
struct PutHeaders {
    /// Change only one of these versions: entity tags as in `ETag`, or `*` for any that exists.
    #[param(rename = "If-Match", nullable = false, pattern = r#"^(\*|(W/)?"[!#-~]*"(, ?(W/)?"[!#-~]*")*)$"#)]
    if_match: Option<String>,
    /// `*`: make a new tenant, never change one.
    #[param(rename = "If-None-Match", nullable = false, pattern = r"^\*$")]
    if_none_match: Option<String>,
}

/// Header and query of a delete.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "only describes the header")]
struct DeleteHeaders {
    /// Remove only one of these versions: entity tags as in `ETag`, or `*` for any that exists.
    #[param(rename = "If-Match", nullable = false, pattern = r#"^(\*|(W/)?"[!#-~]*"(, ?(W/)?"[!#-~]*")*)$"#)]
    if_match: Option<String>,
}

/// Query of a delete.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "only describes the parameter")]
struct DeleteParams {
    /// Erases the tenant's pushes too; else they stay until retention.
    #[param(default = false)]
    purge: Option<bool>,
}

/// Get a tenant
///
/// The entity tag names the version of the settings, not the state beside them: so there is no 304.
#[utoipa::path(
    get,
    path = "/api/tenants/{id}",
    operation_id = "get_tenant",
    tag = "tenants",
    params(TenantPath),
    responses(
        (
            status = 200, description = "The tenant", body = TenantDetail,
            headers(("ETag" = String, description = "The version of the settings")),
        ),
        (status = 404, description = "There is no such tenant"),
    )
)]
pub(crate) async fn get(request: HttpRequest, deps: Data<Deps>) -> Result<HttpResponse, Problem> {
    let id = named(&request)?;
    TenantDetail::read(&deps, &id).map_or(Err(Problem::UnknownTenant(id)), |tenant| Ok(shown(StatusCode::OK, &tenant)))
}

/// Make or change a tenant
///
/// The body takes the place of the settings before; only a secret given as `"***"` is kept. A change reconnects this
/// tenant alone, and only if it has to.
#[utoipa::path(
    put,
    path = "/api/tenants/{id}",
    operation_id = "put_tenant",
    tag = "tenants",
    params(TenantPath, PutHeaders),
    request_body = SettingsSchema,
    responses(
        (
            status = 200, description = "The tenant, changed", body = TenantDetail,
            headers(("ETag" = String, description = "The version of the settings")),
        ),
        (
            status = 201, description = "The tenant, new", body = TenantDetail,
            headers(
                ("ETag" = String, description = "The version of the settings"),
                ("Location" = String, description = "Where the tenant is"),
            ),
        ),
        (status = 400, description = "The id, a header or the body can't be read"),
        (status = 404, description = "The tenant was removed meanwhile"),
        (status = 408, description = "The body did not arrive in time"),
        (status = 409, description = "The tenant comes from the configuration files"),
        (status = 412, description = "The settings have another version, or the tenant exists"),
        (status = 413, description = "The body is too large"),
        (status = 415, description = "The body is not JSON"),
        (status = 422, description = "The settings are wrong: `errors` says where"),
        (status = 503, description = "The journal can't write, or the gateway stops"),
    )
)]
pub(crate) async fn put(request: HttpRequest, body: Payload, deps: Data<Deps>) -> Result<HttpResponse, Problem> {
    let id: TenantId = request.match_info().query("id").parse().map_err(Problem::InvalidTenantId)?;
    payload::require_json(&request)?;
    let precondition = precondition::of_put(request.headers())?;
    let settings = without_id(payload::object(&payload::read(&request, body).await?)?, &id)?;
    let (tenants, tenant) = (deps.tenants.clone(), id.clone());
    let put = to_its_end(async move {
        let put = tenants.put(tenant.clone(), settings, precondition).await;
        if let Ok(put) = &put {
            let operation = if *put == Put::Created { "create" } else { "change" };
            tracing::info!(%tenant, operation, "an operator made or changed a tenant");
        }
        put
    });
    let put = put.await?.map_err(|error| Problem::of_tenant(&id, error))?;
    // Another operator may have removed it meanwhile.
    let tenant = TenantDetail::read(&deps, &id).ok_or_else(|| Problem::UnknownTenant(id.clone()))?;
    let mut response = shown(if put == Put::Created { StatusCode::CREATED } else { StatusCode::OK }, &tenant);
    if put == Put::Created {
        let location = format!("/api/tenants/{id}").try_into_value().expect("an id is made of letters and digits");
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

/// Remove a tenant
///
/// Its streams end with `tenant-removed`, its connection is closed in order.
#[utoipa::path(
    delete,
    path = "/api/tenants/{id}",
    operation_id = "delete_tenant",
    tag = "tenants",
    params(TenantPath, DeleteHeaders, DeleteParams),
    responses(
        (status = 204, description = "The tenant is gone"),
        (status = 400, description = "A header or a parameter is wrong"),
        (status = 404, description = "There is no such tenant"),
        (status = 409, description = "The tenant comes from the configuration files"),
        (status = 412, description = "The settings have another version"),
        (status = 503, description = "The journal can't write, or the gateway stops"),
    )
)]
pub(crate) async fn delete(request: HttpRequest, deps: Data<Deps>) -> Result<HttpResponse, Problem> {
    let id = named(&request)?;
    let precondition = precondition::of_delete(request.headers())?;
    let pushes = match Query::of(&request).all("purge").next() {
        None | Some("false") => Pushes::Keep,
        Some("true") => Pushes::Purge,
        Some(_) => return Err(Problem::InvalidPurge),
    };
    let (tenants, tenant) = (deps.tenants.clone(), id.clone());
    let deleted = to_its_end(async move {
        let deleted = tenants.delete(&tenant, precondition, pushes).await;
        if deleted.is_ok() {
            let operation = if pushes == Pushes::Purge { "purge" } else { "delete" };
            tracing::info!(%tenant, operation, "an operator removed a tenant");
        }
        deleted
    });
    deleted.await?.map(|()| no_content()).map_err(|error| Problem::of_tenant(&id, error))
}

/// The answer that shows a tenant.
pub(super) fn shown(status: StatusCode, tenant: &TenantDetail) -> HttpResponse {
    let mut response = HttpResponseBuilder::new(status);
    response.insert_header((header::CACHE_CONTROL, "no-store"));
    if let Some(version) = &tenant.version {
        response.insert_header(ETag(EntityTag::new_strong(version.clone())));
    }
    response.json(tenant)
}

/// `id` is a key of `[[tenants]]`, so it may stand in the body as well, as long as it says the same as the path.
fn without_id(mut settings: Map<String, Value>, id: &TenantId) -> Result<Map<String, Value>, Problem> {
    match settings.remove("id") {
        Some(other) if other != id.as_str() => {
            let mistake = TenantMistake { key: "id".to_owned(), allowed: "left out, or the id of the path".to_owned() };
            Err(Problem::InvalidSettings(vec![mistake]))
        }
        _ => Ok(settings),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_id_in_the_body_must_be_that_of_the_path() {
        let id: TenantId = "acme".parse().unwrap();
        let without = |body: Value| without_id(body.as_object().unwrap().clone(), &id);
        assert!(without(json!({})).unwrap().is_empty());
        assert!(without(json!({ "id": "acme" })).unwrap().is_empty());
        for other in [json!("globex"), json!(null), json!(["acme"])] {
            assert!(matches!(without(json!({ "id": other })), Err(Problem::InvalidSettings(_))));
        }
    }
}
