use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use actix::Addr;
use dashmap::DashMap;
use pushgate_journal::{AnsweredBy, Append, AppendOutcome, Entry as Appendable, Journal, JournalError, StoredTenant};
use pushgate_model::{Answer, TenantId};
use pushgate_session::AckPolicy;
use serde_json::{Map, Value};
use tokio::{
    sync::{Mutex, mpsc, oneshot, watch},
    time::timeout,
};

use super::{Precondition, Pushes, Put, ShownSettings, TenantError, locks::Locks, secrets};
use crate::{
    Source, TenantConfig, TenantMistake, TenantReader, TenantSettings, TenantSnapshot, TenantSources, Vitals,
    desired::{Desired, End, Pause},
    directory::Life,
    report::ReportSpec,
    supervisor::{Begin, DrainAll, Forget, Hurry, TenantSupervisor},
    words::Words,
};

/// How long the end of a removed tenant's connection is waited for; it ends by itself also after that.
const REMOVAL: Duration = Duration::from_secs(6);

/// What a [`Roster`] works with.
pub(crate) struct RosterSpec {
    pub(crate) journal: Arc<dyn Journal>,
    pub(crate) reader: Arc<dyn TenantReader>,
    pub(crate) report: ReportSpec,
    pub(crate) words: Words,
    pub(crate) vitals: Vitals,
    /// Largest message, in bytes.
    pub(crate) max_message: usize,
}

/// What operators want of each tenant.
pub(crate) struct Roster {
    pub(super) spec: RosterSpec,
    pub(super) entries: DashMap<TenantId, Entry>,
    pub(super) locks: Locks,
    pub(super) reloading: Mutex<()>,
    pub(super) supervisor: OnceLock<Addr<TenantSupervisor>>,
    draining: AtomicBool,
    lives: AtomicU64,
}

/// One tenant.
pub(super) struct Entry {
    pub(super) life: Life,
    pub(super) source: Source,
    /// As operators may see them.
    shown: Map<String, Value>,
    /// As the API gave them, secrets included. A tenant of the files may have them too: they wait behind the file.
    pub(super) document: Option<Map<String, Value>>,
    pub(super) version: String,
    /// By an operator.
    pub(super) paused: bool,
    /// What the connection follows; nothing while the settings can't be read, so that there is no connection.
    pub(super) desired: Option<watch::Sender<Desired>>,
}

impl Roster {
    /// Reads what there is. Connections begin with [`Roster::start`].
    pub(crate) fn new(spec: RosterSpec, sources: TenantSources) -> Arc<Self> {
        let roster = Self {
            spec,
            entries: DashMap::new(),
            locks: Locks::default(),
            reloading: Mutex::default(),
            supervisor: OnceLock::new(),
            draining: AtomicBool::new(false),
            lives: AtomicU64::new(0),
        };
        for settings in sources.files {
            let tenant = settings.config.id.clone();
            roster.insert(&tenant, Source::File, Some(settings), None);
        }
        for stored in sources.stored {
            roster.restore(stored);
        }
        roster.count();
        Arc::new(roster)
    }

    /// Begins all connections.
    pub(crate) fn start(&self, supervisor: Addr<TenantSupervisor>) {
        let supervisor = self.supervisor.get_or_init(|| supervisor);
        for entry in &self.entries {
            if let Some(desired) = &entry.desired {
                let (tenant, life) = (entry.key().clone(), entry.life);
                supervisor.do_send(Begin { tenant, life, desired: desired.subscribe() });
            }
        }
    }

    /// Ends all connections in order; completes when the last is gone.
    pub(crate) async fn drain(&self) {
        self.draining.store(true, Ordering::SeqCst);
        for entry in &self.entries {
            entry.change(|desired| desired.end = End::Drain);
        }
        if let Some(supervisor) = self.supervisor.get() {
            let (sender, drained) = oneshot::channel();
            supervisor.do_send(DrainAll(sender));
            // An error means that the supervisor is gone, and its connections with it.
            let _ = drained.await;
        }
    }

    pub(super) fn journal(&self) -> &dyn Journal {
        &*self.spec.journal
    }

    pub(super) fn words(&self) -> &Words {
        &self.spec.words
    }

    pub(super) fn max_message(&self) -> usize {
        self.spec.max_message
    }

