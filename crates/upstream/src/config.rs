use std::{path::PathBuf, time::Duration};

use pushgate_model::{Answer, TenantId};
use pushgate_session::{BackoffConfig, HeartbeatConfig, InFlightConfig};
use secrecy::SecretString;

use crate::Source;

/// What all connections share.
#[derive(Clone, Debug)]
pub struct UpstreamConfig {
    /// Roots beside the system's, PEM.
    pub ca_file: Option<PathBuf>,
    /// Largest message, in bytes. A longer one is read past; one beyond 16 times this cuts the connection.
    pub max_message: usize,
    /// Dialling.
    pub connect: ConnectConfig,
    /// Waiting between dials.
    pub backoff: BackoffConfig,
    /// Own pings, and when silence means death.
    pub heartbeat: HeartbeatConfig,
    /// How many pushes of one tenant may wait for the journal.
    pub in_flight: InFlightConfig,
    /// Threads that hold connections; at least one.
    pub threads: usize,
}

/// Dialling, per upstream host.
#[derive(Clone, Copy, Debug)]
pub struct ConnectConfig {
    /// Name, TCP, TLS and upgrade together, counted from the slot on.
    pub timeout: Duration,
    /// Dials at a time.
    pub concurrent: usize,
    /// Dials begun in a second.
    pub per_second: u32,
}

/// One tenant.
#[derive(Clone, Debug)]
pub struct TenantConfig {
    /// Its id.
    pub id: TenantId,
    /// Where it dials: `ws://` or `wss://`, valid, `{tenant}` replaced.
    pub url: String,
    /// Sent as `Authorization: Bearer …`.
    pub bearer: Option<SecretString>,
    /// Further request headers; names and values are valid.
    pub headers: Vec<(String, SecretString)>,
    /// Further query parameters, encoded when dialling.
    pub query: Vec<(String, SecretString)>,
    /// Whether it dials at all; false shows as `paused`.
    pub enabled: bool,
    /// What a quarantined push is answered, when its id is known.
    pub on_quarantine: Answer,
    /// Where the tenant comes from.
    pub source: Source,
}
