use std::{net::SocketAddr, time::Duration};

use secrecy::SecretString;

/// Both listeners.
#[derive(Clone, Debug)]
pub struct HttpConfig {
    /// What subscribers reach.
    pub public: PublicConfig,
    /// What operators reach.
    pub admin: AdminConfig,
}

/// What subscribers reach.
#[derive(Clone, Debug)]
pub struct PublicConfig {
    /// Where it listens; port 0 takes a free one.
    pub bind: SocketAddr,
    /// A stream that takes no bytes for so long is closed.
    pub stall_timeout: Duration,
    /// What one stream, or one request, may ask for.
    pub limits: StreamLimits,
    /// Worker threads; at least one.
    pub workers: usize,
    /// Shows a page with live pushes at `/`.
    pub demo_page: bool,
}

/// What one stream, or one request, may ask for.
#[derive(Clone, Copy, Debug)]
pub struct StreamLimits {
    /// Tenants of one stream.
    pub tenants_per_stream: usize,
    /// Time for a request's head to arrive, and as much again for its body.
    pub head_timeout: Duration,
    /// Bytes of a request's body. The admin listener has a limit of its own, 1 MiB.
    pub body: usize,
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