    /// Reads settings on a thread that may block: secrets may be in files.
    ///
    /// # Errors
    /// Every mistake that there is.
    pub(super) async fn read(
        &self,
        tenant: &TenantId,
        document: &Map<String, Value>,
    ) -> Result<TenantSettings, Vec<TenantMistake>> {
        let (reader, tenant, document) = (Arc::clone(&self.spec.reader), tenant.clone(), document.clone());
        let read = tokio::task::spawn_blocking(move || reader.read(&tenant, &document));
        read.await.unwrap_or_else(|_| {
            Err(vec![TenantMistake { key: String::new(), allowed: "the settings could not be read".to_owned() }])
        })
    }

    pub(super) fn knows(&self, tenant: &TenantId) -> bool {
        self.entries.contains_key(tenant)
    }

    pub(super) fn shown(&self, tenant: &TenantId) -> Option<ShownSettings> {
        self.entries.get(tenant).map(|entry| ShownSettings {
            settings: entry.shown.clone(),
            version: entry.version.clone(),
            source: entry.source,
        })
    }

    pub(super) async fn put(
        &self,
        tenant: TenantId,
        mut document: Map<String, Value>,
        precondition: Precondition,
    ) -> Result<Put, TenantError> {
        self.running()?;
        let _locked = self.locks.lock(&tenant).await;
        let (paused, was) = {
            let entry = self.entries.get(&tenant);
            let entry = entry.as_deref();
            precondition.check(entry.map(|entry| &*entry.version))?;
            if entry.is_some_and(|entry| entry.source == Source::File) {
                return Err(TenantError::FromFile);
            }
            let old = entry.and_then(|entry| entry.document.as_ref());
            secrets::keep(old, &mut document).map_err(TenantError::Invalid)?;
            (entry.is_some_and(|entry| entry.paused), entry.map(|_| ()))
        };
        let settings = self.read(&tenant, &document).await.map_err(TenantError::Invalid)?;
        let version = new_version();
        let stored = StoredTenant {
            id: tenant.clone(),
            settings: Some(Value::Object(document.clone()).to_string()),
            version: version.clone(),
            paused,
        };
        self.journal().put_tenant(stored).await?;
        self.set(&tenant, Source::Api, settings, Some(document), Some(version));
        Ok(if was.is_some() { Put::Changed } else { Put::Created })
    }

    pub(super) async fn delete(
        &self,
        tenant: &TenantId,
        precondition: Precondition,
        pushes: Pushes,
    ) -> Result<(), TenantError> {
        self.running()?;
        let _locked = self.locks.lock(tenant).await;
        if pushes == Pushes::Purge && !self.entries.contains_key(tenant) {
            precondition.check(None)?;
            // An earlier try may have removed the tenant, and the journal failed before its pushes were erased.
            let kept = self.journal().bounds(vec![tenant.clone()]).await?;
            return match kept.newest {
                Some(_) => self.purge(tenant).await,
                None => Err(TenantError::Unknown),
            };
        }
        {
            let entry = self.entries.get(tenant).ok_or(TenantError::Unknown)?;
            precondition.check(Some(&entry.version))?;
            if entry.source == Source::File {
                return Err(TenantError::FromFile);
            }
        }
        self.journal().delete_tenant(tenant.clone()).await?;
        self.remove(tenant).await;
        match pushes {
            Pushes::Keep => Ok(()),
            Pushes::Purge => self.purge(tenant).await,
        }
    }

    /// Erases what is kept, after all that is still on its way into the journal: a tenant's appends keep their order, so one
    /// that does nothing comes behind them.
    async fn purge(&self, tenant: &TenantId) -> Result<(), TenantError> {
        let last = Appendable::Answer { push_id: "".into(), answer: Answer::Nack, by: AnsweredBy::Deadline };
        match append(self.journal(), tenant, last).await {
            Some(AppendOutcome::UnknownPush) => Ok(self.journal().purge(tenant.clone()).await?),
            _ => Err(JournalError::Engine("it cannot write at the moment".to_owned()).into()),
        }
    }

