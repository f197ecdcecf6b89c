use serde::{Deserialize, Serialize};

/// The reply to the upstream about one push, and the word of a subscriber.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Answer {
    /// The push was accepted; the service never sends it again.
    Ack,
    /// The push was not accepted.
    Nack,
}

impl Answer {
    /// The name used in JSON, metrics and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ack => "ack",
            Self::Nack => "nack",
        }
    }
}
