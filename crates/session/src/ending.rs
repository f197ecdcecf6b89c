use std::time::Duration;

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
    /// The service sent a Close, with its code.
    Closed(Option<u16>),
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
    /// An operator asked for a new connection.
    Requested,
}

/// Which pace the next attempts take. Nothing is terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lane {
    /// Exponential backoff from `initial` to `max`.
    Backoff,
    /// The service named a time.
    RateLimited,
    /// The credential was refused: 5 min, growing to 1 h, after three in a row.
    Auth,
    /// The configuration looks wrong: 1 to 10 min.
    Misconfigured,
    /// Nothing failed: somebody asked for a new socket.
    AtOnce,
}
