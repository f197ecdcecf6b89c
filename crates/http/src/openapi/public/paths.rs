//! The operations of the public listener. A test holds them against its routes, another one against a running gateway.
//! The functions only carry their descriptions.

use super::{
    parameters::{AfterCursor, IfNoneMatch, LastEventId, PushPath, Resume, TenantPath, Tenants},
    schemas::{EventStream, HistoryPage, Ticket, Word},
};
use crate::{
    query::PageParams,
    subscribers::{AfterParams, SubscriberPage},
};

/// Follow several tenants
///
/// One stream in the order of the log, so that one cursor resumes it.
#[utoipa::path(
    get,
    path = "/events",
    operation_id = "stream_several",
    tag = "streams",
    params(Tenants, Resume, LastEventId),
    responses(
        (status = 200, response = inline(EventStream)),
        (status = 204, description = "All these tenants were removed: do not come back"),
        (status = 400, description = "No tenant is named, or too many are"),
        (status = 404, description = "There is no such tenant"),
        (status = 429, description = "Over a limit, and `Accept` does not name `text/event-stream`"),
        (status = 503, description = "Starting, draining or without keys yet, and `Accept` does not name `text/event-stream`"),
    )
)]
fn several() {}

/// Follow a tenant
///
/// Without a cursor the stream begins live. A cursor never causes an error: what can't be had is told by a `gap` event.
#[utoipa::path(
    get,
    path = "/events/{tenant}",
    operation_id = "stream_one",
    tag = "streams",
    params(TenantPath, Resume, LastEventId),
    responses(
        (status = 200, response = inline(EventStream)),
        (status = 204, description = "The tenant was removed: do not come back"),
        (status = 404, description = "There is no such tenant"),
        (status = 429, description = "Over a limit, and `Accept` does not name `text/event-stream`"),
        (status = 503, description = "Starting, draining or without keys yet, and `Accept` does not name `text/event-stream`"),
    )
)]
fn one() {}

/// Read what is kept
///
/// Oldest first. A page may end before its limit, once it holds 8 MiB of text: only `next` tells whether there is more.
#[utoipa::path(
    get,
    path = "/tenants/{tenant}/pushes",
    operation_id = "list_pushes",
    tag = "pushes",
    params(TenantPath, AfterCursor, PageParams, IfNoneMatch),
    responses(
        (
            status = 200, description = "A page of pushes", body = HistoryPage,
            headers(("ETag" = String, description = "The version of this page")),
        ),
        (
            status = 304, description = "The page has a version that `If-None-Match` names",
            headers(("ETag" = String, description = "The version of this page")),
        ),
        (status = 400, description = "`after` is no cursor or one of another epoch, or `limit` is wrong"),
        (status = 404, description = "There is no such tenant"),
        (status = 503, description = "The journal can't be read, or there are no keys yet"),
    )
)]
fn history() {}

/// Say that a push was handled, or can't be
///
/// Where the tenant's `ack` is `confirmed`, this is what the service is answered. The first word counts.
#[utoipa::path(
    post,
    path = "/tenants/{tenant}/pushes/{push_id}/ack",
    operation_id = "say_word",
    tag = "pushes",
    params(TenantPath, PushPath),
    request_body = Word,
    responses(
        (status = 204, description = "The word is durable, and on its way to the service"),
        (status = 400, description = "The body ended before its end"),
        (status = 404, description = "There is no such tenant, or no such push of it"),
        (status = 408, description = "The body did not arrive in time"),
        (status = 409, description = "It was answered before: `answer` says how"),
        (status = 422, description = "The body is no word"),
        (status = 503, description = "The gateway starts, has no keys yet, or the journal can't write: nothing changed"),
    )
)]
fn word() {}

/// Get a ticket for a stream
///
/// It stands for the token of this request in the `ticket` of one stream's URL, because an `EventSource` sends no headers
/// and URLs end up in logs. Where no tokens are asked for there are tickets all the same.
#[utoipa::path(
    post,
    path = "/tickets",
    operation_id = "issue_ticket",
    tag = "access",
    responses(
        (status = 201, description = "A ticket", body = Ticket),
        (status = 429, description = "Too many tickets wait to be redeemed"),
    )
)]
fn tickets() {}

/// List who subscribes
///
/// For tokens with the claim `presence: true`. It shows networks instead of addresses, and of each stream only those
/// tenants that the token names; `cursor`, `lag` and `bytes` are of the stream as a whole.
#[utoipa::path(
    get,
    path = "/tenants/{tenant}/subscribers",
    operation_id = "list_subscribers",
    tag = "access",
    params(TenantPath, AfterParams, PageParams),
    responses(
        (status = 200, description = "A page of live streams", body = SubscriberPage),
        (status = 400, description = "A parameter is wrong"),
        (status = 404, description = "There is no such tenant"),
        (status = 503, description = "The gateway starts, or has no keys yet"),
    )
)]
fn presence() {}

/// The client for browsers
///
/// An ES module without dependencies. Any page may load it.
#[utoipa::path(
    get,
    path = "/client.js",
    operation_id = "client_js",
    tag = "client",
    params(IfNoneMatch),
    security(()),
    responses(
        (
            status = 200, description = "The module", body = String, content_type = "text/javascript",
            headers(("ETag" = String, description = "The version of this module")),
        ),
        (
            status = 304, description = "The module has a version that `If-None-Match` names",
            headers(("ETag" = String, description = "The version of this module")),
        ),
    )
)]
fn client_js() {}

/// The types of the client for browsers
#[utoipa::path(
    get,
    path = "/client.d.ts",
    operation_id = "client_d_ts",
    tag = "client",
    params(IfNoneMatch),
    security(()),
    responses(
        (
            status = 200, description = "TypeScript's declarations", body = String, content_type = "text/plain",
            headers(("ETag" = String, description = "The version of these declarations")),
        ),
        (
            status = 304, description = "They have a version that `If-None-Match` names",
            headers(("ETag" = String, description = "The version of these declarations")),
        ),
    )
)]
fn client_d_ts() {}

/// This description
#[utoipa::path(
    get,
    path = "/openapi.json",
    operation_id = "openapi",
    tag = "description",
    security(()),
    responses((status = 200, description = "OpenAPI 3.1", body = Object, content_type = "application/json"))
)]
fn openapi() {}

/// The description of streams
#[utoipa::path(
    get,
    path = "/asyncapi.json",
    operation_id = "asyncapi",
    tag = "description",
    security(()),
    responses((status = 200, description = "AsyncAPI 3.0", body = Object, content_type = "application/json"))
)]
fn asyncapi() {}
