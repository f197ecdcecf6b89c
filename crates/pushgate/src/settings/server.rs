use std::{thread::available_parallelism, time::Duration};

use pushgate_fanout::FanoutConfig;
use pushgate_http::{Policy, PublicConfig, StreamLimits};

use super::{quantity::TIMER, section::Section};

/// More threads than this are a typing error.
pub(super) const MAX_THREADS: u64 = 1024;
/// A body is held in memory as a whole.
const MAX_BODY: u64 = 16 << 20;

/// `[server]`: the public listener, and the rhythm of its streams.
pub(super) fn read(section: &mut Section<'_>) -> Option<(PublicConfig, FanoutConfig, Policy)> {
    let bind = section.address("bind");
    let heartbeat = section.duration("heartbeat", TIMER);
    let stall_timeout = section.duration("stall_timeout", TIMER);
    let workers = section.integer("workers", 0..=MAX_THREADS, "one per core");
    let limits = section.table("limits", limits);
    let (limits, head_timeout) = limits?;
    let config = PublicConfig {
        bind: bind?,
        base_path: String::new(),
        tls: None,
        head_timeout,
        stall_timeout: stall_timeout?,
        workers: or_cores(workers?),
        demo_page: false,
    };
    let fanout = FanoutConfig { heartbeat: heartbeat?, stall_timeout: config.stall_timeout, ..FanoutConfig::default() };
    Some((config, fanout, Policy { limits, ..Policy::default() }))
}

fn limits(section: &mut Section<'_>) -> Option<(StreamLimits, Duration)> {
    let tenants_per_stream = section.integer("tenants_per_stream", 1..=10_000, "");
    let head_timeout = section.duration("head_timeout", TIMER);
    let body = section.size("body", 1..=MAX_BODY);
    let limits = StreamLimits {
        tenants_per_stream: tenants_per_stream? as usize,
        body: body? as usize,
        ..StreamLimits::default()
    };
    Some((limits, head_timeout?))
}

/// A number of threads, where 0 means one per core.
pub(super) fn or_cores(threads: u64) -> usize {
    if threads > 0 { threads as usize } else { available_parallelism().map_or(1, usize::from) }
}
