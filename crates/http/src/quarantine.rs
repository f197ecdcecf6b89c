use actix_web::{HttpRequest, HttpResponse, web::Data};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use pushgate_journal::{QuarantineQuery, Quarantined, QuarantinedRaw};
use pushgate_model::{PushId, TenantId, Timestamp};
use pushgate_upstream::{ReplayError, Replayed};
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use crate::{
    Deps,
    edge::{no_content, no_store_json},
    problem::Problem,
    query::{PageLimit, PageParams, Query},
    task::to_its_end,
};

/// No id is above: the journal's numbers are signed ones of 64 bits.
const LAST_ID: u64 = i64::MAX as u64;

/// A page of the quarantine.
#[derive(Serialize, ToSchema)]
#[schema(as = QuarantinePage)]
struct Page {
    /// By id, which is also the order in which they came first.
    entries: Vec<EntryView>,
    /// What `after` takes for the next page; null on the last one.
    next: Option<u64>,
}

/// One message that can't be accepted as a push.
#[derive(Serialize, ToSchema)]
#[schema(as = QuarantineEntry)]
struct EntryView {
    /// Its number.
    id: u64,
    /// Whose it is.
    #[schema(value_type = String, example = "acme")]
    tenant: TenantId,
    /// The push id, when it could be scanned.
    #[schema(value_type = Option<String>)]
    push_id: Option<PushId>,
    /// When it came for the first time.
    #[schema(value_type = String, format = DateTime)]
    received_at: Timestamp,
    /// Why it could not be accepted, as a machine-readable word.
    #[schema(example = "malformed")]
    reason: String,
    /// Bytes of the whole message; more than what is kept of one that was too long.
    size: u64,
    /// How often these bytes came.
    count: u64,
}

/// One message that can't be accepted, with what is kept of its bytes.
#[derive(Serialize, ToSchema)]
#[schema(as = QuarantineDetail)]
struct DetailView {
    #[serde(flatten)]
    entry: EntryView,
    /// The bytes, in base64.
    #[schema(content_encoding = "base64")]
    raw: String,
}

/// What a quarantined message became.
#[derive(Serialize, ToSchema)]
#[schema(as = Replayed)]
struct ReplayedView {
    /// Whose push.
    #[schema(value_type = String, example = "acme")]
    tenant: TenantId,
    /// The push.
    #[schema(value_type = String)]
    push_id: PushId,
    /// Whether the push was known already: subscribers see nothing new then.
    duplicate: bool,
}

/// Which messages are listed.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "only describes the parameters")]
struct FilterParams {
    /// Only messages of this tenant, which may be gone by now.
    #[param(pattern = "^([a-z0-9][a-z0-9_-]{0,63})?$")]
    tenant: Option<String>,
    /// Only messages with a higher id.
    after: Option<usize>,
}

/// The part of a path that names a message.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "only describes the parameter")]
struct EntryPath {
    /// The message's number.
    id: u64,
}

/// List quarantined messages
#[utoipa::path(
    get,
    path = "/api/quarantine",
    operation_id = "list_quarantine",
    tag = "quarantine",
    params(FilterParams, PageParams),
    responses(
        (status = 200, description = "A page of messages", body = Page),
        (status = 400, description = "A parameter is wrong"),
        (status = 503, description = "The journal can't be read"),
    )
)]
pub(crate) async fn list(request: HttpRequest, deps: Data<Deps>) -> Result<HttpResponse, Problem> {
    let query = Query::of(&request);
    let tenant = query.get("tenant").map(str::parse).transpose().map_err(Problem::InvalidTenantId)?;
    let (after, limit) = (query.after()?.unwrap_or(0).min(LAST_ID), query.limit(PageLimit::LIST)?);
    // One more than is wanted tells whether there is a next page.
    let wanted = QuarantineQuery { tenant, after, limit: limit + 1 };
    let mut found = deps.journal.quarantine(wanted).await.map_err(|error| Problem::unreadable(&error))?;
    let more = found.len() > limit;
    found.truncate(limit);
    let next = found.last().filter(|_| more).map(|entry| entry.id);
    Ok(no_store_json(&Page { entries: found.into_iter().map(EntryView::from).collect(), next }))
}

