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
    /// What a quarantined push is answered, when its id is known.
    pub on_quarantine: Answer,
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

/// How many pushes of one tenant may wait for the journal.
#[derive(Clone, Copy, Debug)]
pub struct InFlightConfig {
    /// Pushes.
    pub pushes: usize,
    /// Bytes of their text. One push alone may be larger.
    pub bytes: usize,
}
