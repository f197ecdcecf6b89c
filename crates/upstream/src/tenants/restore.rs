//! Tenants whose settings come from the journal, at the start and when they could not be read.

use std::time::{Duration, SystemTime};

use pushgate_journal::StoredTenant;
use pushgate_model::{ConnectionState, TenantId, TenantStatus, Timestamp};
use serde_json::{Map, Value};

use super::roster::{Roster, warn_of_shadow};
use crate::{
    Source, TenantMistake, Transition,
    desired::{End, Pause},
};

/// How often settings that could not be read are read again: the lane of what looks misconfigured begins with it.
pub(crate) const AGAIN: Duration = Duration::from_secs(60);

impl Roster {
    /// What the journal kept about a tenant.
    pub(super) fn restore(&self, stored: StoredTenant) {
        let StoredTenant { id, settings, version, paused } = stored;
        let document = settings.as_deref().map(parse);
        let of_a_file = self.entries.contains_key(&id);
        match document {
            Some(document) if !of_a_file => {
                let read = document
                    .as_ref()
                    .map_err(Clone::clone)
                    .and_then(|document| self.spec.reader.read(&id, document).map_err(|mistakes| listed(&mistakes)));
                if let Err(error) = &read {
                    tracing::error!(tenant = %id, error, "the settings of a tenant of the admin api can't be used");
                }
                self.insert(&id, Source::Api, read.ok(), document.ok());
                if let Some(mut entry) = self.entries.get_mut(&id) {
                    entry.version = version;
                }
            }
            Some(document) => {
                warn_of_shadow(&id);
                if let Some(mut entry) = self.entries.get_mut(&id) {
                    entry.document = document.ok();
                }
            }
            // Paused once, and gone from the files since: its name may return.
            None if !of_a_file => return,
            None => {}
        }
        if let Some(mut entry) = self.entries.get_mut(&id) {
            entry.paused = paused;
            entry.change(|desired| desired.pause = Pause::of(&desired.config, paused));
        }
        self.speak_for(&id);
    }

    /// The settings of a tenant of the API can't be read: its connection ends, and all that is known of it stays.
    pub(super) fn park(&self, tenant: &TenantId, document: Map<String, Value>, mistakes: &[TenantMistake]) {
        let error = listed(mistakes);
        tracing::error!(%tenant, error, "the settings of a tenant of the admin api can't be used");
        let Some(before) = self.entries.get(tenant).map(|entry| {
            entry.change(|desired| desired.end = End::Remove);
            (entry.life, entry.paused, entry.version.clone())
        }) else {
            return;
        };
        let (life, paused, version) = before;
        self.end(life);
        self.insert(tenant, Source::Api, None, Some(document));
        if let Some(mut entry) = self.entries.get_mut(tenant) {
            (entry.paused, entry.version) = (paused, version);
        }
        self.speak_for(tenant);
    }

    /// Reads the settings of a tenant again that could not be read; nothing for all others. The caller has its turn.
    pub(super) async fn mend(&self, tenant: &TenantId) {
        let broken = self.entries.get(tenant).filter(|entry| entry.desired.is_none() && !entry.paused);
        let Some((document, version)) = broken.and_then(|entry| Some((entry.document.clone()?, entry.version.clone())))
        else {
            return self.speak_for(tenant);
        };
        match self.read(tenant, &document).await {
            Ok(settings) => {
                tracing::info!(%tenant, "the settings of a tenant of the admin api can be used again");
                self.set(tenant, Source::Api, settings, Some(document), Some(version));
            }
            Err(_) => self.speak_for(tenant),
        }
    }

    /// Mends what can be mended by now, for ever.
    pub(crate) async fn keep_mending(&self) {
        loop {
            tokio::time::sleep(AGAIN).await;
            let broken = self.entries.iter().filter(|entry| entry.desired.is_none());
            let broken: Vec<TenantId> = broken.map(|entry| entry.key().clone()).collect();
            for tenant in broken {
                let _locked = self.locks.lock(&tenant).await;
                self.mend(&tenant).await;
            }
        }
    }

    /// Speaks for a tenant that has no connection.
    fn speak_for(&self, tenant: &TenantId) {
        let Some((life, paused)) =
            self.entries.get(tenant).filter(|entry| entry.desired.is_none()).map(|entry| (entry.life, entry.paused))
        else {
            return;
        };
        let to = &self.spec.report;
        let Some(mut snapshot) = to.directory.get(tenant) else { return };
        let now = Timestamp::from(SystemTime::now());
        let (state, reason) = if paused {
            (ConnectionState::Paused, Pause::Operator.as_str())
        } else {
            (ConnectionState::Misconfigured, "settings")
        };
        snapshot.next_retry_at = (!paused).then(|| now.plus(AGAIN));
        let entered = snapshot.status.state != state;
        if entered {
            snapshot.status = TenantStatus { state, since: now, reason: Some(reason.into()) };
        }
        let transition = entered.then(|| Transition { at: now, state, reason: Some(reason.into()), attempt: 0 });
        if to.directory.update(life, &snapshot, transition) && entered {
            to.metrics.entered(state);
            to.fanout.publish(tenant, snapshot.status);
        }
    }
}

/// A document as the journal keeps it.
fn parse(text: &str) -> Result<Map<String, Value>, String> {
    serde_json::from_str(text).map_err(|error| format!("no valid JSON object: {error}"))
}

fn listed(mistakes: &[TenantMistake]) -> String {
    let lines: Vec<_> = mistakes.iter().map(|mistake| format!("{}: {}", mistake.key, mistake.allowed)).collect();
    lines.join("; ")
}
