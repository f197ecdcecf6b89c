use std::{thread::available_parallelism, time::Duration};

use pushgate_fanout::FanoutConfig;
use pushgate_http::{Policy, PublicConfig, StreamLimits, TlsConfig};

use super::{base_path, network, page_origin, quantity::TIMER, section::Section};

/// More threads than this are a typing error.
pub(super) const MAX_THREADS: u64 = 1024;
/// A body is held in memory as a whole.
const MAX_BODY: u64 = 16 << 20;
/// No machine holds as many streams.
const MAX_STREAMS: u64 = 100_000_000;
/// Paths and headers: below the 128 KiB at which the HTTP server itself ends a connection without an answer.
const HEAD: std::ops::RangeInclusive<u64> = 1 << 10..=64 << 10;
/// Below that a stream that is far behind would take days to catch up.
const REPLAY: std::ops::RangeInclusive<u64> = 64 << 10..=1 << 40;

/// `[server]`: the public listener, and the rhythm of its streams.
pub(super) fn read(section: &mut Section<'_>) -> Option<(PublicConfig, FanoutConfig, Policy)> {
    let bind = section.address("bind");
    let base_path = section.text("base_path", base_path::check);
    let heartbeat = section.duration("heartbeat", TIMER);
    let stall_timeout = section.duration("stall_timeout", TIMER);
    let workers = section.integer("workers", 0..=MAX_THREADS, "one per core");
    let cors_origins = section.strings("cors_origins", page_origin::parse);
    let trusted_proxies = section.strings("trusted_proxies", network::parse);
    let tls = section.table("tls", tls);
    let limits = section.table("limits", limits);
    let Limits { streams, head_timeout, replay_rate } = limits?;
    let config = PublicConfig {
        bind: bind?,
        base_path: base_path?,
        tls: tls?,
        head_timeout,
        stall_timeout: stall_timeout?,
        hand_over: true,
        workers: or_cores(workers?),
        demo_page: false,
    };
    let fanout = FanoutConfig {
        heartbeat: heartbeat?,
        stall_timeout: config.stall_timeout,
        replay_rate,
        ..FanoutConfig::default()
    };
    let cors_origins = cors_origins?.into_iter().collect();
    let policy = Policy { limits: streams, cors_origins, trusted_proxies: trusted_proxies?, ..Policy::default() };
    Some((config, fanout, policy))
}

/// `[server.tls]`: absent, or both files.
#[expect(clippy::option_option, reason = "the outer one is whether it is right, as for every table")]
fn tls(section: &mut Section<'_>) -> Option<Option<TlsConfig>> {
    section.show_unset("cert");
    section.show_unset("key");
    let given = (section.has("cert"), section.has("key"));
    let places = (section.place_of("cert"), section.place_of("key"));
    let (cert, key) = (section.file("cert"), section.file("key"));
    match given {
        (false, false) => return Some(None),
        (true, true) => {}
        (true, false) => section.missing("key", "is missing: cert is of no use without its private key"),
        (false, true) => section.missing("cert", "is missing: key is of no use without its certificate"),
    }
    let config = TlsConfig { cert: cert?, key: key? };
    if let Err(error) = config.load() {
        let is_cert = config.cert.display().to_string() == error.path;
        let (key, place) = if is_cert { ("cert", places.0) } else { ("key", places.1) };
        section.refuse(&place, key, format!("can't be used: {error}"));
        return None;
    }
    Some(Some(config))
}

/// `[server.limits]`, by who keeps them.
struct Limits {
    streams: StreamLimits,
    head_timeout: Duration,
    replay_rate: usize,
}

fn limits(section: &mut Section<'_>) -> Option<Limits> {
    let streams = section.integer("streams", 0..=MAX_STREAMS, "off");
    let streams_per_tenant = section.integer("streams_per_tenant", 0..=MAX_STREAMS, "off");
    let streams_per_address = section.integer("streams_per_address", 0..=MAX_STREAMS, "off");
    let streams_per_token = section.integer("streams_per_token", 0..=MAX_STREAMS, "off");
    let connects = section.integer("connects_per_second_per_address", 0..=1_000_000, "off");
    let tenants_per_stream = section.integer("tenants_per_stream", 1..=10_000, "");
    let head_timeout = section.duration("head_timeout", TIMER);
    let url = section.size("url", HEAD);
    let headers = section.size("headers", HEAD);
    let body = section.size("body", 1..=MAX_BODY);
    let replay_rate = section.size_or_off("replay_per_second", REPLAY);
    let streams = StreamLimits {
        streams: streams? as usize,
        streams_per_tenant: streams_per_tenant? as usize,
        streams_per_address: streams_per_address? as usize,
        streams_per_token: streams_per_token? as usize,
        connects_per_second_per_address: connects? as usize,
        tenants_per_stream: tenants_per_stream? as usize,
        url: url? as usize,
        headers: headers? as usize,
        body: body? as usize,
    };
    Some(Limits { streams, head_timeout: head_timeout?, replay_rate: replay_rate? as usize })
}

/// A number of threads, where 0 means one per core.
pub(super) fn or_cores(threads: u64) -> usize {
    if threads > 0 { threads as usize } else { available_parallelism().map_or(1, usize::from) }
}
