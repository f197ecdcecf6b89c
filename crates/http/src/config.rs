use std::{net::SocketAddr, time::Duration};

use secrecy::SecretString;

use crate::{Policy, TlsConfig};

/// Both listeners.
#[derive(Clone, Debug)]
pub struct HttpConfig {
    /// What subscribers reach.
    pub public: PublicConfig,
    /// What operators reach.
    pub admin: AdminConfig,
    /// What a reload may change.
    pub policy: Policy,
}

/// What subscribers reach.
#[derive(Clone, Debug)]
pub struct PublicConfig {
    /// Where it listens; port 0 takes a free one.
    pub bind: SocketAddr,
    /// A stream that takes no bytes for so long is closed.
    pub stall_timeout: Duration,
    /// What every path of it begins with, such as `/push`; empty is nothing. It has no slash at its end.
    pub base_path: String,
    /// TLS and HTTP/2; without it plain HTTP/1.1.
    pub tls: Option<TlsConfig>,
    /// Time for a request's head to arrive, for a TLS handshake, and as much again for a request's body.
    pub head_timeout: Duration,
    /// Whether streams over plain HTTP/1.1 have their connection for themselves once their head is written, instead of
    /// staying with the framework as those over TLS do.
    pub hand_over: bool,
    /// Worker threads; at least one.
    pub workers: usize,
    /// Shows a page with live pushes at `/`.
    pub demo_page: bool,
}

/// How much one may ask for. Numbers of streams and connects: 0 is no limit.
#[derive(Clone, Copy, Debug)]
pub struct StreamLimits {
    /// Streams of everybody together.
    pub streams: usize,
    /// Streams that carry one tenant.
    pub streams_per_tenant: usize,
    /// Streams of one address; of IPv6 a /64 counts as one.
    pub streams_per_address: usize,
    /// Streams of one token.
    pub streams_per_token: usize,
    /// Attempts a second to open a stream, of one address; as many again may come at once.
    pub connects_per_second_per_address: usize,
    /// Tenants of one stream.
    pub tenants_per_stream: usize,
    /// Bytes of a request's path and query.
    pub url: usize,
    /// Bytes of a request's headers, names and values together.
    pub headers: usize,
    /// Bytes of a request's body. The admin listener has a limit of its own, 1 MiB.
    pub body: usize,
}

impl Default for StreamLimits {
    fn default() -> Self {
        Self {
            streams: 0,
            streams_per_tenant: 0,
            streams_per_address: 0,
            streams_per_token: 0,
            connects_per_second_per_address: 0,
            tenants_per_stream: 100,
            url: 8 << 10,
            headers: 16 << 10,
            body: 64 << 10,
        }
    }
}

/// What operators reach.
#[derive(Clone, Debug)]
pub struct AdminConfig {
    /// Where it listens; port 0 takes a free one.
    pub bind: SocketAddr,
    /// Asked of everybody but health probes; required when `bind` is not loopback. Without one, only requests that name
    /// a loopback host are answered.
    pub token: Option<SecretString>,
}
