//! The actors that hold one connection per tenant.
//!
//! [`Directory`] is what others read: a snapshot of each tenant, written by its connection alone.

mod config;
mod directory;

pub use config::{ConnectConfig, TenantConfig, UpstreamConfig};
pub use directory::{Directory, Source, TenantSnapshot};
