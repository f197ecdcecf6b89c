use std::{borrow::Cow, fmt};

use serde::Serialize;

use crate::Timestamp;

/// What a tenant's connection is doing. All of them heal by themselves, except `paused`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ConnectionState {
    /// Switched off by an operator or by `enabled = false`.
    Paused,
    /// Wants to dial and waits for a slot of the connect gate.
    Waiting,
    /// Dialling: name, TCP, TLS, upgrade.
    Connecting,
    /// The upgrade succeeded and the line is alive.
    Connected,
    /// The line ended or could not be made; the next attempt has its time.
    Backoff,
    /// The service asked to slow down (429, or 503 with Retry-After).
    RateLimited,
    /// The service refused the credential three times in a row.
    AuthFailed,
    /// The service can't be reached as configured: address, certificate, path, subprotocol.
    Misconfigured,
    /// The tenant's own actor panicked and is restarted after a pause.
    Crashed,
    /// The gateway is stopping.
    Draining,
}

impl ConnectionState {
    /// Every state, in the order of the documentation.
    pub const ALL: [Self; 10] = [
        Self::Paused,
        Self::Waiting,
        Self::Connecting,
        Self::Connected,
        Self::Backoff,
        Self::RateLimited,
        Self::AuthFailed,
        Self::Misconfigured,
        Self::Crashed,
        Self::Draining,
    ];

    /// The name used in JSON, metrics and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Paused => "paused",
            Self::Waiting => "waiting",
            Self::Connecting => "connecting",
            Self::Connected => "connected",
            Self::Backoff => "backoff",
            Self::RateLimited => "rate_limited",
            Self::AuthFailed => "auth_failed",
            Self::Misconfigured => "misconfigured",
            Self::Crashed => "crashed",
            Self::Draining => "draining",
        }
    }
}

impl fmt::Display for ConnectionState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A tenant's connection as the public may see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TenantStatus {
    /// What the connection is doing.
    pub state: ConnectionState,
    /// Since when it is in this state.
    pub since: Timestamp,
    /// Why, as a machine-readable word such as `dead_peer` or `http_503`; nothing where the state says it all.
    pub reason: Option<Cow<'static, str>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_has_one_name() {
        for state in ConnectionState::ALL {
            assert_eq!(serde_json::to_value(state).unwrap(), state.as_str());
        }
    }
}
