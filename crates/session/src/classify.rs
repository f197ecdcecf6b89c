use std::time::Duration;

use pushgate_model::ConnectionState;

use crate::{CloseFrame, Ending, Lane};

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
/// here is tried again by backoff. [`classification`] shows it as a table. `refusals` counts 401 and 403 in a row, this one
/// included; an attempt that got no answer at all neither adds to them nor ends them.
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
        | Ending::Proxy { status: Some(407), .. }
        | Ending::Subprotocol(_)
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
        Ending::Closed(CloseFrame { code: Some(code), .. }) => return format!("closed_{code}"),
        Ending::Closed(_) => "closed",
        Ending::Proxy { status: Some(status), .. } => return format!("proxy_{status}"),
        Ending::Proxy { status: None, .. } => "proxy",
        Ending::Subprotocol(_) => "subprotocol",
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

/// One row of the table of endings, for documentation and whatever is checked against it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Classified {
    /// The ending, in words.
    pub ending: &'static str,
    /// The state until the next dial.
    pub state: ConnectionState,
    /// The machine-readable word for the ending; an example, where it holds a status or a code.
    pub reason: String,
    /// The pace of the next attempts.
    pub lane: Lane,
}

/// What every kind of ending means, each as the session itself judges it.
pub fn classification() -> Vec<Classified> {
    let row = |(ending, refusals, example): (&'static str, u32, Ending)| {
        let Verdict { state, reason, lane } = classify(&example, refusals);
        Classified { ending, state, reason, lane }
    };
    examples().into_iter().map(row).collect()
}

/// One of each kind, in words, with the refusals in a row.
fn examples() -> Vec<(&'static str, u32, Ending)> {
    let text = String::new;
    let rejected = |status| Ending::Rejected { status, retry_after: None };
    let later = |status| Ending::Rejected { status, retry_after: Some(Duration::from_secs(1)) };
    let closed = |code| Ending::Closed(CloseFrame { code, text: String::new() });
    vec![
        ("the name could not be resolved", 0, Ending::Resolve(text())),
        ("no TCP connection", 0, Ending::Connect(text())),
        ("the TLS handshake failed", 0, Ending::Tls { error: text(), certificate: false }),
        ("a certificate was refused", 0, Ending::Tls { error: text(), certificate: true }),
        ("the proxy could not be reached", 0, Ending::Proxy { error: text(), status: None }),
        ("the proxy wants other credentials", 0, Ending::Proxy { error: text(), status: Some(407) }),
        ("the proxy refused, by any other status", 0, Ending::Proxy { error: text(), status: Some(502) }),
        ("dialling took too long", 0, Ending::ConnectTimeout),
        ("the credential was refused, once or twice in a row", 1, rejected(401)),
        ("the credential was refused, three times in a row or more", AUTH_REFUSALS, rejected(401)),
        ("forbidden, once or twice in a row", 1, rejected(403)),
        ("forbidden, three times in a row or more", AUTH_REFUSALS, rejected(403)),
        ("too many requests", 0, rejected(429)),
        ("unavailable, with Retry-After", 0, later(503)),
        ("unavailable, without Retry-After", 0, rejected(503)),
        ("a redirect, by any 3xx", 0, rejected(302)),
        ("a bad request", 0, rejected(400)),
        ("not found", 0, rejected(404)),
        ("gone", 0, rejected(410)),
        ("another upgrade is required", 0, rejected(426)),
        ("any other status than 101", 0, rejected(500)),
        ("the upgrade was answered wrongly", 0, Ending::BadUpgrade(text())),
        ("the subprotocol was not taken", 0, Ending::Subprotocol(text())),
        ("a Close with a code, whichever", 0, closed(Some(1012))),
        ("a Close without a code", 0, closed(None)),
        ("the stream ended without a Close", 0, Ending::Eof),
        ("reading or writing failed", 0, Ending::Io(text())),
        ("no WebSocket frames", 0, Ending::Protocol { error: text(), code: 1002 }),
        ("a message far over the limit", 0, Ending::Protocol { error: text(), code: 1009 }),
        ("a write took too long", 0, Ending::WriteTimeout),
        ("nothing was heard for too long", 0, Ending::DeadPeer),
        ("a new connection was asked for", 0, Ending::Requested),
    ]
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn rejected(status: u16, seconds: Option<u64>) -> Ending {
        Ending::Rejected { status, retry_after: seconds.map(Duration::from_secs) }
    }

    fn closed(code: Option<u16>) -> Ending {
        Ending::Closed(CloseFrame { code, text: String::new() })
    }

    fn proxy(status: Option<u16>) -> Ending {
        Ending::Proxy { error: String::new(), status }
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
            (Ending::Subprotocol(text()), 0, Misconfigured, "subprotocol"),
            (proxy(None), 0, Backoff, "proxy"),
            (proxy(Some(407)), 0, Misconfigured, "proxy_407"),
            (proxy(Some(403)), 0, Backoff, "proxy_403"),
            (proxy(Some(502)), 0, Backoff, "proxy_502"),
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
            (closed(Some(1000)), 0, Backoff, "closed_1000"),
            (closed(Some(4999)), 0, Backoff, "closed_4999"),
            (closed(None), 0, Backoff, "closed"),
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

    #[test]
    fn the_public_table_shows_every_kind_of_ending_and_none_twice() {
        let table = classification();
        let rows: HashSet<_> = table.iter().map(|row| (&row.reason, row.state.as_str())).collect();
        assert_eq!(rows.len(), table.len());
        let kinds: HashSet<_> = examples().iter().map(|(_, _, example)| std::mem::discriminant(example)).collect();
        assert_eq!(kinds.len(), KINDS);
    }

    /// How many variants there are; whoever adds one is led here by the compiler.
    const KINDS: usize = {
        const fn count(ending: &Ending) -> usize {
            match ending {
                Ending::Resolve(_)
                | Ending::Connect(_)
                | Ending::Tls { .. }
                | Ending::Rejected { .. }
                | Ending::BadUpgrade(_)
                | Ending::ConnectTimeout
                | Ending::Proxy { .. }
                | Ending::Subprotocol(_)
                | Ending::Closed(_)
                | Ending::Eof
                | Ending::Io(_)
                | Ending::Protocol { .. }
                | Ending::WriteTimeout
                | Ending::DeadPeer
                | Ending::Requested => 15,
            }
        }
        count(&Ending::Eof)
    };
}
