//! From a commit to every subscriber: one dispatch thread encodes each push once and posts it to the worker threads
//! that have subscribers of its tenant; on its thread a [`Shard`] keeps the newest frames of those tenants, the tail,
//! and a [`Subscriber`] is a cursor into it. Whoever is behind the tail reads the journal, by pages
//! that streams share (`pages`). Nothing here knows HTTP.
//!
//! There is no queue and no copy per subscriber, and no lock that two worker threads share on the way of a push.
//!
//! Begin reading at [`Fanout`], then follow a push: `queue` (from the journal's writer to the dispatch thread),
//! `dispatch`, `outlet` (to a worker thread), `shard::core`, `tail`, and `shard::rest`, which writes to streams that have all there
//! is. `subscriber` tells why a stream has neither a gap
//! nor a duplicate where replay meets live, and when a push counts as delivered. `blips` is what keeps short breaks of a
//! connection from subscribers.

mod blips;
mod config;
mod delivery;
mod dispatch;
mod event;
mod fanout;
mod frame;
mod framed_page;
mod lease;
mod log;
mod message;
mod meter;
mod metrics;
mod outlet;
mod pages;
mod peer;
mod queue;
mod record;
mod replay;
mod roster;
mod shard;
mod start;
mod subscribe;
mod subscriber;
mod tail;
#[cfg(feature = "testing")]
pub mod testing;
#[cfg(test)]
mod tests;
mod wall;

pub use config::FanoutConfig;
pub use delivery::{DeliverySink, NoDeliverySink};
pub use fanout::{CommitInlet, Fanout, FanoutInbox};
pub use lease::{Lease, Revocation};
pub use metrics::FanoutMetrics;
pub use peer::Peer;
pub use record::StreamSnapshot;
pub use shard::{FrameSink, Shard};
pub use subscribe::{Resume, Subscribe};
pub use subscriber::Subscriber;
