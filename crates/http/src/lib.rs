//! What subscribers, operators and probes reach over HTTP: streams, history, health, metrics, the admin API.
//!
//! The only crate that knows HTTP. It reads what the others publish and decides nothing about pushes.

mod config;
mod deps;

pub use config::{AdminConfig, HttpConfig, PublicConfig, StreamLimits};
pub use deps::Deps;
