use pushgate_model::TenantId;

/// What the journal keeps about a tenant beside its pushes: the settings of one that came by the admin API, and whether an
/// operator paused it.
#[derive(Clone, PartialEq, Eq)]
pub struct StoredTenant {
    /// Which tenant.
    pub id: TenantId,
    /// Its settings as JSON, secrets included; nothing for a tenant of the files.
    pub settings: Option<String>,
    /// Names this version of the settings.
    pub version: String,
    /// Whether an operator paused it.
    pub paused: bool,
}

impl std::fmt::Debug for StoredTenant {
    /// Without the settings: they hold secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StoredTenant").field("id", &self.id).field("paused", &self.paused).finish_non_exhaustive()
    }
}
