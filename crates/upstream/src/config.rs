use std::{path::PathBuf, time::Duration};

use pushgate_model::TenantId;
use pushgate_session::{AnswerConfig, BackoffConfig, HeartbeatConfig, InFlightConfig};
use secrecy::{ExposeSecret, SecretString};

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
    /// Bytes of all tenants together that may wait for the journal; as many again may be beginnings of messages.
    pub in_flight_total: usize,
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
    /// Asked for in `Sec-WebSocket-Protocol`, and required of the answer (RFC 6455, section 1.9).
    pub subprotocol: Option<String>,
    /// Shown to a service that asks for a certificate.
    pub identity: Option<ClientIdentity>,
    /// Dialled through, when given.
    pub proxy: Option<ProxyConfig>,
    /// Whether it dials at all; false shows as `paused`.
    pub enabled: bool,
    /// How its pushes are answered.
    pub answers: AnswerConfig,
    /// Where the tenant comes from.
    pub source: Source,
}

impl TenantConfig {
    /// A tenant of the files that is dialled at `url` with nothing else, acks what is stored and nacks what is quarantined.
    pub fn new(id: TenantId, url: impl Into<String>) -> Self {
        Self {
            id,
            url: url.into(),
            bearer: None,
            headers: Vec::new(),
            query: Vec::new(),
            subprotocol: None,
            identity: None,
            proxy: None,
            enabled: true,
            answers: AnswerConfig::default(),
            source: Source::File,
        }
    }
}

impl TenantConfig {
    /// Whether another config means the same in all.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        self.is_dialled_like(other)
            && (self.enabled, self.answers, self.source) == (other.enabled, other.answers, other.source)
    }

    /// Whether a socket that was dialled with one config would be dialled in the same way with the other.
    pub(crate) fn is_dialled_like(&self, other: &Self) -> bool {
        let secret = |a: &SecretString, b: &SecretString| a.expose_secret() == b.expose_secret();
        let pairs = |a: &[(String, SecretString)], b: &[(String, SecretString)]| {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.0 == b.0 && secret(&a.1, &b.1))
        };
        let identity =
            |a: &ClientIdentity, b: &ClientIdentity| secret(&a.certificate, &b.certificate) && secret(&a.key, &b.key);
        let credentials = |a: &(String, SecretString), b: &(String, SecretString)| a.0 == b.0 && secret(&a.1, &b.1);
        let proxy = |a: &ProxyConfig, b: &ProxyConfig| {
            (&a.host, a.port) == (&b.host, b.port) && both(a.credentials.as_ref(), b.credentials.as_ref(), credentials)
        };
        (&self.id, &self.url, &self.subprotocol) == (&other.id, &other.url, &other.subprotocol)
            && both(self.bearer.as_ref(), other.bearer.as_ref(), secret)
            && pairs(&self.headers, &other.headers)
            && pairs(&self.query, &other.query)
            && both(self.identity.as_ref(), other.identity.as_ref(), identity)
            && both(self.proxy.as_ref(), other.proxy.as_ref(), proxy)
    }
}

/// Whether there is neither, or both and they are alike.
fn both<T>(a: Option<&T>, b: Option<&T>, alike: impl Fn(&T, &T) -> bool) -> bool {
    match (a, b) {
        (None, None) => true,
        (Some(a), Some(b)) => alike(a, b),
        _ => false,
    }
}

/// A client certificate with its key.
#[derive(Clone, Debug)]
pub struct ClientIdentity {
    /// The certificate and those that lead to a root, PEM.
    pub certificate: SecretString,
    /// Its private key, PEM.
    pub key: SecretString,
}

/// An HTTP proxy that takes CONNECT (RFC 9110, section 9.3.6).
#[derive(Clone, Debug)]
pub struct ProxyConfig {
    /// Its name or IP address, an IPv6 one without brackets.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// User and password, both decoded, sent by `Proxy-Authorization: Basic` (RFC 7617).
    pub credentials: Option<(String, SecretString)>,
}
