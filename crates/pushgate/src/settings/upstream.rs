use std::{
    io::Read as _,
    path::{Path, PathBuf},
};

use pushgate_session::{AnswerConfig, BackoffConfig, HeartbeatConfig, InFlightConfig};
use pushgate_upstream::{ConnectConfig, UpstreamConfig};

use super::{
    answers,
    quantity::TIMER,
    regular,
    section::Section,
    server::{MAX_THREADS, or_cores},
    url,
};

/// A message of each connection may have to be held in memory at once.
const MAX_MESSAGE: u64 = 64 << 20;
/// What waits for the journal is held in memory.
const MAX_IN_FLIGHT: u64 = 1 << 30;
const MAX_IN_FLIGHT_TOTAL: u64 = 1 << 40;
/// The largest file of roots that is looked at, in bytes.
const MAX_CA_FILE: u64 = 16 << 20;

/// `[upstream]`: what all connections share, and what a tenant takes from here when it says nothing itself.
pub(super) struct Common {
    pub(super) config: UpstreamConfig,
    pub(super) defaults: TenantDefaults,
}

/// What a tenant takes from `[upstream]` when it says nothing itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TenantDefaults {
    /// With `{tenant}` still in it; nothing when it is not given.
    pub(super) url: Option<String>,
    /// How pushes are answered.
    pub(super) answers: AnswerConfig,
}

impl TenantDefaults {
    /// The keys that make it, by their paths: a change of them needs no restart.
    pub(crate) const KEYS: [&str; 5] =
        ["upstream.url", "upstream.ack", "upstream.ack_timeout", "upstream.ack_on_timeout", "upstream.on_quarantine"];
}

pub(super) fn read(section: &mut Section<'_>) -> Option<Common> {
    section.show_unset("url");
    section.show_unset("ca_file");
    let has_url = section.has("url");
    let url = section.secretive_text("url", url::template);
    let ca_file = section.text("ca_file", ca_file);
    let max_message = section.size("max_message", 1..=MAX_MESSAGE);
    let answers = answers::read(section, None);
    let threads = section.integer("threads", 0..=MAX_THREADS, "one per core");
    let connect = section.table("connect", connect);
    let backoff = section.table("backoff", backoff);
    let heartbeat = section.table("heartbeat", heartbeat);
    let in_flight = section.table("in_flight", in_flight);
    if has_url && url.is_none() {
        return None;
    }
    let (in_flight, in_flight_total) = in_flight?;
    let config = UpstreamConfig {
        ca_file,
        max_message: max_message? as usize,
        connect: connect?,
        backoff: backoff?,
        heartbeat: heartbeat?,
        in_flight,
        in_flight_total,
        threads: or_cores(threads?),
    };
    Some(Common { config, defaults: TenantDefaults { url, answers: answers? } })
}

/// A file of roots that can't be used would keep every tenant from connecting, so it is looked at beforehand.
fn ca_file(text: &str) -> Result<PathBuf, String> {
    let path = Path::new(text);
    let mut pem = Vec::new();
    regular::open(path)
        .and_then(|file| file.take(MAX_CA_FILE).read_to_end(&mut pem))
        .map_err(|error| format!("must be a readable file: {error}"))?;
    let begin = b"-----BEGIN CERTIFICATE-----";
    if pem.windows(begin.len()).any(|window| window == begin) {
        Ok(path.to_owned())
    } else {
        Err("must be a file with certificates in PEM".to_owned())
    }
}

fn connect(section: &mut Section<'_>) -> Option<ConnectConfig> {
    let timeout = section.duration("timeout", TIMER);
    let concurrent = section.integer("concurrent", 1..=100_000, "");
    let per_second = section.integer("per_second", 1..=100_000, "");
    Some(ConnectConfig { timeout: timeout?, concurrent: concurrent? as usize, per_second: per_second? as u32 })
}

fn backoff(section: &mut Section<'_>) -> Option<BackoffConfig> {
    let initial = section.duration("initial", TIMER);
    let max = section.duration("max", TIMER);
    let healthy_after = section.duration("healthy_after", TIMER);
    let config = BackoffConfig { initial: initial?, max: max?, healthy_after: healthy_after? };
    if config.initial > config.max {
        let paths = ["upstream.backoff.initial", "upstream.backoff.max"];
        section.report.contradiction(&paths, "upstream.backoff.initial must not be longer than upstream.backoff.max");
    }
    Some(config)
}

fn heartbeat(section: &mut Section<'_>) -> Option<HeartbeatConfig> {
    let every = section.duration("every", TIMER);
    let dead_after = section.duration("dead_after", TIMER);
    let config = HeartbeatConfig { every: every?, dead_after: dead_after? };
    if config.every >= config.dead_after {
        let paths = ["upstream.heartbeat.every", "upstream.heartbeat.dead_after"];
        let allowed = "upstream.heartbeat.every must be shorter than upstream.heartbeat.dead_after";
        section.report.contradiction(&paths, allowed);
    }
    Some(config)
}

/// Of one tenant, and the bytes of all tenants together.
fn in_flight(section: &mut Section<'_>) -> Option<(InFlightConfig, usize)> {
    let pushes = section.integer("pushes", 1..=10_000, "");
    let bytes = section.size("bytes", 1..=MAX_IN_FLIGHT);
    let total = section.size("total", 1..=MAX_IN_FLIGHT_TOTAL);
    let (bytes, total) = (bytes?, total?);
    if total < bytes {
        let paths = ["upstream.in_flight.total", "upstream.in_flight.bytes"];
        let allowed = "upstream.in_flight.total must not be smaller than upstream.in_flight.bytes";
        section.report.contradiction(&paths, allowed);
    }
    Some((InFlightConfig { pushes: pushes? as usize, bytes: bytes as usize }, total as usize))
}
