mod document;
mod kind;

use actix_web::http::StatusCode;
use pushgate_journal::JournalError;
use pushgate_model::{Answer, TenantId};
use pushgate_upstream::TenantError;

use crate::{lifecycle::Phase, limits::Limit, metrics::Listener};

pub(crate) use document::ProblemDocument;

/// The media type of every error (RFC 9457).
pub(crate) const CONTENT_TYPE: &str = "application/problem+json";

/// Everything that either listener may answer instead of what was asked for. The text of a variant is the `detail` that
/// a person reads.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Problem {
    /// No such path.
    #[error("nothing is served at this path")]
    NotFound,
    /// The path exists, for other methods.
    #[error("this path answers to {allow}")]
    MethodNotAllowed {
        /// The methods, as in the `Allow` header.
        allow: String,
    },
    /// No such tenant.
    #[error("there is no tenant \"{0}\"")]
    UnknownTenant(TenantId),
    /// What stands for a tenant can't be one, so there is none.
    #[error("there is no such tenant: {0}")]
    InvalidTenant(#[from] pushgate_model::TenantIdError),
    /// A tenant can't be made under this id.
    #[error("{0}")]
    InvalidTenantId(pushgate_model::TenantIdError),
    /// A tenant of the files is changed in the files.
    #[error("tenant \"{0}\" comes from the configuration files: change it there and reload")]
    TenantFromFile(TenantId),
    /// A tenant that its settings switch off can't be resumed.
    #[error("tenant \"{0}\" is switched off by enabled = false in its settings: change them to switch it on")]
    TenantDisabled(TenantId),
    /// The settings of a tenant are wrong.
    #[error("{} of the settings can't be used: see errors", count(.0.len()))]
    InvalidSettings(Vec<pushgate_upstream::TenantMistake>),
    /// The settings have another version than the request is meant for.
    #[error("the settings have another version than this request is meant for: read them again")]
    PreconditionFailed,
    /// `If-Match` or `If-None-Match` can't be read.
    #[error("{header} must be {allowed}")]
    MalformedPrecondition {
        /// Which header.
        header: &'static str,
        /// What it takes.
        allowed: &'static str,
    },
    /// `purge` is neither true nor false.
    #[error("purge must be true or false")]
    InvalidPurge,
    /// A stream of nobody.
    #[error("name at least one tenant: /events?tenant=a&tenant=b")]
    NoTenant,
    /// A stream of too many.
    #[error("a stream may carry {limit} tenants (server.limits.tenants_per_stream)")]
    TooManyTenants {
        /// The configured limit.
        limit: usize,
    },
    /// `after` of a history page can't be read.
    #[error("after must be a cursor: {0}")]
    MalformedCursor(#[from] pushgate_model::CursorError),
    /// `after` of a history page belongs to another life of the log.
    #[error("this cursor belongs to another life of the log: begin again without after")]
    UnknownEpoch,
    /// `after` of another list can't be read.
    #[error("after must be what next was in the page before")]
    InvalidAfter,
    /// No such push of this tenant, or it was trimmed.
    #[error("this tenant has no such push, or it was trimmed")]
    UnknownPush,
    /// A push was answered before.
    #[error("this push was answered before: {}", .0.as_str())]
    AlreadyAnswered(Answer),
    /// A subscriber's word is none.
    #[error("the body must be {{\"status\":\"ack\"}} or {{\"status\":\"nack\"}}")]
    InvalidWord,
    /// No such quarantined message.
    #[error("there is no such quarantined message")]
    UnknownQuarantined,
    /// A quarantined message still can't be accepted.
    #[error("this message still can't be accepted as a push: {reason}")]
    StillRefused {
        /// Why, as a machine-readable word.
        reason: &'static str,
    },
    /// `limit` can't be read.
    #[error("limit must be a number, at least 1; what is above {max} counts as {max}")]
    InvalidLimit {
        /// The largest page.
        max: usize,
    },
    /// `state` names none.
    #[error("state must be one of {known}")]
    InvalidState {
        /// All of them.
        known: String,
    },
    /// A body is larger than anything served here needs.
    #[error("a request's body may have {limit} bytes here{}", of_setting(*.listener))]
    BodyTooLarge {
        /// The listener's limit.
        limit: usize,
        /// Where it was asked for.
        listener: Listener,
    },
    /// A body did not arrive in time.
    #[error("the request's body did not arrive in time")]
    BodyTimeout,
    /// A body ended before its end.
    #[error("the request's body could not be read to its end")]
    BodyCut,
    /// A body is no JSON object.
    #[error("the body must be a JSON object: {what}")]
    MalformedBody {
        /// What is wrong with it.
        what: String,
    },
    /// A body says that it is no JSON.
    #[error("the body must be application/json")]
    UnsupportedMediaType,
    /// No token, or a wrong one.
    #[error("send the admin token as Authorization: Bearer …")]
    Unauthorized,
    /// A subscriber without a token.
    #[error("send a token as Authorization: Bearer …, or a ticket from POST /tickets as ?ticket=")]
    NoToken,
    /// A subscriber's token, cookie or ticket does not count.
    #[error("{0}")]
    InvalidToken(&'static str),
    /// No token can be checked.
    #[error("the keys that tokens are signed with could not be fetched yet")]
    KeysUnknown,
    /// A token does not name the tenant.
    #[error("the token does not name the tenant \"{0}\"")]
    Forbidden(TenantId),
    /// A token does not permit to see who subscribes.
    #[error("this needs a token with the claim presence: true")]
    NoPresence,
    /// A cookie came with a request that another site may have made.
    #[error("a cookie counts only in requests of this site's own pages, and of server.cors_origins")]
    ForeignOrigin,
    /// As many tickets wait as may.
    #[error("too many tickets wait to be redeemed")]
    TooManyTickets,
    /// A stream over a limit.
    #[error("this is over the limit server.limits.{}", .0.as_str())]
    OverLimit(Limit),
    /// The path and query are too long.
    #[error("the path and query may have {limit} bytes (server.limits.url)")]
    UrlTooLong {
        /// The configured limit.
        limit: usize,
    },
    /// The headers are too large.
    #[error("the headers may have {limit} bytes (server.limits.headers)")]
    HeadersTooLarge {
        /// The configured limit.
        limit: usize,
    },
    /// A request that a page may have tricked a browser into sending here.
    #[error("without a token this listener answers only when Host is localhost, 127.0.0.1 or [::1]")]
    ForeignHost,
    /// A request that another site made a browser send.
    #[error("without a token this listener refuses requests that other sites make")]
    CrossSite,
    /// The gateway can't serve this in its present phase.
    #[error("{}", phase_text(*.0))]
    NotServing(Phase),
    /// Nothing can be done about tenants in this phase.
    #[error("tenants can't be steered while the gateway starts or stops")]
    NotRunning,
    /// A loop of the gateway stands still.
    #[error("no progress for {seconds} s: {what}")]
    Stuck {
        /// Which loops.
        what: String,
        /// How long is too long.
        seconds: u64,
    },
    /// The store can't write.
    #[error("the journal can't write since {since}: {error}")]
    JournalFailing {
        /// Since when.
        since: pushgate_model::Timestamp,
        /// What the engine said.
        error: String,
    },
    /// The store could not write what was asked for.
    #[error("the journal can't write at the moment")]
    JournalUnwritable,
    /// So many connections fail that it is no matter of single tenants.
    #[error("{reason}")]
    ConnectionsFailing {
        /// What is wrong.
        reason: String,
    },
    /// The store can't be read.
    #[error("the journal can't be read at the moment")]
    JournalUnreadable,
    /// All else, known by its status alone.
    #[error("{}", .0.canonical_reason().unwrap_or("this request failed"))]
    Status(StatusCode),
}

impl Problem {
    /// Why an operation on a tenant did nothing.
    pub(crate) fn of_tenant(tenant: &TenantId, error: TenantError) -> Self {
        match error {
            TenantError::Unknown => Self::UnknownTenant(tenant.clone()),
            TenantError::FromFile => Self::TenantFromFile(tenant.clone()),
            TenantError::Disabled => Self::TenantDisabled(tenant.clone()),
            TenantError::Precondition => Self::PreconditionFailed,
            TenantError::Invalid(mistakes) => Self::InvalidSettings(mistakes),
            TenantError::Journal(error) => Self::unwritable(&error),
            TenantError::NotRunning => Self::NotRunning,
        }
    }

    /// The journal could not write. What it said may name files: that goes to the log.
    pub(crate) fn unwritable(error: &JournalError) -> Self {
        tracing::warn!(%error, "what an operator asked for could not be written");
        Self::JournalUnwritable
    }

    /// The journal could not be read.
    pub(crate) fn unreadable(error: &JournalError) -> Self {
        tracing::warn!(%error, "what an operator asked for could not be read");
        Self::JournalUnreadable
    }
}

fn phase_text(phase: Phase) -> &'static str {
    match phase {
        Phase::Starting => "the gateway is starting: its tenants are not loaded yet",
        Phase::Ready => "the gateway is ready",
        Phase::Draining => "the gateway is stopping",
    }
}

/// Where a limit on bodies comes from, if somebody can change it.
fn of_setting(listener: Listener) -> &'static str {
    match listener {
        Listener::Public => " (server.limits.body)",
        Listener::Admin => "",
    }
}

fn count(mistakes: usize) -> String {
    if mistakes == 1 { "1 key".to_owned() } else { format!("{mistakes} keys") }
}
