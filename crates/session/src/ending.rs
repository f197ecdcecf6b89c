use std::time::Duration;

use crate::CloseFrame;

/// How a dial or a socket ended, in the words of whoever saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The name could not be resolved.
    Resolve(String),
    /// TCP, or the proxy, could not be connected.
    Connect(String),
    /// The TLS handshake failed; `certificate` when the service's certificate was refused.
    Tls {
        /// What the library said.
        error: String,
        /// The certificate is to blame, not the line.
        certificate: bool,
    },
    /// The upgrade was answered with another status than 101.
    Rejected {
        /// The HTTP status.
        status: u16,
        /// Its `Retry-After`, when there was one.
        retry_after: Option<Duration>,
    },
    /// The upgrade was answered wrongly (missing or bad headers).
    BadUpgrade(String),
    /// Dialling took longer than `connect.timeout`.
    ConnectTimeout,
    /// The proxy could not be reached or refused; with the status that it answered.
    Proxy {
        /// What went wrong.
        error: String,
        /// Its HTTP status, when it answered.
        status: Option<u16>,
    },
    /// The service did not take the subprotocol that it was asked for.
    Subprotocol(String),
    /// The service sent a Close.
    Closed(CloseFrame),
    /// The stream ended without a Close.
    Eof,
    /// Reading or writing failed.
    Io(String),
    /// Bytes that are no WebSocket frames; the code that we close with (1002 or 1009).
    Protocol {
        /// What was wrong.
        error: String,
        /// What we told the service.
        code: u16,
    },
    /// A write took longer than its limit.
    WriteTimeout,
    /// Nothing came for `dead_after`.
    DeadPeer,
    /// We left in order: an operator asked for a new connection, a pause or the gateway's end, or changed what is
    /// dialled with.
    Requested,
}

/// Which pace the next attempts take. Nothing is terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lane {
    /// Exponential backoff from `initial` to `max`, jitter included.
    Backoff,
    /// The service asked to slow down: not before its `Retry-After`, of which 15 min at most are believed, nor before
    /// the backoff.
    RateLimited,
    /// The credential was refused three times in a row: 5 min, doubling up to 1 h.
    Auth,
    /// The configuration looks wrong: 1 min, doubling up to 10 min.
    Misconfigured,
    /// Nothing failed, somebody asked for the end: without delay, if anything is dialled at all.
    AtOnce,
}

impl Lane {
    /// The name used in logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Backoff => "backoff",
            Self::RateLimited => "rate_limited",
            Self::Auth => "auth",
            Self::Misconfigured => "misconfigured",
            Self::AtOnce => "at_once",
        }
    }
}
