//! The actors that hold one connection per tenant.
//!
//! [`Upstream`] starts a supervisor, which starts one connection actor per tenant on a few threads. A connection dials
//! through its host's connect gate, holds the socket and carries out what the session decides; the rules themselves are
//! in the session crate. [`Tenants`] is what operators do: it keeps what they want of each tenant, and a connection follows
//! that. [`Directory`] is what others read: a snapshot of each tenant, written by its connection alone. [`Words`] brings back
//! what subscribers did about pushes. Nothing here knows HTTP routes or subscribers. Begin reading at [`Upstream`], then
//! `line` for a connection and `tenants` for operators.

mod budget;
mod codec;
mod config;
mod connection;
mod connector;
mod desired;
mod dial;
mod directory;
mod endings;
mod error;
mod gate;
mod line;
mod metrics;
mod mute;
mod proxy;
mod ranges;
mod reader;
mod report;
mod request_url;
mod retry_after;
mod settler;
mod stream;
mod supervisor;
mod tcp;
mod tenants;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod tls;
mod upgrade;
mod upstream;
mod vitals;
mod words;

pub use config::{ClientIdentity, ConnectConfig, ProxyConfig, TenantConfig, UpstreamConfig};
pub use directory::{Directory, LastClose, Source, TenantSnapshot, Transition};
pub use error::UpstreamError;
pub use metrics::{Labels, UpstreamMetrics};
pub use reader::{TenantMistake, TenantReader, TenantSettings};
pub use tenants::{
    Precondition, Pushes, Put, Reloaded, ReplayError, Replayed, ShownSettings, TenantError, Tenants, WordError,
};
pub use tls::check_identity;
pub use upstream::{Prepared, TenantSources, Upstream, UpstreamDeps};
pub use vitals::Vitals;
pub use words::Words;
