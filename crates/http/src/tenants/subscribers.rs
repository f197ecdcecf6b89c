use actix_web::{HttpRequest, HttpResponse, web::Data};
use pushgate_fanout::StreamSnapshot;
use pushgate_model::{Cursor, TenantId, Timestamp};
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use super::{TenantPath, named};
use crate::{
    Deps,
    edge::no_store_json,
    problem::Problem,
    query::{PageLimit, PageParams, Query},
};

/// A page of a tenant's subscribers.
#[derive(Serialize, ToSchema)]
#[schema(as = SubscriberPage)]
struct Page {
    /// By id, which is also the order in which they came.
    subscribers: Vec<SubscriberView>,
    /// What `after` takes for the next page; null on the last one.
    next: Option<u64>,
}

/// One live stream.
#[derive(Serialize, ToSchema)]
#[schema(as = Subscriber)]
struct SubscriberView {
    /// Names the stream as long as the gateway runs.
    id: u64,
    /// All tenants that it carries.
    #[schema(value_type = Vec<String>)]
    tenants: Vec<TenantId>,
    /// From where it came.
    #[schema(example = "192.0.2.7:50123")]
    address: String,
    /// What it says that it is.
    user_agent: Option<String>,
    /// Since when.
    #[schema(value_type = String, format = DateTime)]
    since: Timestamp,
    /// All up to here was written to it.
    #[schema(value_type = String, example = "5f3a9c01-1042")]
    cursor: Cursor,
    /// How many positions of the log it is behind the newest push of its tenants.
    lag: u64,
}

/// Where a page begins.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "only describes the parameter")]
struct AfterParams {
    /// Only subscribers with a higher id.
    after: Option<u64>,
}

/// List a tenant's subscribers
#[utoipa::path(
    get,
    path = "/api/tenants/{id}/subscribers",
    operation_id = "list_subscribers",
    tag = "tenants",
    params(TenantPath, AfterParams, PageParams),
    responses(
        (status = 200, description = "A page of live streams", body = Page),
        (status = 400, description = "A parameter is wrong"),
        (status = 404, description = "There is no such tenant"),
    )
)]
pub(crate) async fn list(request: HttpRequest, deps: Data<Deps>) -> Result<HttpResponse, Problem> {
    let id = named(&request)?;
    let query = Query::of(&request);
    let (after, limit) = (query.after()?, query.limit(PageLimit::LIST)?);
    if !deps.directory.contains(&id) {
        return Err(Problem::UnknownTenant(id));
    }
    let mut streams = deps.fanout.streams(&id);
    streams.retain(|stream| after.is_none_or(|after| stream.id > after));
    streams.sort_unstable_by_key(|stream| stream.id);
    let more = streams.len() > limit;
    streams.truncate(limit);
    let next = streams.last().filter(|_| more).map(|stream| stream.id);
    let subscribers = streams.into_iter().map(SubscriberView::from).collect();
    Ok(no_store_json(&Page { subscribers, next }))
}

impl From<StreamSnapshot> for SubscriberView {
    fn from(stream: StreamSnapshot) -> Self {
        Self {
            id: stream.id,
            tenants: stream.tenants,
            address: stream.address,
            user_agent: stream.user_agent,
            since: stream.since,
            cursor: stream.cursor,
            lag: stream.lag,
        }
    }
}
