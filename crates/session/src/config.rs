use std::time::Duration;

use pushgate_model::Answer;

/// Everything that a session has to know beforehand.
#[derive(Clone, Debug)]
pub struct SessionConfig {
    /// Largest binary frame that is decoded, in bytes.
    pub max_message: usize,
    /// Own pings, and when silence means death.
    pub heartbeat: HeartbeatConfig,
    /// Waiting between dials.
    pub backoff: BackoffConfig,
    /// How many pushes may wait for the journal.
    pub in_flight: InFlightConfig,
    /// What a tenant may change while its connection lives.
    pub answers: AnswerConfig,
}

/// How pushes are answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AnswerConfig {
    /// When a stored push is answered.
    pub policy: AckPolicy,
    /// How long a push may wait for a subscriber, counted from when its wait opened. Of no meaning for
    /// [`AckPolicy::Stored`].
    pub timeout: Duration,
    /// What is answered then; nothing leaves the push unanswered, so that the service sends it again.
    pub on_timeout: Option<Answer>,
    /// What a quarantined push is answered, when its id is known.
    pub on_quarantine: Answer,
}

impl Default for AnswerConfig {
    /// What is stored is acked, what is quarantined nacked.
    fn default() -> Self {
        Self {
            policy: AckPolicy::Stored,
            timeout: Duration::from_secs(30),
            on_timeout: Some(Answer::Nack),
            on_quarantine: Answer::Nack,
        }
    }
}

/// When a stored push is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AckPolicy {
    /// Once it is durable.
    Stored,
    /// Once it was written to at least one subscriber.
    Delivered,
    /// Once a subscriber said so; its word is the answer.
    Confirmed,
}

impl AckPolicy {
    /// The name used in settings.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stored => "stored",
            Self::Delivered => "delivered",
            Self::Confirmed => "confirmed",
        }
    }
}

/// Own pings, and when silence means death.
#[derive(Clone, Copy, Debug)]
pub struct HeartbeatConfig {
    /// Time between own pings; each one is moved by up to 20 % either way.
    pub every: Duration,
    /// Silence, without any inbound frame, after which the socket is dropped; longer than `every`.
    pub dead_after: Duration,
}

/// Waiting between dials.
#[derive(Clone, Copy, Debug)]
pub struct BackoffConfig {
    /// The first delay, before jitter.
    pub initial: Duration,
    /// The longest delay, jitter included.
    pub max: Duration,
    /// How long a connection must have been good for the attempts to count from zero again.
    pub healthy_after: Duration,
}

/// How many pushes of one tenant may wait for the journal. Once a limit is met, reading rests for a third of
/// `heartbeat.every` at most, and from then on pushes are shed; either way until less than half of it is in use.
#[derive(Clone, Copy, Debug)]
pub struct InFlightConfig {
    /// Pushes; at least one.
    pub pushes: usize,
    /// Bytes of their text; at least one. One push alone may be larger.
    pub bytes: usize,
}
