use actix_web::{HttpRequest, HttpResponse, web::Data};
use pushgate_model::{ConnectionState, TenantId};
use pushgate_upstream::TenantSnapshot;
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use super::view::TenantView;
use crate::{
    Deps,
    edge::no_store_json,
    openapi::StateSchema,
    problem::Problem,
    query::{PageLimit, PageParams, Query},
};

/// A page of tenants.
#[derive(Serialize, ToSchema)]
#[schema(as = TenantPage)]
struct Page {
    /// By id.
    tenants: Vec<TenantView>,
    /// What `after` takes for the next page; null on the last one.
    #[schema(value_type = Option<String>)]
    next: Option<TenantId>,
}

/// Which tenants are listed.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "only describes the parameters")]
struct FilterParams {
    /// Only tenants in this state; may be repeated.
    #[param(value_type = Vec<StateSchema>, required = false)]
    state: Vec<String>,
    /// Only tenants whose id holds this text, in any case.
    q: Option<String>,
    /// Only tenants behind this id.
    after: Option<String>,
}

/// What `GET /api/tenants` is asked for.
#[derive(Debug)]
struct Filter<'a> {
    /// Any of these; empty means any.
    states: Vec<ConnectionState>,
    /// Part of the id, in any case.
    text: Option<String>,
    /// Ids behind this one.
    after: Option<&'a str>,
    limit: usize,
}

impl<'a> Filter<'a> {
    fn read(query: &'a Query) -> Result<Self, Problem> {
        let states = query.all("state").filter(|name| !name.is_empty()).map(state).collect::<Result<_, _>>()?;
        Ok(Self {
            states,
            text: query.get("q").map(str::to_ascii_lowercase),
            after: query.get("after"),
            limit: query.limit(PageLimit::LIST)?,
        })
    }

    fn matches(&self, tenant: &TenantSnapshot) -> bool {
        let id = tenant.id.as_str();
        self.after.is_none_or(|after| id > after)
            && (self.states.is_empty() || self.states.contains(&tenant.status.state))
            && self.text.as_ref().is_none_or(|text| id.contains(text))
    }
}

/// List tenants
#[utoipa::path(
    get,
    path = "/api/tenants",
    operation_id = "list_tenants",
    tag = "tenants",
    params(FilterParams, PageParams),
    responses(
        (status = 200, description = "A page of tenants", body = Page),
        (status = 400, description = "A parameter is wrong"),
    )
)]
pub(crate) async fn list(request: HttpRequest, deps: Data<Deps>) -> Result<HttpResponse, Problem> {
    let query = Query::of(&request);
    let filter = Filter::read(&query)?;
    let mut found: Vec<_> =
        deps.directory.list().into_iter().filter(|tenant| filter.matches(tenant)).take(filter.limit + 1).collect();
    let more = found.len() > filter.limit;
    found.truncate(filter.limit);
    let next = found.last().filter(|_| more).map(|tenant| tenant.id.clone());
    let tenants = found.into_iter().map(|tenant| TenantView::new(tenant, &deps)).collect();
    Ok(no_store_json(&Page { tenants, next }))
}

fn state(name: &str) -> Result<ConnectionState, Problem> {
    ConnectionState::ALL
        .into_iter()
        .find(|state| state.as_str() == name)
        .ok_or_else(|| Problem::InvalidState { known: ConnectionState::ALL.map(ConnectionState::as_str).join(", ") })
}
