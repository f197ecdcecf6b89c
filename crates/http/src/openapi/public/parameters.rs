//! What requests of the public listener may say.

use utoipa::IntoParams;

/// The part of a path that names a tenant.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct TenantPath {
    /// The tenant's id.
    #[param(example = "acme", pattern = "^[a-z0-9][a-z0-9_-]{0,63}$")]
    tenant: String,
}

/// The part of a path that names a push.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct PushPath {
    /// The service's id of it, percent-encoded.
    #[param(example = "4ee95b2c-71b0-42d8-8e1f-0f3d7d24dce1", min_length = 1, max_length = 256)]
    push_id: String,
}

/// The tenants of a stream.
#[derive(IntoParams)]
#[into_params(parameter_in = Query, style = Form)]
pub(super) struct Tenants {
    /// One tenant; comes several times, at least once and at most `server.limits.tenants_per_stream` times (100). A
    /// name that comes twice counts once.
    #[param(explode = true, min_items = 1, example = json!(["acme", "globex"]))]
    tenant: Vec<String>,
}

/// Where a stream begins.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Resume {
    /// The cursor after which the stream begins; counts when `Last-Event-ID` is absent or empty. What is no cursor is
    /// told by a `gap` event.
    #[param(example = "5f3a9c01-1042")]
    last_event_id: Option<String>,
    /// The same under the name that polyfills use.
    #[param(rename = "lastEventId")]
    last_event_id_of_polyfills: Option<String>,
    /// A cursor, `earliest` for all that is kept, or a time (RFC 3339) for what came since then.
    #[param(example = "earliest")]
    since: Option<String>,
}

/// What a browser sends when it reconnects.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub(super) struct LastEventId {
    /// The cursor after which the stream begins. It goes before all parameters, because a browser reconnects to an
    /// unchanged URL.
    #[param(rename = "Last-Event-ID", nullable = false, example = "5f3a9c01-1042")]
    last_event_id: Option<String>,
}

/// What whoever asks has already.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub(super) struct IfNoneMatch {
    /// The `ETag` of what is there already, or several, or `*`.
    #[param(rename = "If-None-Match", nullable = false)]
    if_none_match: Option<String>,
}

/// Where a page of the history begins.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct AfterCursor {
    /// Only pushes after this cursor, which must be of the journal's present epoch; without it, from the oldest kept.
    #[param(pattern = "^([0-9a-z]{1,32}-(0|[1-9][0-9]{0,15}))?$")]
    after: Option<String>,
}
