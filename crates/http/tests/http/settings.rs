//! Settings of tenants that dial where nobody listens.

use std::time::Duration;

use pushgate_model::TenantId;
use pushgate_session::{BackoffConfig, HeartbeatConfig, InFlightConfig};
use pushgate_upstream::{
    ConnectConfig, Source, TenantConfig, TenantMistake, TenantReader, TenantSettings, UpstreamConfig,
};
use serde_json::{Map, Value};

/// Where nobody listens: port 1 of this machine is refused at once.
const NOBODY: &str = "ws://127.0.0.1:1/ws";

/// Knows the keys `url`, `bearer` and `enabled`.
#[derive(Debug)]
pub(crate) struct Reader;

impl TenantReader for Reader {
    fn read(&self, id: &TenantId, settings: &Map<String, Value>) -> Result<TenantSettings, Vec<TenantMistake>> {
        let mut config = TenantConfig::new(id.clone(), NOBODY);
        config.source = Source::Api;
        let (mut shown, mut mistakes) = (settings.clone(), Vec::new());
        for (key, value) in settings {
            let allowed = match (key.as_str(), value) {
                ("url", Value::String(url)) if url.starts_with("ws://") => {
                    config.url.clone_from(url);
                    continue;
                }
                ("bearer", Value::String(secret)) => {
                    config.bearer = Some(secret.as_str().into());
                    shown.insert(key.clone(), "***".into());
                    continue;
                }
                ("enabled", Value::Bool(enabled)) => {
                    config.enabled = *enabled;
                    continue;
                }
                ("url", _) => "a ws:// url",
                ("bearer", _) => "a secret",
                ("enabled", _) => "true or false",
                _ => "url, bearer, enabled",
            };
            mistakes.push(TenantMistake { key: key.clone(), allowed: allowed.to_owned() });
        }
        if mistakes.is_empty() { Ok(TenantSettings { config, shown }) } else { Err(mistakes) }
    }
}

/// A tenant of the configuration files.
pub(crate) fn of_file(id: &str, settings: &Value) -> TenantSettings {
    let mut settings = Reader.read(&id.parse().unwrap(), settings.as_object().unwrap()).unwrap();
    settings.config.source = Source::File;
    settings
}

/// One thread; a failed dial is tried again much later than any test takes.
pub(crate) fn upstream() -> UpstreamConfig {
    let late = Duration::from_secs(600);
    UpstreamConfig {
        ca_file: None,
        max_message: 4 << 20,
        connect: ConnectConfig { timeout: Duration::from_secs(10), concurrent: 16, per_second: 1000 },
        backoff: BackoffConfig { initial: late, max: late, healthy_after: late },
        heartbeat: HeartbeatConfig { every: Duration::from_secs(20), dead_after: Duration::from_secs(60) },
        in_flight: InFlightConfig { pushes: 64, bytes: 1 << 20 },
        in_flight_total: 16 << 20,
        threads: 1,
    }
}
