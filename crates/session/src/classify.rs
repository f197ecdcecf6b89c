use pushgate_model::ConnectionState;

use crate::{Ending, Lane};

/// Refusals of the credential in a row from which on it is taken for wrong. One right after a restart of the service is
/// normal.
const AUTH_REFUSALS: u32 = 3;

/// What an ending means: the state until the next dial, why, and how soon that is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) state: ConnectionState,
    pub(crate) reason: String,
    pub(crate) lane: Lane,
}

/// The one place that decides what an ending means. Nothing is terminal and no close code is slow; what is not named
/// here is tried again by backoff. `refusals` counts 401 and 403 in a row, this one included; an attempt that got no
/// answer at all neither adds to them nor ends them.
pub(crate) fn classify(ending: &Ending, refusals: u32) -> Verdict {
    let (state, lane) = match ending {
        Ending::Rejected { status: 401 | 403, .. } if refusals >= AUTH_REFUSALS => {
            (ConnectionState::AuthFailed, Lane::Auth)
        }
        Ending::Rejected { status: 429, .. } | Ending::Rejected { status: 503, retry_after: Some(_) } => {
            (ConnectionState::RateLimited, Lane::RateLimited)
        }
        Ending::Rejected { status: 300..=399 | 400 | 404 | 410 | 426, .. }
        | Ending::Tls { certificate: true, .. }
        | Ending::BadUpgrade(_) => (ConnectionState::Misconfigured, Lane::Misconfigured),
        Ending::Requested => (ConnectionState::Waiting, Lane::AtOnce),
        _ => (ConnectionState::Backoff, Lane::Backoff),
    };
    Verdict { state, reason: reason(ending), lane }
}

/// The machine-readable word for an ending.
fn reason(ending: &Ending) -> String {
    let word = match ending {
        Ending::Rejected { status, .. } => return format!("http_{status}"),
        Ending::Closed(Some(code)) => return format!("closed_{code}"),
        Ending::Closed(None) => "closed",
        Ending::Resolve(_) => "dns",
        Ending::Connect(_) => "connect",
        Ending::Tls { certificate: true, .. } => "certificate",
        Ending::Tls { certificate: false, .. } => "tls",
        Ending::BadUpgrade(_) => "bad_upgrade",
        Ending::ConnectTimeout => "connect_timeout",
        Ending::Eof => "eof",
        Ending::Io(_) => "io",
        Ending::Protocol { code: 1009, .. } => "too_big",
        Ending::Protocol { .. } => "protocol",
        Ending::WriteTimeout => "write_timeout",
        Ending::DeadPeer => "dead_peer",
        Ending::Requested => "requested",
    };
    word.to_owned()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn rejected(status: u16, seconds: Option<u64>) -> Ending {
        Ending::Rejected { status, retry_after: seconds.map(Duration::from_secs) }
    }

    #[test]
    fn every_ending_has_its_state_reason_and_lane() {
        use ConnectionState::{AuthFailed, Backoff, Misconfigured, RateLimited, Waiting};
        let text = String::new;
        let table = [
            (Ending::Resolve(text()), 0, Backoff, "dns"),
            (Ending::Connect(text()), 0, Backoff, "connect"),
            (Ending::Tls { error: text(), certificate: false }, 0, Backoff, "tls"),
            (Ending::Tls { error: text(), certificate: true }, 0, Misconfigured, "certificate"),
            (Ending::BadUpgrade(text()), 0, Misconfigured, "bad_upgrade"),
            (rejected(401, None), 1, Backoff, "http_401"),
            (rejected(403, None), 2, Backoff, "http_403"),
            (rejected(401, None), 3, AuthFailed, "http_401"),
            (rejected(403, None), 9, AuthFailed, "http_403"),
            (rejected(429, None), 0, RateLimited, "http_429"),
            (rejected(429, Some(3)), 0, RateLimited, "http_429"),
            (rejected(503, Some(3)), 0, RateLimited, "http_503"),
            (rejected(503, None), 0, Backoff, "http_503"),
            (rejected(302, None), 0, Misconfigured, "http_302"),
            (rejected(400, None), 0, Misconfigured, "http_400"),
            (rejected(404, None), 0, Misconfigured, "http_404"),
            (rejected(410, None), 0, Misconfigured, "http_410"),
            (rejected(426, None), 0, Misconfigured, "http_426"),
            (rejected(500, None), 0, Backoff, "http_500"),
            (rejected(200, None), 0, Backoff, "http_200"),
            (rejected(418, None), 0, Backoff, "http_418"),
            (Ending::ConnectTimeout, 0, Backoff, "connect_timeout"),
            (Ending::Closed(Some(1000)), 0, Backoff, "closed_1000"),
            (Ending::Closed(Some(4999)), 0, Backoff, "closed_4999"),
            (Ending::Closed(None), 0, Backoff, "closed"),
            (Ending::Eof, 0, Backoff, "eof"),
            (Ending::Io(text()), 0, Backoff, "io"),
            (Ending::Protocol { error: text(), code: 1002 }, 0, Backoff, "protocol"),
            (Ending::Protocol { error: text(), code: 1009 }, 0, Backoff, "too_big"),
            (Ending::WriteTimeout, 0, Backoff, "write_timeout"),
            (Ending::DeadPeer, 0, Backoff, "dead_peer"),
            (Ending::Requested, 0, Waiting, "requested"),
        ];
        for (ending, refusals, state, reason) in table {
            let verdict = classify(&ending, refusals);
            assert_eq!((verdict.state, verdict.reason.as_str()), (state, reason), "{ending:?}");
            let lane = match state {
                AuthFailed => Lane::Auth,
                RateLimited => Lane::RateLimited,
                Misconfigured => Lane::Misconfigured,
                Waiting => Lane::AtOnce,
                _ => Lane::Backoff,
            };
            assert_eq!(verdict.lane, lane, "{ending:?}");
        }
    }
}
