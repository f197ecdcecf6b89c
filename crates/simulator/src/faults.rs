use serde::{Deserialize, Serialize};

/// What is wrong with an account on purpose, until it is told otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Faults {
    /// Every handshake is refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) refuse: Option<Refusal>,
    /// Open sockets stay open and get nothing: no push, no ping, no pong, no close.
    pub(crate) silent: bool,
    /// Pings and pongs of the gateway count for nothing, so that it is cut after the ping timeout.
    pub(crate) ignore_pongs: bool,
    /// Pushes are sent in this many fragments, 2 to 1000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) fragments: Option<u16>,
}

/// How a handshake is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Refusal {
    /// The HTTP status, 300 to 599.
    pub(crate) status: u16,
    /// Seconds for `Retry-After`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) retry_after: Option<u32>,
}

impl Faults {
    /// What is wrong with the faults themselves.
    pub(crate) fn mistake(&self) -> Option<&'static str> {
        if self.refuse.is_some_and(|refusal| !(300..600).contains(&refusal.status)) {
            return Some("refuse.status is 300 to 599");
        }
        if self.fragments.is_some_and(|fragments| !(2..=1000).contains(&fragments)) {
            return Some("fragments is 2 to 1000");
        }
        None
    }
}