    pub(super) async fn set_paused(&self, tenant: &TenantId, paused: bool) -> Result<(), TenantError> {
        self.running()?;
        let _locked = self.locks.lock(tenant).await;
        let stored = {
            let entry = self.entries.get(tenant).ok_or(TenantError::Unknown)?;
            if !paused && entry.is_disabled() {
                return Err(TenantError::Disabled);
            }
            if entry.paused == paused {
                return Ok(());
            }
            let settings = entry.document.clone().map(|document| Value::Object(document).to_string());
            StoredTenant { id: tenant.clone(), settings, version: entry.version.clone(), paused }
        };
        if stored.settings.is_none() && !paused {
            self.journal().delete_tenant(tenant.clone()).await?;
        } else {
            self.journal().put_tenant(stored).await?;
        }
        if let Some(mut entry) = self.entries.get_mut(tenant) {
            entry.paused = paused;
            entry.change(|desired| desired.pause = Pause::of(&desired.config, paused));
        }
        self.hurry(tenant);
        self.mend(tenant).await;
        Ok(())
    }

    pub(super) async fn reconnect(&self, tenant: &TenantId) -> Result<(), TenantError> {
        self.running()?;
        let _locked = self.locks.lock(tenant).await;
        {
            let entry = self.entries.get(tenant).ok_or(TenantError::Unknown)?;
            entry.change(|desired| desired.reconnects += 1);
        }
        self.hurry(tenant);
        self.mend(tenant).await;
        Ok(())
    }

    #[cfg(any(test, feature = "testing"))]
    pub(super) fn inject(&self, tenant: &TenantId, fault: crate::testing::Fault) -> Result<(), TenantError> {
        let entry = self.entries.get(tenant).ok_or(TenantError::Unknown)?;
        entry.change(|desired| desired.fault = Some(fault));
        Ok(())
    }

    /// Makes the tenant be as these settings say; a new one begins.
    pub(super) fn set(
        &self,
        tenant: &TenantId,
        source: Source,
        settings: TenantSettings,
        document: Option<Map<String, Value>>,
        version: Option<String>,
    ) {
        let Some(mut entry) = self.entries.get_mut(tenant).filter(|entry| entry.desired.is_some()) else {
            let paused = self.entries.get(tenant).is_some_and(|entry| entry.paused);
            self.insert(tenant, source, Some(settings), document);
            if let Some(mut entry) = self.entries.get_mut(tenant) {
                entry.paused = paused;
                entry.version = version.unwrap_or_else(|| entry.version.clone());
                entry.change(|desired| desired.pause = Pause::of(&desired.config, paused));
            }
            self.begin(tenant);
            return;
        };
        let paused = entry.paused;
        (entry.source, entry.document) = (source, document);
        entry.version = version.unwrap_or_else(new_version);
        entry.shown = settings.shown;
        let config = settings.config;
        self.want_deliveries(&config);
        entry.change(|desired| {
            desired.pause = Pause::of(&config, paused);
            desired.config = Arc::new(config);
        });
        drop(entry);
        self.spec.report.directory.set_source(tenant, source);
        self.hurry(tenant);
    }

    /// The settings mean the same and are written in another way.
    pub(super) fn show(&self, tenant: &TenantId, shown: Map<String, Value>) {
        if let Some(mut entry) = self.entries.get_mut(tenant) {
            entry.shown = shown;
            entry.version = new_version();
        }
    }

    /// Ends a tenant: nobody finds it any more, its streams end, then its connection.
    pub(super) async fn remove(&self, tenant: &TenantId) {
        let ended = self.begin_removal(tenant);
        if let Some(ended) = ended
            && timeout(REMOVAL, ended).await.is_err()
        {
            tracing::warn!(%tenant, "the connection of a removed tenant has not ended yet");
        }
    }

    /// The first half of [`Roster::remove`]: the end of the connection is told to the receiver. Until then it shows nothing
    /// any more, since its life in the directory is over.
    pub(super) fn begin_removal(&self, tenant: &TenantId) -> Option<oneshot::Receiver<()>> {
        let (_, entry) = self.entries.remove(tenant)?;
        self.spec.report.directory.remove(tenant);
        self.spec.fanout().remove(tenant);
        entry.change(|desired| desired.end = End::Remove);
        self.words().forget(tenant);
        self.count();
        entry.desired.as_ref().and_then(|_| self.end(entry.life))
    }

    /// Has the supervisor forget a connection that was told to end.
    pub(super) fn end(&self, life: Life) -> Option<oneshot::Receiver<()>> {
        let (sender, ended) = oneshot::channel();
        self.supervisor.get()?.do_send(Forget(life, sender));
        Some(ended)
    }

