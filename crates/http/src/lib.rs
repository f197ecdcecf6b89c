//! What subscribers, operators and probes reach over HTTP: streams, history, health, metrics, the admin API.
//!
//! The only crate that knows HTTP. It reads what the others publish and decides nothing about pushes: which frames a
//! stream carries is the fan-out's business, what is kept is the journal's, what a connection does is upstream's.
//!
//! Begin reading at [`bind`], which opens the two listeners; what the public one serves is listed in `public.rs`, what
//! the admin one serves in `admin.rs`, and described in `openapi.rs`. Every error of both is built in `problem.rs`, the
//! only place that maps a mistake to a status; every metric has its name in `metrics.rs`.

mod access;
mod address;
mod admin;
mod asyncapi;
mod auth;
mod body;
mod client_js;
mod config;
mod cors;
mod demo;
mod deps;
mod direct;
mod edge;
mod endpoint;
mod error;

mod history;
mod http2;
mod lifecycle;
mod limits;
mod metrics;
mod openapi;
mod paced;
mod payload;
mod policy;
mod presence;
mod probes;
mod problem;
mod process;
mod public;
mod quarantine;
mod query;
mod rate;
mod remote_keys;
mod resume;
mod serve;
mod server;
mod socket;
mod stream;
mod subscribers;
mod task;
mod tenants;
mod tickets;
mod tls;
mod transport;
mod validity;
mod word;

pub use auth::{
    AuthConfig, AuthMode, Claims, CookieName, JwtConfig, KeyError, Keys, SameSite, Scope, SigningKey, VerifyKey, mint,
};
pub use config::{AdminConfig, HttpConfig, PublicConfig, StreamLimits};
pub use deps::Deps;
pub use error::HttpError;
pub use lifecycle::{Lifecycle, Phase};
pub use policy::Policy;
pub use remote_keys::RemoteKeys;
pub use server::{Http, HttpHandle, bind};
pub use tls::{LoadedCertificate, TlsConfig, TlsError};
