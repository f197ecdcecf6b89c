use actix_web::{
    HttpResponse, ResponseError,
    http::{StatusCode, header},
};
use pushgate_model::TenantId;
use serde::Serialize;

use crate::lifecycle::Phase;

/// The media type of every error (RFC 9457).
pub(crate) const CONTENT_TYPE: &str = "application/problem+json";

/// What a problem's `type` begins with; the rest is a word that programs may rely on.
const TYPE_PREFIX: &str = "urn:problem-type:pushgate:";

/// What a client that is told to come back waits, in seconds.
const RETRY_AFTER_SECONDS: u32 = 5;

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
        allow: &'static str,
    },
    /// No such tenant.
    #[error("there is no tenant \"{0}\"")]
    UnknownTenant(TenantId),
    /// What stands for a tenant can't be one, so there is none.
    #[error("there is no such tenant: {0}")]
    InvalidTenant(#[from] pushgate_model::TenantIdError),
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
    #[error("a request's body may have {limit} bytes (server.limits.body)")]
    BodyTooLarge {
        /// The configured limit.
        limit: usize,
    },
    /// No token, or a wrong one.
    #[error("send the admin token as Authorization: Bearer …")]
    Unauthorized,
    /// A request that a page may have tricked a browser into sending here.
    #[error("without a token this listener answers only when Host is localhost, 127.0.0.1 or [::1]")]
    ForeignHost,
    /// A request that another site made a browser send.
    #[error("without a token this listener refuses requests that other sites make")]
    CrossSite,
    /// The gateway can't serve this in its present phase.
    #[error("{}", phase_text(*.0))]
    NotServing(Phase),
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
    /// The store can't be read.
    #[error("the journal can't be read at the moment")]
    JournalUnreadable,
    /// All else, known by its status alone.
    #[error("{}", .0.canonical_reason().unwrap_or("this request failed"))]
    Status(StatusCode),
}

/// The members of a problem document (RFC 9457, section 3.1).
#[derive(Serialize)]
struct Document<'a> {
    r#type: String,
    title: &'a str,
    status: u16,
    detail: String,
}

impl Problem {
    /// Status, the end of `type`, and `title`: the same for every occurrence of a variant.
    fn kind(&self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::NotFound => (StatusCode::NOT_FOUND, "not-found", "Not found"),
            Self::MethodNotAllowed { .. } => {
                (StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", "Method not allowed")
            }
            Self::UnknownTenant(_) | Self::InvalidTenant(_) => {
                (StatusCode::NOT_FOUND, "unknown-tenant", "Unknown tenant")
            }
            Self::NoTenant => (StatusCode::BAD_REQUEST, "no-tenant", "No tenant named"),
            Self::TooManyTenants { .. } => (StatusCode::BAD_REQUEST, "too-many-tenants", "Too many tenants"),
            Self::MalformedCursor(_) => (StatusCode::BAD_REQUEST, "malformed-cursor", "Malformed cursor"),
            Self::UnknownEpoch => (StatusCode::BAD_REQUEST, "unknown-epoch", "Cursor of another life of the log"),
            Self::InvalidLimit { .. } => (StatusCode::BAD_REQUEST, "invalid-limit", "Invalid limit"),
            Self::InvalidState { .. } => (StatusCode::BAD_REQUEST, "invalid-state", "Invalid state"),
            Self::BodyTooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, "body-too-large", "Body too large"),
            Self::Unauthorized => (StatusCode::UNAUTHORIZED, "unauthorized", "Unauthorized"),
            Self::ForeignHost => (StatusCode::MISDIRECTED_REQUEST, "foreign-host", "Foreign host"),
            Self::CrossSite => (StatusCode::FORBIDDEN, "cross-site", "Cross-site request"),
            Self::NotServing(Phase::Draining) => (StatusCode::SERVICE_UNAVAILABLE, "draining", "Draining"),
            Self::NotServing(_) => (StatusCode::SERVICE_UNAVAILABLE, "starting", "Starting"),
            Self::Stuck { .. } => (StatusCode::SERVICE_UNAVAILABLE, "stuck", "Not alive"),
            Self::JournalFailing { .. } => (StatusCode::SERVICE_UNAVAILABLE, "journal-failing", "Journal failing"),
            Self::JournalUnreadable => (StatusCode::SERVICE_UNAVAILABLE, "journal-unreadable", "Journal unreadable"),
            Self::Status(status) => (*status, "other", status.canonical_reason().unwrap_or("Error")),
        }
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.kind().0
    }

    fn error_response(&self) -> HttpResponse {
        let (status, slug, title) = self.kind();
        // A status says it all for these; RFC 9457 has a type for that.
        let r#type = if slug == "other" { "about:blank".to_owned() } else { format!("{TYPE_PREFIX}{slug}") };
        let document = Document { r#type, title, status: status.as_u16(), detail: self.to_string() };
        let mut response = HttpResponse::build(status);
        response.content_type(CONTENT_TYPE).insert_header((header::CACHE_CONTROL, "no-store"));
        match self {
            Self::MethodNotAllowed { allow } => {
                response.insert_header((header::ALLOW, *allow));
            }
            Self::Unauthorized => {
                response.insert_header((header::WWW_AUTHENTICATE, "Bearer"));
            }
            _ if status == StatusCode::SERVICE_UNAVAILABLE => {
                response.insert_header((header::RETRY_AFTER, RETRY_AFTER_SECONDS));
            }
            _ => {}
        }
        response.body(serde_json::to_vec(&document).expect("four plain members always serialize"))
    }
}

fn phase_text(phase: Phase) -> &'static str {
    match phase {
        Phase::Starting => "the gateway is starting: its tenants are not loaded yet",
        Phase::Ready => "the gateway is ready",
        Phase::Draining => "the gateway is stopping",
    }
}

#[cfg(test)]
mod tests {
    use actix_web::body::MessageBody;

    use super::*;

    #[test]
    fn an_unnamed_status_is_about_blank() {
        let response = Problem::Status(StatusCode::IM_A_TEAPOT).error_response();
        let body = response.into_body().try_into_bytes().expect("sized");
        let document: serde_json::Value = serde_json::from_slice(&body).expect("json");
        assert_eq!(document["type"], "about:blank");
        assert_eq!(document["status"], 418);
    }

    #[test]
    fn a_problem_says_when_to_come_back() {
        let response = Problem::NotServing(Phase::Draining).error_response();
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(response.headers().contains_key(header::RETRY_AFTER));
    }
}