    /// Puts an entry in, and what others see of it. Without settings it has no connection.
    pub(super) fn insert(
        &self,
        tenant: &TenantId,
        source: Source,
        settings: Option<TenantSettings>,
        document: Option<Map<String, Value>>,
    ) {
        let life = Life(self.lives.fetch_add(1, Ordering::Relaxed) + 1);
        let (desired, shown) = if let Some(settings) = settings {
            self.want_deliveries(&settings.config);
            (Some(watch::Sender::new(Desired::new(settings.config, false))), settings.shown)
        } else {
            (None, document.as_ref().map(secrets::hide).unwrap_or_default())
        };
        self.spec.report.directory.begin(life, TenantSnapshot::new(tenant.clone(), source));
        let entry = Entry { life, source, shown, document, version: new_version(), paused: false, desired };
        self.entries.insert(tenant.clone(), entry);
        self.count();
        if self.draining.load(Ordering::SeqCst) {
            // A drain that began meanwhile may have passed by.
            self.entries.get(tenant).inspect(|entry| entry.change(|desired| desired.end = End::Drain));
        }
    }

    pub(super) fn begin(&self, tenant: &TenantId) {
        let Some(supervisor) = self.supervisor.get() else { return };
        if let Some(entry) = self.entries.get(tenant)
            && let Some(desired) = &entry.desired
        {
            supervisor.do_send(Begin { tenant: tenant.clone(), life: entry.life, desired: desired.subscribe() });
        }
    }

    /// A connection that waits to be started again is started now.
    fn hurry(&self, tenant: &TenantId) {
        if let (Some(supervisor), Some(entry)) = (self.supervisor.get(), self.entries.get(tenant)) {
            supervisor.do_send(Hurry(entry.life));
        }
    }

    fn want_deliveries(&self, config: &TenantConfig) {
        self.words().want_deliveries(&config.id, config.answers.policy == AckPolicy::Delivered);
    }

    fn count(&self) {
        self.spec.vitals.tenants(self.entries.len());
    }

    pub(super) fn running(&self) -> Result<(), TenantError> {
        let running = self.supervisor.get().is_some() && !self.draining.load(Ordering::SeqCst);
        if running { Ok(()) } else { Err(TenantError::NotRunning) }
    }
}

impl RosterSpec {
    pub(super) fn fanout(&self) -> &pushgate_fanout::Fanout {
        &self.report.fanout
    }
}

impl Entry {
    pub(super) fn is_shown_as(&self, shown: &Map<String, Value>) -> bool {
        self.shown == *shown
    }

    fn is_disabled(&self) -> bool {
        self.desired.as_ref().is_some_and(|desired| !desired.borrow().config.enabled)
    }

    /// Changes what the connection follows.
    pub(super) fn change(&self, change: impl FnOnce(&mut Desired)) {
        if let Some(desired) = &self.desired {
            desired.send_modify(change);
        }
    }
}

impl Precondition {
    /// `version` is what there is.
    fn check(&self, version: Option<&str>) -> Result<(), TenantError> {
        let holds = match (self, version) {
            (Self::None, _) | (Self::Absent, None) | (Self::Exists, Some(_)) => true,
            (Self::OneOf(known), Some(version)) => known.iter().any(|known| known == version),
            _ => false,
        };
        if holds { Ok(()) } else { Err(TenantError::Precondition) }
    }
}

/// Said once for each life of the file's tenant.
pub(super) fn warn_of_shadow(tenant: &TenantId) {
    tracing::warn!(%tenant, "a tenant of the files has the id of one of the admin api: the file wins");
}

/// Appends one thing and waits for what becomes of it; nothing when the journal can't take it.
pub(super) async fn append(journal: &dyn Journal, tenant: &TenantId, entry: Appendable) -> Option<AppendOutcome> {
    let (reply, mut outcome) = mpsc::channel(1);
    let received_at = std::time::SystemTime::now().into();
    journal.append(Append { tenant: tenant.clone(), entry, received_at, tag: 0, reply }).await.ok()?;
    outcome.recv().await.map(|appended| appended.outcome)
}

/// Names one version of settings among all that there ever were.
fn new_version() -> String {
    format!("{:016x}", fastrand::u64(..))
}