/// Get a quarantined message with its bytes
#[utoipa::path(
    get,
    path = "/api/quarantine/{id}",
    operation_id = "get_quarantined",
    tag = "quarantine",
    params(EntryPath),
    responses(
        (status = 200, description = "The message", body = DetailView),
        (status = 404, description = "There is no such message"),
        (status = 503, description = "The journal can't be read"),
    )
)]
pub(crate) async fn get(request: HttpRequest, deps: Data<Deps>) -> Result<HttpResponse, Problem> {
    let QuarantinedRaw { entry, raw } = read(&deps, named(&request)?).await?;
    Ok(no_store_json(&DetailView { entry: entry.into(), raw: STANDARD.encode(raw) }))
}

/// Erase a quarantined message
#[utoipa::path(
    delete,
    path = "/api/quarantine/{id}",
    operation_id = "delete_quarantined",
    tag = "quarantine",
    params(EntryPath),
    responses(
        (status = 204, description = "The message is gone"),
        (status = 404, description = "There is no such message"),
        (status = 503, description = "The journal can't write"),
    )
)]
pub(crate) async fn delete(request: HttpRequest, deps: Data<Deps>) -> Result<HttpResponse, Problem> {
    let id = named(&request)?;
    let tenant = read(&deps, id).await?.entry.tenant;
    let deleted = to_its_end(async move {
        let deleted = deps.journal.delete_quarantined(id).await;
        if matches!(deleted, Ok(true)) {
            tracing::info!(%tenant, operation = "delete", quarantined = id, "an operator erased a quarantined message");
        }
        deleted
    });
    match deleted.await? {
        Ok(true) => Ok(no_content()),
        Ok(false) => Err(Problem::UnknownQuarantined),
        Err(error) => Err(Problem::unwritable(&error)),
    }
}

/// Store a quarantined message as the push that it is
///
/// If it can be accepted by now, such as after a limit was raised, it is stored, fanned out, and taken out of
/// quarantine.
#[utoipa::path(
    post,
    path = "/api/quarantine/{id}/replay",
    operation_id = "replay_quarantined",
    tag = "quarantine",
    params(EntryPath),
    responses(
        (status = 200, description = "The push that it became", body = ReplayedView),
        (status = 404, description = "There is no such message"),
        (status = 422, description = "It still can't be accepted: `reason` says why"),
        (status = 503, description = "The journal can't write"),
    )
)]
pub(crate) async fn replay(request: HttpRequest, deps: Data<Deps>) -> Result<HttpResponse, Problem> {
    let id = named(&request)?;
    let tenants = deps.tenants.clone();
    let replayed = to_its_end(async move {
        let replayed = tenants.replay(id).await;
        if let Ok(Replayed { tenant, .. }) = &replayed {
            let operation = "replay";
            tracing::info!(%tenant, operation, quarantined = id, "an operator replayed a quarantined message");
        }
        replayed
    });
    match replayed.await? {
        Ok(Replayed { tenant, push_id, duplicate }) => Ok(no_store_json(&ReplayedView { tenant, push_id, duplicate })),
        Err(ReplayError::Unknown) => Err(Problem::UnknownQuarantined),
        Err(ReplayError::Refused(reason)) => Err(Problem::StillRefused { reason }),
        Err(ReplayError::Journal(error)) => Err(Problem::unwritable(&error)),
    }
}

/// The message that the path names. What is no number names none.
fn named(request: &HttpRequest) -> Result<u64, Problem> {
    let id = request.match_info().query("id").parse().ok();
    id.filter(|id| *id <= LAST_ID).ok_or(Problem::UnknownQuarantined)
}

async fn read(deps: &Deps, id: u64) -> Result<QuarantinedRaw, Problem> {
    let found = deps.journal.quarantined(id).await.map_err(|error| Problem::unreadable(&error))?;
    found.ok_or(Problem::UnknownQuarantined)
}

impl From<Quarantined> for EntryView {
    fn from(entry: Quarantined) -> Self {
        Self {
            id: entry.id,
            tenant: entry.tenant,
            push_id: entry.push_id,
            received_at: entry.received_at,
            reason: entry.reason,
            size: entry.size,
            count: entry.count,
        }
    }
}
