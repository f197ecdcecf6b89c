use actix_web::http::StatusCode;

use super::Problem;
use crate::lifecycle::Phase;

impl Problem {
    /// Status, the end of `type`, and `title`: the same for every occurrence of a variant.
    pub(super) fn kind(&self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::NotFound => (StatusCode::NOT_FOUND, "not-found", "Not found"),
            Self::MethodNotAllowed { .. } => {
                (StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", "Method not allowed")
            }
            Self::UnknownTenant(_) | Self::InvalidTenant(_) => {
                (StatusCode::NOT_FOUND, "unknown-tenant", "Unknown tenant")
            }
            Self::InvalidTenantId(_) => (StatusCode::BAD_REQUEST, "invalid-tenant-id", "Invalid tenant id"),
            Self::TenantFromFile(_) => (StatusCode::CONFLICT, "tenant-from-file", "Tenant of the files"),
            Self::TenantDisabled(_) => (StatusCode::CONFLICT, "tenant-disabled", "Tenant switched off"),
            Self::InvalidSettings(_) => (StatusCode::UNPROCESSABLE_ENTITY, "invalid-settings", "Invalid settings"),
            Self::PreconditionFailed => (StatusCode::PRECONDITION_FAILED, "precondition-failed", "Precondition failed"),
            Self::MalformedPrecondition { .. } => {
                (StatusCode::BAD_REQUEST, "malformed-precondition", "Malformed precondition")
            }
            Self::InvalidPurge => (StatusCode::BAD_REQUEST, "invalid-purge", "Invalid purge"),
            Self::NoTenant => (StatusCode::BAD_REQUEST, "no-tenant", "No tenant named"),
            Self::TooManyTenants { .. } => (StatusCode::BAD_REQUEST, "too-many-tenants", "Too many tenants"),
            Self::MalformedCursor(_) => (StatusCode::BAD_REQUEST, "malformed-cursor", "Malformed cursor"),
            Self::UnknownEpoch => (StatusCode::BAD_REQUEST, "unknown-epoch", "Cursor of another life of the log"),
            Self::InvalidAfter => (StatusCode::BAD_REQUEST, "invalid-after", "Invalid position"),
            Self::UnknownPush => (StatusCode::NOT_FOUND, "unknown-push", "Unknown push"),
            Self::AlreadyAnswered(_) => (StatusCode::CONFLICT, "already-answered", "Already answered"),
            Self::InvalidWord => (StatusCode::UNPROCESSABLE_ENTITY, "invalid-word", "Invalid word"),
            Self::UnknownQuarantined => (StatusCode::NOT_FOUND, "unknown-quarantined", "Unknown quarantined message"),
            Self::StillRefused { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "still-refused", "Still refused"),
            Self::InvalidLimit { .. } => (StatusCode::BAD_REQUEST, "invalid-limit", "Invalid limit"),
            Self::InvalidState { .. } => (StatusCode::BAD_REQUEST, "invalid-state", "Invalid state"),
            Self::BodyTooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, "body-too-large", "Body too large"),
            Self::BodyTimeout => (StatusCode::REQUEST_TIMEOUT, "body-timeout", "Body too slow"),
            Self::BodyCut => (StatusCode::BAD_REQUEST, "body-cut", "Body incomplete"),
            Self::MalformedBody { .. } => (StatusCode::BAD_REQUEST, "malformed-body", "Malformed body"),
            Self::UnsupportedMediaType => {
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", "Unsupported media type")
            }
            Self::Unauthorized => (StatusCode::UNAUTHORIZED, "unauthorized", "Unauthorized"),
            Self::NoToken => (StatusCode::UNAUTHORIZED, "no-token", "No token"),
            Self::InvalidToken(_) => (StatusCode::UNAUTHORIZED, "invalid-token", "Invalid token"),
            Self::KeysUnknown => (StatusCode::SERVICE_UNAVAILABLE, "keys-unknown", "Keys unknown"),
            Self::Forbidden(_) => (StatusCode::FORBIDDEN, "forbidden", "Not in the token"),
            Self::NoPresence => (StatusCode::FORBIDDEN, "no-presence", "Not in the token"),
            Self::ForeignOrigin => (StatusCode::FORBIDDEN, "foreign-origin", "Foreign origin"),
            Self::TooManyTickets => (StatusCode::TOO_MANY_REQUESTS, "too-many-tickets", "Too many tickets"),
            Self::OverLimit(_) => (StatusCode::TOO_MANY_REQUESTS, "over-limit", "Over a limit"),
            Self::UrlTooLong { .. } => (StatusCode::URI_TOO_LONG, "url-too-long", "URL too long"),
            Self::HeadersTooLarge { .. } => {
                (StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "headers-too-large", "Headers too large")
            }
            Self::ForeignHost => (StatusCode::MISDIRECTED_REQUEST, "foreign-host", "Foreign host"),
            Self::CrossSite => (StatusCode::FORBIDDEN, "cross-site", "Cross-site request"),
            Self::NotServing(Phase::Draining) => (StatusCode::SERVICE_UNAVAILABLE, "draining", "Draining"),
            Self::NotServing(_) => (StatusCode::SERVICE_UNAVAILABLE, "starting", "Starting"),
            Self::NotRunning => (StatusCode::SERVICE_UNAVAILABLE, "not-running", "Not running"),
            Self::Stuck { .. } => (StatusCode::SERVICE_UNAVAILABLE, "stuck", "Not alive"),
            Self::JournalFailing { .. } => (StatusCode::SERVICE_UNAVAILABLE, "journal-failing", "Journal failing"),
            Self::JournalUnwritable => (StatusCode::SERVICE_UNAVAILABLE, "journal-unwritable", "Journal unwritable"),
            Self::ConnectionsFailing { .. } => {
                (StatusCode::SERVICE_UNAVAILABLE, "connections-failing", "Connections failing")
            }
            Self::JournalUnreadable => (StatusCode::SERVICE_UNAVAILABLE, "journal-unreadable", "Journal unreadable"),
            Self::Status(status) => (*status, "other", status.canonical_reason().unwrap_or("Error")),
        }
    }
}
