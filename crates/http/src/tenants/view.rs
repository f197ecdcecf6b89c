use std::borrow::Cow;

use pushgate_model::{ConnectionState, TenantId, Timestamp};
use pushgate_upstream::{LastClose, ShownSettings, Source, TenantSnapshot};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::settings::SettingsSchema;
use crate::{
    Deps,
    openapi::{SourceSchema, StateSchema},
};

/// A tenant as operators see it. Times are null when there is none.
#[derive(Serialize, ToSchema)]
#[schema(as = Tenant)]
pub(super) struct TenantView {
    /// Its id.
    #[schema(value_type = String, example = "acme")]
    id: TenantId,
    /// What its connection does.
    #[schema(value_type = StateSchema)]
    state: ConnectionState,
    /// Why, as a machine-readable word; null where the state says it all.
    #[schema(value_type = Option<String>, example = "http_503")]
    reason: Option<Cow<'static, str>>,
    /// Since when.
    #[schema(value_type = String, format = DateTime)]
    since: Timestamp,
    /// Failed attempts since the last good connection.
    attempt: u32,
    /// When the next dial is due.
    #[schema(value_type = Option<String>, format = DateTime)]
    next_retry_at: Option<Timestamp>,
    /// Since when the present socket is connected.
    #[schema(value_type = Option<String>, format = DateTime)]
    connected_since: Option<Timestamp>,
    /// When the last push came, since the gateway started.
    #[schema(value_type = Option<String>, format = DateTime)]
    last_push_at: Option<Timestamp>,
    /// Pushes stored since the gateway started.
    pushes: u64,
    /// Repeats of known pushes since the gateway started.
    duplicates: u64,
    /// Answers sent since the gateway started.
    answers: u64,
    /// Streams that carry it.
    subscribers: usize,
    /// Where it comes from.
    #[schema(value_type = SourceSchema)]
    source: Source,
}

/// A tenant with all that there is about it.
#[derive(Serialize, ToSchema)]
#[schema(as = TenantDetail)]
pub(super) struct TenantDetail {
    #[serde(flatten)]
    tenant: TenantView,
    /// What the service's last Close said, since the gateway started.
    last_close: Option<CloseView>,
    /// Pushes that wait for the journal.
    in_flight: usize,
    /// Pushes that wait for a subscriber's word.
    waits: usize,
    /// The keys as given, secrets as `"***"`; null while the tenant is being removed.
    #[schema(value_type = Option<SettingsSchema>)]
    settings: Option<Map<String, Value>>,
    /// Names the version of the settings; a header, not a member.
    #[serde(skip)]
    pub(super) version: Option<String>,
}

/// What a Close of the service said.
#[derive(Serialize, ToSchema)]
#[schema(as = LastClose)]
struct CloseView {
    /// When it came.
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    /// Its code, when it had one.
    code: Option<u16>,
    /// Its text, chosen by the service.
    text: String,
}

impl TenantView {
    pub(super) fn new(snapshot: TenantSnapshot, deps: &Deps) -> Self {
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

impl TenantDetail {
    /// What is known about a tenant at this moment; nothing when there is none.
    pub(super) fn read(deps: &Deps, tenant: &TenantId) -> Option<Self> {
        let mut snapshot = deps.directory.get(tenant)?;
        let (settings, version) = match deps.tenants.settings(tenant) {
            Some(ShownSettings { settings, version, .. }) => (Some(settings), Some(version)),
            None => (None, None),
        };
        Some(Self {
            last_close: snapshot.last_close.take().map(|LastClose { at, code, text }| CloseView { at, code, text }),
            in_flight: snapshot.in_flight,
            waits: snapshot.waits,
            tenant: TenantView::new(snapshot, deps),
            settings,
            version,
        })
    }
}
