use std::{collections::HashSet, time::Duration};

use pushgate_model::TenantId;
use tokio::time::timeout;

use super::{Reloaded, Roster, TenantError, roster::warn_of_shadow};
use crate::{Source, TenantSettings};

/// How long the ends of all removed connections together are waited for.
const REMOVALS: Duration = Duration::from_secs(10);

/// What a reload does with one tenant of the files.
enum Step {
    Add,
    Change,
    Show,
    Nothing,
}

impl Roster {
    pub(super) async fn reload(&self, files: Vec<TenantSettings>) -> Result<Reloaded, TenantError> {
        self.running()?;
        let _reloading = self.reloading.lock().await;
        let named: HashSet<TenantId> = files.iter().map(|settings| settings.config.id.clone()).collect();
        let removed = self.remove_all_but(&named).await;
        let mut reloaded = Reloaded { removed, ..Reloaded::default() };
        for settings in files {
            let tenant = settings.config.id.clone();
            let _locked = self.locks.lock(&tenant).await;
            match self.step(&settings) {
                Step::Nothing => reloaded.unchanged += 1,
                Step::Show => {
                    self.show(&tenant, settings.shown);
                    reloaded.unchanged += 1;
                }
                Step::Add => {
                    self.set(&tenant, Source::File, settings, None, None);
                    reloaded.added += 1;
                }
                Step::Change => {
                    let document = self.entries.get(&tenant).and_then(|entry| entry.document.clone());
                    self.set(&tenant, Source::File, settings, document, None);
                    reloaded.changed += 1;
                }
            }
        }
        reloaded.stale = self.read_again(&named).await;
        Ok(reloaded)
    }

    fn step(&self, settings: &TenantSettings) -> Step {
        let Some(entry) = self.entries.get(&settings.config.id) else { return Step::Add };
        if entry.source == Source::Api {
            warn_of_shadow(&settings.config.id);
            return Step::Change;
        }
        let same = entry.desired.as_ref().is_some_and(|desired| desired.borrow().config.is_like(&settings.config));
        match (same, entry.is_shown_as(&settings.shown)) {
            (false, _) => Step::Change,
            (true, false) => Step::Show,
            (true, true) => Step::Nothing,
        }
    }

    /// Removes the tenants of the files that are not among these, all at a time. One that waited behind a file comes back.
    async fn remove_all_but(&self, named: &HashSet<TenantId>) -> usize {
        let of_files = |source| source == Source::File;
        let gone: Vec<TenantId> = self
            .entries
            .iter()
            .filter(|entry| of_files(entry.source) && !named.contains(entry.key()))
            .map(|entry| entry.key().clone())
            .collect();
        // Held until the connections have ended: no name may begin again before.
        let (mut removed, mut ends, mut locks) = (0, Vec::new(), Vec::new());
        for tenant in gone {
            let locked = self.locks.lock(&tenant).await;
            let document = self.entries.get(&tenant).and_then(|entry| entry.document.clone());
            if let Some(document) = document {
                match self.read(&tenant, &document).await {
                    Ok(settings) => self.set(&tenant, Source::Api, settings, Some(document), None),
                    Err(mistakes) => self.park(&tenant, document, &mistakes),
                }
                continue;
            }
            if let Err(error) = self.journal().delete_tenant(tenant.clone()).await {
                // All that is kept about it is whether it was paused.
                tracing::warn!(%tenant, %error, "a removed tenant's pause is still in the journal");
            }
            ends.extend(self.begin_removal(&tenant));
            removed += 1;
            locks.push(locked);
        }
        let all = futures_util::future::join_all(ends);
        if timeout(REMOVALS, all).await.is_err() {
            tracing::warn!("some connections of removed tenants have not ended yet");
        }
        removed
    }

    /// Reads the settings of the API's tenants again, for their secrets and for what they take from the files.
    /// Says how many could not be read: they keep what they had.
    async fn read_again(&self, named: &HashSet<TenantId>) -> usize {
        let mut stale = 0;
        let of_api: Vec<TenantId> =
            self.entries.iter().filter(|entry| !named.contains(entry.key())).map(|entry| entry.key().clone()).collect();
        for tenant in of_api {
            let _locked = self.locks.lock(&tenant).await;
            let Some((document, before, version)) = self.entries.get(&tenant).and_then(|entry| {
                let before = entry.desired.as_ref().map(|desired| desired.borrow().config.clone());
                Some((entry.document.clone()?, before, entry.version.clone()))
            }) else {
                continue;
            };
            match self.read(&tenant, &document).await {
                Ok(settings) if before.as_ref().is_none_or(|before| !before.is_like(&settings.config)) => {
                    self.set(&tenant, Source::Api, settings, Some(document), Some(version));
                }
                Ok(_) => {}
                Err(mistakes) => {
                    stale += 1;
                    let keys: Vec<_> = mistakes.iter().map(|mistake| mistake.key.as_str()).collect();
                    let keys = keys.join(", ");
                    tracing::error!(%tenant, keys, "settings of the admin api can't be read again, the old ones stay");
                }
            }
        }
        stale
    }
}
