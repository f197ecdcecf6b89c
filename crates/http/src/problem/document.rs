use actix_web::{
    HttpResponse, ResponseError,
    http::{StatusCode, header},
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{CONTENT_TYPE, Problem};

/// What a problem's `type` begins with; the rest is a word that programs may rely on.
const TYPE_PREFIX: &str = "urn:problem-type:pushgate:";

/// What a client that is told to come back waits, in seconds.
const RETRY_AFTER_SECONDS: u32 = 5;

/// What is said instead of what was asked for (RFC 9457).
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub(crate) struct ProblemDocument {
    /// Names the kind of problem, for programs; `about:blank` where the status says it all.
    #[schema(example = "urn:problem-type:pushgate:unknown-tenant")]
    r#type: String,
    /// The kind of problem, for people.
    #[schema(example = "Unknown tenant")]
    title: &'static str,
    /// The status of the response.
    #[schema(example = 404)]
    status: u16,
    /// This problem, for people.
    detail: String,
    /// What is wrong with the settings of a tenant (`invalid-settings`).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<Mistake>,
    /// Why a quarantined message still can't be accepted (`still-refused`).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    reason: Option<&'static str>,
    /// The answer that stands (`already-answered`, on the public listener).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    answer: Option<&'static str>,
}

/// One key of a tenant's settings that can't be used.
#[derive(Serialize, ToSchema)]
struct Mistake {
    /// Which key, with dots.
    #[schema(example = "ack_timeout")]
    key: String,
    /// What is allowed.
    allowed: String,
}

impl ProblemDocument {
    fn new(problem: &Problem) -> Self {
        let (status, slug, title) = problem.kind();
        // A status says it all for these; RFC 9457 has a type for that.
        let r#type = if slug == "other" { "about:blank".to_owned() } else { format!("{TYPE_PREFIX}{slug}") };
        let mut document = Self {
            r#type,
            title,
            status: status.as_u16(),
            detail: problem.to_string(),
            errors: Vec::new(),
            reason: None,
            answer: None,
        };
        match problem {
            Problem::InvalidSettings(mistakes) => {
                let mistake = |(key, allowed)| Mistake { key, allowed };
                let told = mistakes.iter().map(|mistake| (mistake.key.clone(), mistake.allowed.clone()));
                document.errors = told.map(mistake).collect();
            }
            Problem::StillRefused { reason } => document.reason = Some(reason),
            Problem::AlreadyAnswered(answer) => document.answer = Some(answer.as_str()),
            _ => {}
        }
        document
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.kind().0
    }

    fn error_response(&self) -> HttpResponse {
        let status = self.status_code();
        let mut response = HttpResponse::build(status);
        response.content_type(CONTENT_TYPE).insert_header((header::CACHE_CONTROL, "no-store"));
        match self {
            Self::MethodNotAllowed { allow } => {
                response.insert_header((header::ALLOW, allow.as_str()));
            }
            Self::Unauthorized | Self::NoToken => {
                response.insert_header((header::WWW_AUTHENTICATE, "Bearer"));
            }
            // RFC 6750, section 3.
            Self::InvalidToken(_) => {
                response.insert_header((header::WWW_AUTHENTICATE, "Bearer error=\"invalid_token\""));
            }
            // The connection is of no use any more: the rest of the body stands in it.
            Self::BodyTimeout | Self::BodyCut => {
                response.force_close();
            }
            _ if matches!(status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS) => {
                response.insert_header((header::RETRY_AFTER, RETRY_AFTER_SECONDS));
            }
            _ => {}
        }
        let document = ProblemDocument::new(self);
        response.body(serde_json::to_vec(&document).expect("plain members always serialize"))
    }
}

#[cfg(test)]
mod tests {
    use actix_web::body::MessageBody;

    use crate::Phase;

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
