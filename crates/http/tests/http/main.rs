//! The two listeners over real sockets: what subscribers, operators and probes see, byte by byte.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod admin;
mod client;
mod client_js;
mod demo;
mod errors;
mod gateway;
mod history;
mod listeners;
mod metrics;
mod presence;
mod probes;
mod quarantine;
mod settings;
mod streams;
mod tenants;
mod words;
