use std::{
    collections::HashMap,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use actix::{Actor, Arbiter, System};
use futures_util::FutureExt;
use pushgate_fanout::{Fanout, FanoutConfig, NoDeliverySink};
use pushgate_journal::{Journal, StoredTenant, testing::MemoryJournal};
use pushgate_model::ConnectionState;
use serde_json::json;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::*;
use crate::{
    Directory, TenantConfig, TenantReader, TenantSources, UpstreamMetrics, Vitals, Words,
    connection::LineFactory,
    desired::{Desired, End, Pause},
    report::ReportSpec,
    supervisor::{MakeLine, SupervisorSpec, TenantSupervisor},
};

/// Reads `url`, `bearer` and `enabled`; `bad` is a mistake.
#[derive(Default)]
struct Reader {
    /// Nothing can be read while this is set.
    unreadable: AtomicBool,
    /// What all bearers are, in the place of what is given: a file that was rotated.
    secret: Mutex<Option<String>>,
}

impl TenantReader for Reader {
    fn read(&self, id: &TenantId, settings: &Map<String, Value>) -> Result<TenantSettings, Vec<TenantMistake>> {
        if settings.contains_key("bad") || self.unreadable.load(Ordering::SeqCst) {
            return Err(vec![TenantMistake { key: "bad".to_owned(), allowed: "nothing".to_owned() }]);
        }
        let mut read = read(id.as_str(), settings, Source::Api);
        if let Some(secret) = &*self.secret.lock().unwrap() {
            read.config.bearer = Some(secret.as_str().into());
        }
        Ok(read)
    }
}

fn read(id: &str, settings: &Map<String, Value>, source: Source) -> TenantSettings {
    let text = |key: &str| settings.get(key).and_then(Value::as_str).map(str::to_owned);
    let mut config = TenantConfig::new(id.parse().unwrap(), text("url").unwrap_or_default());
    config.bearer = text("bearer").map(Into::into);
    config.enabled = settings.get("enabled").and_then(Value::as_bool).unwrap_or(true);
    config.source = source;
    let mut shown = settings.clone();
    if let Some(bearer) = shown.get_mut("bearer") {
        *bearer = "***".into();
    }
    TenantSettings { config, shown }
}

fn file(id: &str, settings: &Value) -> TenantSettings {
    read(id, &map(settings), Source::File)
}

fn map(value: &Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

fn id(id: &str) -> TenantId {
    id.parse().unwrap()
}

/// Tenants whose lines only tell what is wanted of them.
struct Rig {
    tenants: Tenants,
    journal: Arc<MemoryJournal>,
    directory: Arc<Directory>,
    told: UnboundedReceiver<Desired>,
    reader: Arc<Reader>,
}

impl Rig {
    fn start(files: Vec<TenantSettings>) -> Self {
        let (inlet, inbox) = Fanout::channel(16);
        let journal = MemoryJournal::new(Box::new(inlet));
        let fanout = Fanout::start(FanoutConfig::default(), journal.clone(), inbox, Arc::new(NoDeliverySink));
        Self::start_on(journal, fanout, TenantSources { files, stored: Vec::new() })
    }

    fn start_on(journal: Arc<MemoryJournal>, fanout: Fanout, sources: TenantSources) -> Self {
        let directory = Arc::<Directory>::default();
        let report = ReportSpec { directory: Arc::clone(&directory), fanout, metrics: UpstreamMetrics::default() };
        let (vitals, reader) = (Vitals::new(1), Arc::<Reader>::default());
        let spec = RosterSpec {
            journal: journal.clone(),
            reader: Arc::clone(&reader) as Arc<dyn TenantReader>,
            report: report.clone(),
            words: Words::default(),
            vitals: vitals.clone(),
            max_message: 1000,
        };
        let roster = Roster::new(spec, sources);
        let (tell, told) = unbounded_channel();
        let make_line: MakeLine = Arc::new(move |_, mut desired| -> LineFactory {
            let tell = tell.clone();
            Box::new(move || {
                Box::pin(async move {
                    loop {
                        let wanted = desired.borrow_and_update().clone();
                        // The test may be over.
                        let _ = tell.send(wanted.clone());
                        if wanted.end != End::No || desired.changed().await.is_err() {
                            return;
                        }
                    }
                })
            })
        });
        let spec = SupervisorSpec { make_line, arbiters: vec![Arbiter::current().clone()], report, vitals };
        roster.start(TenantSupervisor::new(spec).start());
        Self { tenants: Tenants::new(roster), journal, directory, told, reader }
    }

    /// What a connection was told next.
    async fn told(&mut self) -> Desired {
        self.told.recv().await.expect("a connection is told something")
    }

    async fn put(&self, name: &str, settings: Value) -> Result<Put, TenantError> {
        self.tenants.put(id(name), map(&settings), Precondition::None).await
    }

    fn version(&self, name: &str) -> String {
        self.tenants.settings(&id(name)).unwrap().version
    }

    async fn stored(&self) -> HashMap<String, StoredTenant> {
        let stored = self.journal.tenants().await.unwrap();
        stored.into_iter().map(|tenant| (tenant.id.to_string(), tenant)).collect()
    }
}

fn run(test: impl Future<Output = ()>) {
    System::new().block_on(test);
}

#[test]
fn a_put_makes_a_tenant_and_another_one_changes_it() {
    run(async {
        let mut rig = Rig::start(Vec::new());
        let made = rig.put("acme", json!({ "url": "ws://a", "bearer": "s3cret" })).await.unwrap();
        assert_eq!(made, Put::Created);
        assert_eq!(rig.told().await.config.url, "ws://a");
        let shown = rig.tenants.settings(&id("acme")).unwrap();
        assert_eq!((shown.settings["bearer"].as_str(), shown.source), (Some("***"), Source::Api));
        let put = rig.put("acme", json!({ "url": "ws://b", "bearer": "***" })).await.unwrap();
        assert_eq!(put, Put::Changed);
        let told = rig.told().await;
        assert_eq!(told.config.url, "ws://b");
        assert!(rig.stored().await["acme"].settings.as_ref().unwrap().contains("s3cret"), "kept for the next start");
        assert_ne!(rig.version("acme"), shown.version);
    });
}

#[test]
fn what_is_wrong_changes_nothing() {
    run(async {
        let mut rig = Rig::start(vec![file("globex", &json!({ "url": "ws://f" }))]);
        rig.told().await;
        assert!(matches!(rig.put("acme", json!({ "bad": 1 })).await, Err(TenantError::Invalid(_))));
        assert!(matches!(rig.put("acme", json!({ "bearer": "***" })).await, Err(TenantError::Invalid(_))));
        assert!(matches!(rig.put("globex", json!({})).await, Err(TenantError::FromFile)));
        let delete = rig.tenants.delete(&id("globex"), Precondition::None, Pushes::Keep).await;
        assert!(matches!(delete, Err(TenantError::FromFile)));
        assert!(matches!(rig.tenants.pause(&id("acme")).await, Err(TenantError::Unknown)));
        rig.journal.set_failing(Some("disk full"));
        assert!(matches!(rig.put("acme", json!({ "url": "ws://a" })).await, Err(TenantError::Journal(_))));
        assert!(!rig.directory.contains(&id("acme")));
        assert!(rig.told.try_recv().is_err());
    });
}

#[test]
fn a_precondition_names_the_version_that_is_meant() {
    run(async {
        let rig = Rig::start(Vec::new());
        let settings = || map(&json!({ "url": "ws://a" }));
        let put = |precondition| rig.tenants.put(id("acme"), settings(), precondition);
        assert!(matches!(put(Precondition::Exists).await, Err(TenantError::Precondition)));
        put(Precondition::Absent).await.unwrap();
        assert!(matches!(put(Precondition::Absent).await, Err(TenantError::Precondition)));
        let version = rig.version("acme");
        put(Precondition::OneOf(vec!["other".to_owned(), version.clone()])).await.unwrap();
        assert!(matches!(put(Precondition::OneOf(vec![version.clone()])).await, Err(TenantError::Precondition)));
        let delete = rig.tenants.delete(&id("acme"), Precondition::OneOf(vec![version]), Pushes::Keep).await;
        assert!(matches!(delete, Err(TenantError::Precondition)));
        rig.tenants.delete(&id("acme"), Precondition::Exists, Pushes::Keep).await.unwrap();
    });
}

#[test]
fn a_deleted_tenant_has_ended_and_is_known_as_removed() {
    run(async {
        let mut rig = Rig::start(Vec::new());
        rig.put("acme", json!({ "url": "ws://a" })).await.unwrap();
        rig.told().await;
        rig.tenants.delete(&id("acme"), Precondition::None, Pushes::Keep).await.unwrap();
        assert_eq!(rig.told().await.end, End::Remove);
        assert!(rig.directory.was_removed(&id("acme")) && rig.stored().await.is_empty());
        let again = rig.tenants.delete(&id("acme"), Precondition::None, Pushes::Keep).await;
        assert!(matches!(again, Err(TenantError::Unknown)));
        assert_eq!(rig.put("acme", json!({ "url": "ws://b" })).await.unwrap(), Put::Created);
        assert_eq!(rig.told().await.config.url, "ws://b");
        assert!(!rig.directory.was_removed(&id("acme")));
    });
}

#[test]
fn a_pause_survives_a_restart_for_tenants_of_both_kinds() {
    run(async {
        let files = || vec![file("globex", &json!({ "url": "ws://f" }))];
        let mut rig = Rig::start(files());
        rig.told().await;
        rig.put("acme", json!({ "url": "ws://a" })).await.unwrap();
        rig.told().await;
        for name in ["acme", "globex"] {
            rig.tenants.pause(&id(name)).await.unwrap();
            rig.tenants.pause(&id(name)).await.unwrap();
            assert_eq!(rig.told().await.pause, Some(Pause::Operator));
        }
        let stored = rig.journal.tenants().await.unwrap();
        let (inlet, inbox) = Fanout::channel(16);
        let journal = MemoryJournal::new(Box::new(inlet));
        let fanout = Fanout::start(FanoutConfig::default(), journal.clone(), inbox, Arc::new(NoDeliverySink));
        let mut next = Rig::start_on(journal, fanout, TenantSources { files: files(), stored });
        for _ in 0..2 {
            assert_eq!(next.told().await.pause, Some(Pause::Operator));
        }
        next.tenants.resume(&id("globex")).await.unwrap();
        let told = next.told().await;
        assert_eq!((told.config.id.as_str(), told.pause), ("globex", None));
        assert!(!next.stored().await.contains_key("globex"), "nothing is left to be known about it");
    });
}

#[test]
fn settings_switch_off_more_firmly_than_operators() {
    run(async {
        let mut rig = Rig::start(vec![file("globex", &json!({ "url": "ws://f", "enabled": false }))]);
        assert_eq!(rig.told().await.pause, Some(Pause::Disabled));
        assert!(matches!(rig.tenants.resume(&id("globex")).await, Err(TenantError::Disabled)));
        rig.tenants.pause(&id("globex")).await.unwrap();
        assert_eq!(rig.told().await.pause, Some(Pause::Disabled));
    });
}

#[test]
fn a_reload_touches_only_what_changed() {
    run(async {
        let mut rig = Rig::start(vec![
            file("same", &json!({ "url": "ws://s", "bearer": "x" })),
            file("other", &json!({ "url": "ws://o" })),
            file("gone", &json!({ "url": "ws://g" })),
        ]);
        for _ in 0..3 {
            rig.told().await;
        }
        let version = rig.version("same");
        let reloaded = rig
            .tenants
            .reload(vec![
                file("same", &json!({ "url": "ws://s", "bearer": "x" })),
                file("other", &json!({ "url": "ws://o", "bearer": "new" })),
                file("new", &json!({ "url": "ws://n" })),
            ])
            .await
            .unwrap();
        assert_eq!(reloaded, Reloaded { added: 1, changed: 1, removed: 1, unchanged: 1, stale: 0 });
        let mut told = HashMap::new();
        for _ in 0..3 {
            let wanted = rig.told().await;
            told.insert(wanted.config.id.to_string(), wanted);
        }
        assert_eq!(told["gone"].end, End::Remove);
        assert!(told["other"].config.bearer.is_some() && told["new"].config.url == "ws://n");
        assert_eq!(rig.version("same"), version);
        assert!(rig.told.try_recv().is_err());
    });
}

#[test]
fn a_file_stands_before_the_api_and_what_was_behind_it_comes_back() {
    run(async {
        let mut rig = Rig::start(Vec::new());
        rig.put("acme", json!({ "url": "ws://api" })).await.unwrap();
        rig.told().await;
        rig.tenants.reload(vec![file("acme", &json!({ "url": "ws://file" }))]).await.unwrap();
        assert_eq!(rig.told().await.config.url, "ws://file");
        assert!(matches!(rig.put("acme", json!({})).await, Err(TenantError::FromFile)));
        assert_eq!(rig.directory.get(&id("acme")).unwrap().source, Source::File);
        let reloaded = rig.tenants.reload(Vec::new()).await.unwrap();
        assert_eq!(reloaded.removed, 0);
        assert_eq!(rig.told().await.config.url, "ws://api");
        assert_eq!(rig.directory.get(&id("acme")).unwrap().source, Source::Api);
    });
}

#[test]
fn settings_that_can_not_be_read_when_their_file_goes_are_kept_and_mended() {
    run(async {
        let mut rig = Rig::start(Vec::new());
        rig.put("acme", json!({ "url": "ws://api", "bearer": "s3cret" })).await.unwrap();
        rig.told().await;
        rig.tenants.reload(vec![file("acme", &json!({ "url": "ws://file" }))]).await.unwrap();
        rig.told().await;
        rig.reader.unreadable.store(true, Ordering::SeqCst);
        let reloaded = rig.tenants.reload(Vec::new()).await.unwrap();
        assert_eq!(reloaded.removed, 0);
        assert_eq!(rig.told().await.end, End::Remove, "the file's connection");
        let status = rig.directory.get(&id("acme")).unwrap().status;
        assert_eq!((status.state, status.reason.as_deref()), (ConnectionState::Misconfigured, Some("settings")));
        assert!(rig.stored().await["acme"].settings.as_ref().unwrap().contains("s3cret"), "nothing is lost");
        assert_eq!(rig.tenants.settings(&id("acme")).unwrap().settings["bearer"], "***");
        rig.tenants.reconnect(&id("acme")).await.unwrap();
        assert!(rig.told.try_recv().is_err(), "still not");
        rig.reader.unreadable.store(false, Ordering::SeqCst);
        rig.tenants.reconnect(&id("acme")).await.unwrap();
        assert_eq!(rig.told().await.config.url, "ws://api");
    });
}

#[test]
fn a_reload_reads_the_settings_of_the_api_again() {
    run(async {
        let mut rig = Rig::start(Vec::new());
        rig.put("acme", json!({ "url": "ws://a" })).await.unwrap();
        rig.told().await;
        assert_eq!(rig.tenants.reload(Vec::new()).await.unwrap(), Reloaded::default());
        assert!(rig.told.try_recv().is_err(), "nothing is new");
        *rig.reader.secret.lock().unwrap() = Some("rotated".to_owned());
        rig.tenants.reload(Vec::new()).await.unwrap();
        assert!(rig.told().await.config.bearer.is_some());
        rig.reader.unreadable.store(true, Ordering::SeqCst);
        let reloaded = rig.tenants.reload(Vec::new()).await.unwrap();
        assert_eq!(reloaded.stale, 1);
        assert!(rig.told.try_recv().is_err(), "it keeps what it had");
    });
}

#[test]
fn a_purge_can_be_repeated_and_leaves_nothing() {
    run(async {
        let rig = Rig::start(Vec::new());
        rig.put("acme", json!({ "url": "ws://a" })).await.unwrap();
        let push = pushgate_model::Push {
            id: "x".into(),
            created_at: String::new(),
            title: String::new(),
            body: String::new(),
        };
        append(&*rig.journal, &id("acme"), Entry::Push { push, answer: None }).await.unwrap();
        let acme = id("acme");
        let purge = || rig.tenants.delete(&acme, Precondition::None, Pushes::Purge);
        rig.tenants.delete(&id("acme"), Precondition::None, Pushes::Keep).await.unwrap();
        purge().await.unwrap();
        assert!(rig.journal.bounds(vec![id("acme")]).await.unwrap().newest.is_none());
        assert!(matches!(purge().await, Err(TenantError::Unknown)));
    });
}

#[test]
fn stored_settings_that_can_not_be_read_are_shown_and_mended_by_a_put() {
    run(async {
        let (inlet, inbox) = Fanout::channel(16);
        let journal = MemoryJournal::new(Box::new(inlet));
        let fanout = Fanout::start(FanoutConfig::default(), journal.clone(), inbox, Arc::new(NoDeliverySink));
        let stored = vec![StoredTenant {
            id: id("acme"),
            settings: Some(r#"{"bad":1}"#.to_owned()),
            version: "v1".to_owned(),
            paused: true,
        }];
        let mut rig = Rig::start_on(journal, fanout, TenantSources { files: Vec::new(), stored });
        let status = rig.directory.get(&id("acme")).unwrap().status;
        assert_eq!((status.state, status.reason.as_deref()), (ConnectionState::Paused, Some("operator")));
        assert_eq!(rig.put("acme", json!({ "url": "ws://a" })).await.unwrap(), Put::Changed);
        assert_eq!(rig.told().await.pause, Some(Pause::Operator), "the pause was not forgotten");
    });
}

#[test]
fn operations_of_one_tenant_come_one_after_the_other() {
    run(async {
        let rig = Rig::start(Vec::new());
        rig.put("acme", json!({ "url": "ws://a" })).await.unwrap();
        let _held = rig.tenants.roster.locks.lock(&id("acme")).await;
        assert!(rig.tenants.pause(&id("acme")).now_or_never().is_none());
        rig.put("globex", json!({ "url": "ws://g" })).await.unwrap();
    });
}
