use std::{
    fmt,
    path::{Path, PathBuf},
};

use secrecy::{ExposeSecret as _, SecretString};

use crate::settings::{Effective, Settings, Sources, TenantDefaults};

/// What a gateway was started with, to tell what a change would need.
#[derive(Clone)]
pub(crate) struct Running {
    effective: Effective,
    /// The one secret outside of tenants; `effective` does not show it.
    admin_token: Option<SecretString>,
    tenants_dir: Option<PathBuf>,
    sources: Sources,
}

impl Running {
    pub(crate) fn of(settings: &Settings) -> Self {
        Self {
            effective: settings.effective.without_lists(),
            admin_token: settings.http.admin.token.clone(),
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

    /// The keys that these settings change and that are read at a start only.
    pub(super) fn needs_restart(&self, settings: &Settings) -> Vec<String> {
        let mut keys = settings.effective.differences(&self.effective);
        keys.retain(|key| !TenantDefaults::KEYS.contains(&key.as_str()));
        let exposed = |token: &Option<SecretString>| token.as_ref().map(|token| token.expose_secret().to_owned());
        let is_listed = keys.iter().any(|key| key.starts_with("admin.token"));
        if !is_listed && exposed(&self.admin_token) != exposed(&settings.http.admin.token) {
            keys.push("admin.token".to_owned());
        }
        keys
    }
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running").field("sources", &self.sources).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str) -> Settings {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("pushgate.toml");
        std::fs::write(&file, text).unwrap();
        Settings::load(&[file], &[]).unwrap()
    }

    fn changes(old: &str, new: &str) -> Vec<String> {
        Running::of(&load(old)).needs_restart(&load(new))
    }

    #[test]
    fn what_is_read_at_a_start_only_needs_a_restart() {
        let new = "server.bind = \"127.0.0.1:1\"\nserver.limits.body = \"1KiB\"\njournal.fsync = \"never\"\n\
                   upstream.backoff.max = \"30s\"";
        assert_eq!(changes("", new), ["server.bind", "server.limits.body", "journal.fsync", "upstream.backoff.max"]);
        assert_eq!(changes(new, new), [""; 0]);
        assert_eq!(changes(new, ""), changes("", new));
    }

    #[test]
    fn tenants_and_what_they_take_over_need_no_restart() {
        let folder = tempfile::tempdir().unwrap();
        let new = format!(
            "tenants_dir = {:?}\nupstream = {{ url = \"ws://h/\", ack = \"delivered\", ack_timeout = \"1s\", \
             ack_on_timeout = \"none\", on_quarantine = \"ack\" }}\n[[tenants]]\nid = \"a\"",
            folder.path()
        );
        assert_eq!(changes("", &new), [""; 0]);
        assert_eq!(changes(&new, ""), [""; 0]);
    }

    #[test]
    fn a_changed_admin_token_is_named_once_whatever_its_form() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        std::fs::write(&file, "a").unwrap();
        let by_file = format!("admin.token = {{ file = {file:?} }}");
        let running = Running::of(&load(&by_file));
        assert_eq!(running.needs_restart(&load(&by_file)), [""; 0]);
        std::fs::write(&file, "b").unwrap();
        assert_eq!(running.needs_restart(&load(&by_file)), ["admin.token"]);
        assert_eq!(changes("admin.token = \"a\"", "admin.token = \"b\""), ["admin.token"]);
        assert_eq!(changes("admin.token = \"a\"", &by_file), ["admin.token"]);
        assert_eq!(changes("admin.token = \"a\"", ""), ["admin.token"]);
    }
}
