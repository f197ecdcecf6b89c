use std::time::{Duration, SystemTime};

use actix_web::http::{StatusCode, header};
use serde::{Deserialize, Serialize};

use crate::problem::Problem;

/// Longest `Location`, and longest `Retry-After` text, in bytes.
const MAX_TEXT: usize = 2048;

/// How handshakes are refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Refusal {
    /// The HTTP status, 200 to 599.
    pub(crate) status: u16,
    /// `Retry-After`: seconds, or any text as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) retry_after: Option<RetryAfter>,
    /// `Retry-After` as the HTTP date that lies so many seconds after the refusal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) retry_after_date: Option<u32>,
    /// `Location`, for a redirect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) location: Option<String>,
    /// Only the next so many handshakes; then they pass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) times: Option<u32>,
    /// Only handshakes whose number, since the fault was set, this divides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) every: Option<u32>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum RetryAfter {
    Seconds(u32),
    Text(String),
}

/// What happened to an account's handshakes since its faults were set.
#[derive(Clone, Copy, Default)]
pub(crate) struct Handshakes {
    seen: u64,
    refused: u32,
}

impl Handshakes {
    /// Whether the next handshake is refused.
    pub(crate) fn refuses(&mut self, refusal: &Refusal) -> bool {
        self.seen += 1;
        let chosen = refusal.every.is_none_or(|every| self.seen.is_multiple_of(every.into()));
        let refused = chosen && refusal.times.is_none_or(|times| self.refused < times);
        self.refused = self.refused.saturating_add(u32::from(refused));
        refused
    }
}

impl Refusal {
    /// Every handshake, with this status and nothing more.
    pub(crate) fn of(status: u16) -> Self {
        Self { status, retry_after: None, retry_after_date: None, location: None, times: None, every: None }
    }

    /// What is wrong with the refusal itself.
    pub(crate) fn mistake(&self) -> Option<String> {
        let header_text = |text: &str| text.len() <= MAX_TEXT && text.bytes().all(|b| b.is_ascii() && b >= b' ');
        let texts = [self.location.as_deref(), self.retry_after.as_ref().and_then(RetryAfter::text)];
        if !(200..600).contains(&self.status) {
            Some("refuse.status is 200 to 599".to_owned())
        } else if self.retry_after.is_some() && self.retry_after_date.is_some() {
            Some("refuse has retry_after or retry_after_date, not both".to_owned())
        } else if texts.into_iter().flatten().any(|text| !header_text(text)) {
            Some(format!("refuse.location and refuse.retry_after are up to {MAX_TEXT} printable ASCII characters"))
        } else if self.times == Some(0) || self.every == Some(0) {
            Some("refuse.times and refuse.every are 1 or more".to_owned())
        } else {
            None
        }
    }

    /// The answer to a handshake.
    pub(crate) fn problem(&self, now: SystemTime) -> Problem {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
        let mut problem = Problem::new(status, "this account refuses handshakes on purpose");
        let retry_after = self.retry_after.as_ref().map(|after| match after {
            RetryAfter::Seconds(seconds) => seconds.to_string(),
            RetryAfter::Text(text) => text.clone(),
        });
        let date =
            self.retry_after_date.map(|seconds| httpdate::fmt_http_date(now + Duration::from_secs(seconds.into())));
        if let Some(value) = retry_after.or(date) {
            problem = problem.with_header(header::RETRY_AFTER, value);
        }
        match &self.location {
            Some(location) => problem.with_header(header::LOCATION, location.clone()),
            None => problem,
        }
    }
}

impl RetryAfter {
    fn text(&self) -> Option<&str> {
        match self {
            Self::Seconds(_) => None,
            Self::Text(text) => Some(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> Vec<bool> {
        let refusal: Refusal = serde_json::from_str(text).unwrap();
        let mut handshakes = Handshakes::default();
        (0..6).map(|_| handshakes.refuses(&refusal)).collect()
    }

    #[test]
    fn a_refusal_may_be_for_some_handshakes_only() {
        assert_eq!(refused(r#"{"status":503}"#), [true; 6]);
        assert_eq!(refused(r#"{"status":503,"times":2}"#), [true, true, false, false, false, false]);
        assert_eq!(refused(r#"{"status":503,"every":3}"#), [false, false, true, false, false, true]);
        assert_eq!(refused(r#"{"status":503,"every":2,"times":1}"#), [false, true, false, false, false, false]);
    }

    #[test]
    fn texts_that_are_no_header_are_mistakes() {
        for text in ["a\nb", "ü"] {
            let refusal = Refusal { location: Some(text.to_owned()), ..Refusal::of(302) };
            assert!(refusal.mistake().is_some());
        }
    }
}
