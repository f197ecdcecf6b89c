use std::borrow::Cow;

use actix_web::{HttpRequest, HttpResponse, web::Data};
use pushgate_model::{ConnectionState, TenantId, Timestamp};
use pushgate_upstream::{Source, TenantSnapshot};
use serde::Serialize;

use crate::{
    Deps,
    edge::no_store_json,
    problem::Problem,
    query::{PageLimit, Query},
};

#[derive(Serialize)]
struct Page {
    tenants: Vec<TenantView>,
    next: Option<TenantId>,
}

/// A tenant as operators see it. Times are null when there is none.
#[derive(Serialize)]
struct TenantView {
    id: TenantId,
    state: ConnectionState,
    reason: Option<Cow<'static, str>>,
    since: Timestamp,
    attempt: u32,
    next_retry_at: Option<Timestamp>,
    connected_since: Option<Timestamp>,
    last_push_at: Option<Timestamp>,
    pushes: u64,
    duplicates: u64,
    answers: u64,
    subscribers: usize,
    source: Source,
}

impl TenantView {
    fn new(snapshot: TenantSnapshot, deps: &Deps) -> Self {
        Self {
            subscribers: deps.fanout.subscribers(&snapshot.id),
            id: snapshot.id,
            state: snapshot.status.state,
            reason: snapshot.status.reason,
            since: snapshot.status.since,
            attempt: snapshot.attempt,
            next_retry_at: snapshot.next_retry_at,
            connected_since: snapshot.connected_since,
            last_push_at: snapshot.last_push_at,
            pushes: snapshot.pushes,
            duplicates: snapshot.duplicates,
            answers: snapshot.answers,
            source: snapshot.source,
        }
    }
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

/// `GET /api/tenants`: a page of tenants by id.
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

/// `GET /api/tenants/{id}`: one tenant.
pub(crate) async fn one(request: HttpRequest, deps: Data<Deps>) -> Result<HttpResponse, Problem> {
    let id: TenantId = request.match_info().query("id").parse()?;
    match deps.directory.get(&id) {
        Some(snapshot) => Ok(no_store_json(&TenantView::new(snapshot, &deps))),
        None => Err(Problem::UnknownTenant(id)),
    }
}

fn state(name: &str) -> Result<ConnectionState, Problem> {
    ConnectionState::ALL
        .into_iter()
        .find(|state| state.as_str() == name)
        .ok_or_else(|| Problem::InvalidState { known: ConnectionState::ALL.map(ConnectionState::as_str).join(", ") })
}
