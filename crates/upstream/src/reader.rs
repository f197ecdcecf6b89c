use pushgate_model::TenantId;
use serde_json::{Map, Value};

use crate::TenantConfig;

/// Turns the settings of a tenant, as an operator writes them, into a config. Behind a trait, because what the keys mean and
/// what they take from other settings is known where settings are read.
pub trait TenantReader: Send + Sync {
    /// Reads the keys of `[[tenants]]`, but for `id`. Secrets may be references: they are looked up here, each time.
    ///
    /// # Errors
    /// Every mistake that there is.
    fn read(&self, id: &TenantId, settings: &Map<String, Value>) -> Result<TenantSettings, Vec<TenantMistake>>;
}

/// A tenant's settings, valid.
#[derive(Clone, Debug)]
pub struct TenantSettings {
    /// What they mean.
    pub config: TenantConfig,
    /// The keys as given, but for secrets: a literal one is `"***"`, a reference stays as it is.
    pub shown: Map<String, Value>,
}

/// What is wrong with a tenant's settings. Never holds a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TenantMistake {
    /// Which key, with dots.
    pub key: String,
    /// What is allowed.
    pub allowed: String,
}
