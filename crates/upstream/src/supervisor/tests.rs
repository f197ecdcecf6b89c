use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use actix::{Arbiter, System};
use futures_util::future::pending;
use pushgate_fanout::FanoutConfig;
use pushgate_journal::testing::MemoryJournal;
use pushgate_model::Answer;
use tokio::sync::mpsc;

use super::*;
use crate::Source;

#[test]
fn pauses_double_up_to_ten_minutes() {
    assert_eq!(pause_after(1), Duration::from_secs(1));
    assert_eq!(pause_after(2), Duration::from_secs(2));
    assert_eq!(pause_after(5), Duration::from_secs(16));
    assert_eq!(pause_after(100), LONGEST_PAUSE);
}

/// Supervises lines that do as their tenant's name says, and reports each start.
struct Rig {
    supervisor: Addr<TenantSupervisor>,
    starts: mpsc::UnboundedReceiver<TenantId>,
    directory: Arc<Directory>,
}

fn tenant(id: &str) -> TenantConfig {
    TenantConfig {
        id: id.parse().unwrap(),
        url: "ws://127.0.0.1:1/".to_owned(),
        bearer: None,
        headers: Vec::new(),
        query: Vec::new(),
        enabled: !id.starts_with("off"),
        on_quarantine: Answer::Nack,
        source: Source::File,
    }
}

impl Rig {
    fn new(tenants: &[&str]) -> Self {
        let (inlet, inbox) = Fanout::channel(16);
        let journal = MemoryJournal::new(Box::new(inlet));
        let fanout = Fanout::start(FanoutConfig::default(), journal, inbox);
        let (started, starts) = mpsc::unbounded_channel();
        let counts = Arc::new(Mutex::new(HashMap::<TenantId, u32>::new()));
        let make_line: MakeLine = Arc::new(move |tenant: TenantConfig| -> LineFactory {
            let (started, counts) = (started.clone(), Arc::clone(&counts));
            Box::new(move |mut draining| {
                Box::pin(async move {
                    let count = {
                        let mut counts = counts.lock().unwrap_or_else(PoisonError::into_inner);
                        let count = counts.entry(tenant.id.clone()).or_default();
                        *count += 1;
                        *count
                    };
                    // The test may be over.
                    let _ = started.send(tenant.id.clone());
                    assert!(!(tenant.id.as_str().starts_with("bad") && count == 1), "as its name says");
                    if draining.wait_for(|draining| *draining).await.is_err() {
                        pending::<()>().await;
                    }
                })
            })
        });
        let directory = Arc::new(Directory::default());
        let spec = SupervisorSpec {
            tenants: tenants.iter().map(|id| tenant(id)).collect(),
            make_line,
            arbiters: vec![Arbiter::current()],
            directory: Arc::clone(&directory),
            fanout,
            metrics: UpstreamMetrics::default(),
        };
        Self { supervisor: TenantSupervisor::new(spec).start(), starts, directory }
    }

    async fn next_start(&mut self) -> String {
        self.starts.recv().await.expect("a line starts").to_string()
    }

    async fn drain(&self) {
        let (sender, drained) = oneshot::channel();
        self.supervisor.do_send(DrainAll(sender));
        drained.await.expect("the supervisor lives");
    }

    fn state(&self, id: &str) -> Option<ConnectionState> {
        self.directory.get(&id.parse().unwrap()).map(|snapshot| snapshot.status.state)
    }
}

#[test]
fn a_panic_restarts_that_tenant_and_touches_no_sibling() {
    System::new().block_on(async {
        tokio::time::pause();
        let mut rig = Rig::new(&["good", "bad"]);
        assert_eq!(rig.next_start().await, "good");
        assert_eq!(rig.next_start().await, "bad");
        // The next start is the restart: the sibling is not started again.
        assert_eq!(rig.next_start().await, "bad");
        assert_eq!(rig.state("bad"), Some(ConnectionState::Crashed), "until its line says otherwise");
        assert_eq!(rig.state("good"), None, "nobody spoke for the sibling");
        rig.drain().await;
        assert!(rig.starts.try_recv().is_err());
    });
}

#[test]
fn a_disabled_tenant_is_paused_and_never_dials() {
    System::new().block_on(async {
        tokio::time::pause();
        let mut rig = Rig::new(&["off", "on"]);
        assert_eq!(rig.next_start().await, "on");
        assert_eq!(rig.state("off"), Some(ConnectionState::Paused));
        rig.drain().await;
        assert!(rig.starts.try_recv().is_err());
    });
}

#[test]
fn a_drain_ends_also_while_a_restart_is_pending() {
    System::new().block_on(async {
        tokio::time::pause();
        let mut rig = Rig::new(&["bad"]);
        assert_eq!(rig.next_start().await, "bad");
        rig.drain().await;
        tokio::time::sleep(FIRST_PAUSE + Duration::from_millis(100)).await;
        assert!(rig.starts.try_recv().is_err(), "no start after the drain");
    });
}
