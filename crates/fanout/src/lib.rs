//! From a commit to every subscriber: one dispatch thread encodes each push once and posts it to the worker threads
//! that have subscribers of its tenant; on its thread a [`Shard`] keeps the newest frames of those tenants, the tail,
//! and a [`Subscriber`] is a cursor into it. Whoever is behind the tail reads the journal. Nothing here knows HTTP.

mod config;
mod fanout;
mod metrics;
mod shard;
mod subscriber;

pub use config::FanoutConfig;
pub use fanout::{CommitInlet, Fanout, FanoutInbox};
pub use metrics::FanoutMetrics;
pub use shard::Shard;
pub use subscriber::{Resume, Subscribe, Subscriber};
