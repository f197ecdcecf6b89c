use std::{
    fmt,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use secrecy::{ExposeSecret as _, SecretString};

use super::ReloadError;
use crate::settings::{Effective, Settings, Sources, TenantDefaults, is_loopback};

/// What a gateway was started with and what was applied since, to tell what changes and what that needs.
#[derive(Clone)]
pub(crate) struct Running {
    started: Seen,
    applied: Seen,
    bind: SocketAddr,
    tenants_dir: Option<PathBuf>,
    sources: Sources,
}

/// Settings without tenants, to be compared with others.
#[derive(Clone)]
pub(super) struct Seen {
    effective: Effective,
    has_tls: bool,
    /// What is secret; `effective` does not show it.
    admin_token: Option<SecretString>,
    auth_key: Option<SecretString>,
    jwks: Option<SecretString>,
}

impl Seen {
    pub(super) fn of(settings: &Settings) -> Self {
        Self {
            effective: settings.effective.without_lists(),
            has_tls: settings.http.public.tls.is_some(),
            admin_token: settings.http.admin.token.clone(),
            auth_key: settings.tokens.key.clone(),
            jwks: settings.tokens.jwks.clone(),
        }
    }

    /// The keys that are different there, secrets and what a file of keys holds included.
    fn differences(&self, other: &Self) -> Vec<String> {
        let mut keys = self.effective.differences(&other.effective);
        let exposed = |secret: &Option<SecretString>| secret.as_ref().map(|secret| secret.expose_secret().to_owned());
        for (key, ours, theirs) in [
            ("admin.token", &self.admin_token, &other.admin_token),
            ("auth.key", &self.auth_key, &other.auth_key),
            ("auth.jwks_file", &self.jwks, &other.jwks),
        ] {
            let is_listed = keys.iter().any(|listed| listed.starts_with(key));
            if !is_listed && exposed(ours) != exposed(theirs) {
                keys.push(key.to_owned());
            }
        }
        keys
    }
}

impl Running {
    pub(crate) fn of(settings: &Settings) -> Self {
        let seen = Seen::of(settings);
        Self {
            started: seen.clone(),
            applied: seen,
            bind: settings.http.public.bind,
            tenants_dir: settings.tenants_dir.clone(),
            sources: settings.sources.clone(),
        }
    }

    /// Where the settings came from.
    pub(super) fn sources(&self) -> &Sources {
        &self.sources
    }

    /// The folder of tenants at the start.
    pub(super) fn tenants_dir(&self) -> Option<&Path> {
        self.tenants_dir.as_deref()
    }

    /// These settings are in force now, as far as they need no restart.
    pub(super) fn set_applied(&mut self, seen: Seen) {
        self.applied = seen;
    }

    /// Whether the address of the running listener is one on which these settings may let everybody subscribe.
    ///
    /// # Errors
    /// It is not.
    pub(super) fn check_exposure(&self, settings: &Settings) -> Result<(), ReloadError> {
        let is_open = !settings.asks_for_tokens() && !settings.allow_insecure;
        if is_open && !is_loopback(self.bind) { Err(ReloadError::Exposed(self.bind)) } else { Ok(()) }
    }

    /// The keys that these settings change and that are read at a start only.
    pub(super) fn needs_restart(&self, seen: &Seen) -> Vec<String> {
        let mut keys = seen.differences(&self.started);
        let is_switched = seen.has_tls != self.started.has_tls;
        keys.retain(|key| match Change::of(key) {
            Change::Tenants | Change::Policy => false,
            Change::Certificate => is_switched,
            Change::Restart => true,
        });
        keys
    }

    /// The keys of the public listener's policy that these settings change.
    pub(super) fn policy_changes(&self, seen: &Seen) -> Vec<String> {
        let mut keys = seen.differences(&self.applied);
        let is_switched = seen.has_tls != self.started.has_tls;
        keys.retain(|key| match Change::of(key) {
            Change::Policy => true,
            Change::Certificate => !is_switched,
            Change::Tenants | Change::Restart => false,
        });
        keys
    }
}

/// What a change of a key takes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Change {
    /// It is in the tenants' settings, and applied to those that differ.
    Tenants,
    /// It is in the public listener's policy.
    Policy,
    /// It is read again by a listener that speaks TLS.
    Certificate,
    /// A restart.
    Restart,
}

impl Change {
    fn of(key: &str) -> Self {
        match key {
            key if TenantDefaults::KEYS.contains(&key) => Self::Tenants,
            "server.cors_origins" | "server.trusted_proxies" => Self::Policy,
            "server.limits.head_timeout" | "server.limits.replay_per_second" => Self::Restart,
            key if key.starts_with("server.limits.") || key.starts_with("auth.") => Self::Policy,
            key if key.starts_with("server.tls.") => Self::Certificate,
            _ => Self::Restart,
        }
    }
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running").field("sources", &self.sources).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
