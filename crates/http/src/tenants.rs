//! What operators see of tenants, and do about them.

pub(crate) mod control;
pub(crate) mod list;
pub(crate) mod one;
mod precondition;
mod settings;
pub(crate) mod subscribers;
pub(crate) mod transitions;
mod view;

use actix_web::HttpRequest;
use pushgate_model::TenantId;
use utoipa::IntoParams;

use crate::problem::Problem;

/// The part of a path that names a tenant.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "only describes the parameter")]
struct TenantPath {
    /// The tenant's id.
    #[param(example = "acme", pattern = "^[a-z0-9][a-z0-9_-]{0,63}$")]
    id: String,
}

/// The tenant that the path names.
///
/// # Errors
/// What stands there can't be a tenant.
fn named(request: &HttpRequest) -> Result<TenantId, Problem> {
    Ok(request.match_info().query("id").parse()?)
}
