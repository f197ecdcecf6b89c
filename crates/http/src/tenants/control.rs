use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web::Data};

use super::{TenantPath, named, one::shown, view::TenantDetail};
use crate::{Deps, problem::Problem, task::to_its_end};

/// What an operator wants of a connection.
#[derive(Clone, Copy, Debug)]
enum Operation {
    Pause,
    Resume,
    Reconnect,
}

impl Operation {
    fn as_str(self) -> &'static str {
        match self {
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Reconnect => "reconnect",
        }
    }
}

/// Pause a tenant
///
/// Its connection is closed, and none is made until it is resumed, also after a restart of the gateway. One that is paused
/// stays so.
#[utoipa::path(
    post,
    path = "/api/tenants/{id}/pause",
    operation_id = "pause_tenant",
    tag = "tenants",
    params(TenantPath),
    responses(
        (status = 202, description = "The tenant as it is now", body = TenantDetail),
        (status = 404, description = "There is no such tenant"),
        (status = 503, description = "The journal can't write, or the gateway stops"),
    )
)]
pub(crate) async fn pause(request: HttpRequest, deps: Data<Deps>) -> Result<HttpResponse, Problem> {
    control(&request, deps, Operation::Pause).await
}

/// Resume a tenant
///
/// Ends a pause; one that is not paused goes on as it is.
#[utoipa::path(
    post,
    path = "/api/tenants/{id}/resume",
    operation_id = "resume_tenant",
    tag = "tenants",
    params(TenantPath),
    responses(
        (status = 202, description = "The tenant as it is now", body = TenantDetail),
        (status = 404, description = "There is no such tenant"),
        (status = 409, description = "Its settings say `enabled = false`"),
        (status = 503, description = "The journal can't write, or the gateway stops"),
    )
)]
pub(crate) async fn resume(request: HttpRequest, deps: Data<Deps>) -> Result<HttpResponse, Problem> {
    control(&request, deps, Operation::Resume).await
}

/// Reconnect a tenant
///
/// It dials at once from any state but `paused`, and leaves a present connection first.
#[utoipa::path(
    post,
    path = "/api/tenants/{id}/reconnect",
    operation_id = "reconnect_tenant",
    tag = "tenants",
    params(TenantPath),
    responses(
        (status = 202, description = "The tenant as it is now", body = TenantDetail),
        (status = 404, description = "There is no such tenant"),
        (status = 503, description = "The gateway stops"),
    )
)]
pub(crate) async fn reconnect(request: HttpRequest, deps: Data<Deps>) -> Result<HttpResponse, Problem> {
    control(&request, deps, Operation::Reconnect).await
}

async fn control(request: &HttpRequest, deps: Data<Deps>, operation: Operation) -> Result<HttpResponse, Problem> {
    let id = named(request)?;
    let (tenants, tenant) = (deps.tenants.clone(), id.clone());
    let done = to_its_end(async move {
        let done = match operation {
            Operation::Pause => tenants.pause(&tenant).await,
            Operation::Resume => tenants.resume(&tenant).await,
            Operation::Reconnect => tenants.reconnect(&tenant).await,
        };
        if done.is_ok() {
            tracing::info!(%tenant, operation = operation.as_str(), "an operator steered a tenant");
        }
        done
    });
    done.await?.map_err(|error| Problem::of_tenant(&id, error))?;
    let tenant = TenantDetail::read(&deps, &id).ok_or(Problem::UnknownTenant(id))?;
    Ok(shown(StatusCode::ACCEPTED, &tenant))
}
