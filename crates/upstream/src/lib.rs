//! The actors that hold one connection per tenant.
//!
//! [`Upstream`] starts a supervisor, which starts one connection actor per tenant on a few threads. A connection dials
//! through its host's connect gate, holds the socket and carries out what the session decides; the rules themselves are
//! in the session crate. [`Directory`] is what others read: a snapshot of each tenant, written by its connection alone.
//! Nothing here knows HTTP routes or subscribers. Begin reading at [`Upstream`], then `line`.

mod codec;
mod config;
mod connection;
mod dial;
mod directory;
mod error;
mod gate;
mod line;
mod metrics;
mod mute;
mod report;
mod request_url;
mod supervisor;
mod tcp;
mod tls;
mod upgrade;
mod upstream;

pub use config::{ConnectConfig, TenantConfig, UpstreamConfig};
pub use directory::{Directory, Source, TenantSnapshot};
pub use error::UpstreamError;
pub use metrics::{Labels, UpstreamMetrics};
pub use upstream::{Prepared, Upstream, UpstreamDeps};
