//! The settings of the admin API's tenants: the same keys as in a file, as JSON.

use std::{
    fmt,
    sync::{Arc, PoisonError, RwLock},
};

use config::{Map, Value, ValueKind};
use pushgate_model::TenantId;
use pushgate_upstream::{Source, TenantMistake, TenantReader, TenantSettings};
use serde_json::Value as Json;

use super::{origin::Origin, report::Report, section::Section, sources::Sources, tenant, upstream::TenantDefaults};

/// Reads the settings of the admin API's tenants, which take what they do not say from the `[upstream]` that is in force.
pub struct RequestReader {
    sources: Sources,
    defaults: RwLock<Arc<TenantDefaults>>,
}

impl RequestReader {
    /// Secrets given as `{ env = "NAME" }` are looked up in the environment of `sources`.
    pub fn new(sources: Sources, defaults: TenantDefaults) -> Self {
        Self { sources, defaults: RwLock::new(Arc::new(defaults)) }
    }

    /// What tenants that are read from now on take when they say nothing themselves.
    pub fn set_defaults(&self, defaults: TenantDefaults) {
        *self.defaults.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(defaults);
    }
}

impl TenantReader for RequestReader {
    fn read(
        &self,
        id: &TenantId,
        settings: &serde_json::Map<String, Json>,
    ) -> Result<TenantSettings, Vec<TenantMistake>> {
        let defaults = Arc::clone(&self.defaults.read().unwrap_or_else(PoisonError::into_inner));
        let report = Report::new(self.sources.env());
        let (read, _) = Section::read_root(table(settings, &Origin::Request.encode()), &report, |section| {
            tenant::check_id(section, id.as_str(), "must be the id in the path, or left out");
            tenant::read(section, Some(id.clone()), Source::Api, Some(&defaults))
        });
        let mistakes = report.into_mistakes();
        if mistakes.is_empty() {
            return Ok(read.expect("a tenant without a mistake is complete"));
        }
        let told = mistakes.into_iter().map(|mistake| TenantMistake { key: mistake.key, allowed: mistake.allowed });
        Err(told.collect())
    }
}

/// Without what it has read: an environment holds secrets.
impl fmt::Debug for RequestReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestReader").field("sources", &self.sources).finish_non_exhaustive()
    }
}

/// A key whose value is null counts as absent.
fn table(settings: &serde_json::Map<String, Json>, origin: &String) -> Map<String, Value> {
    let given = settings.iter().filter(|(_, json)| !json.is_null());
    given.map(|(key, json)| (key.clone(), value(json, origin))).collect()
}

fn value(json: &Json, origin: &String) -> Value {
    let kind = match json {
        Json::Null => ValueKind::Nil,
        Json::Bool(flag) => ValueKind::Boolean(*flag),
        // What no key can take stays text, so that it can be shown.
        Json::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(number), _) => ValueKind::I64(number),
            (None, Some(number)) => ValueKind::Float(number),
            (None, None) => ValueKind::String(number.to_string()),
        },
        Json::String(text) => ValueKind::String(text.clone()),
        Json::Array(items) => ValueKind::Array(items.iter().map(|item| value(item, origin)).collect()),
        Json::Object(inner) => ValueKind::Table(table(inner, origin)),
    };
    Value::new(Some(origin), kind)
}
