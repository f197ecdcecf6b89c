use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use actix::{Arbiter, System};
use futures_util::FutureExt;
use pushgate_fanout::{Fanout, FanoutConfig, NoDeliverySink};
use pushgate_journal::testing::MemoryJournal;
use tokio::sync::mpsc;

use super::*;
use crate::{Directory, TenantConfig, UpstreamMetrics, desired::End};

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
    vitals: Vitals,
    desired: Vec<watch::Sender<Desired>>,
}

impl Rig {
    fn new(tenants: &[&str]) -> Self {
        let (inlet, inbox) = Fanout::channel(16);
        let journal = MemoryJournal::new(Box::new(inlet));
        let fanout = Fanout::start(FanoutConfig::default(), journal, inbox, Arc::new(NoDeliverySink));
        let (started, starts) = mpsc::unbounded_channel();
        let counts = Arc::new(Mutex::new(HashMap::<TenantId, u32>::new()));
        let make_line: MakeLine = Arc::new(move |_, mut desired| -> LineFactory {
            let (started, counts) = (started.clone(), Arc::clone(&counts));
            Box::new(move || {
                Box::pin(async move {
                    let tenant = desired.borrow().config.id.clone();
                    let count = {
                        let mut counts = counts.lock().unwrap_or_else(PoisonError::into_inner);
                        let count = counts.entry(tenant.clone()).or_default();
                        *count += 1;
                        *count
                    };
                    // The test may be over.
                    let _ = started.send(tenant.clone());
                    let bad = tenant.as_str().starts_with("bad") && count == 1;
                    assert!(!bad && !tenant.as_str().starts_with("worse"), "as its name says");
                    desired.wait_for(|desired| desired.end != End::No).await.expect("the test holds the other end");
                })
            })
        });
        let (directory, vitals) = (Arc::new(Directory::default()), Vitals::new(1));
        let metrics = UpstreamMetrics::default();
        let report = ReportSpec { directory: Arc::clone(&directory), fanout, metrics };
        let spec = SupervisorSpec { make_line, arbiters: vec![Arbiter::current()], report, vitals: vitals.clone() };
        let supervisor = TenantSupervisor::new(spec).start();
        let mut rig = Self { supervisor, starts, directory, vitals, desired: Vec::new() };
        for (number, id) in tenants.iter().enumerate() {
            rig.begin(Life(number as u64), id);
        }
        rig
    }

    fn begin(&mut self, life: Life, id: &str) {
        let config = TenantConfig::new(id.parse().unwrap(), "ws://127.0.0.1:1/");
        let desired = watch::Sender::new(Desired::new(config, false));
        let tenant: TenantId = id.parse().unwrap();
        self.directory.begin(life, TenantSnapshot::new(tenant.clone(), Source::File));
        self.supervisor.do_send(Begin { tenant, life, desired: desired.subscribe() });
        self.desired.push(desired);
    }

    async fn next_start(&mut self) -> String {
        self.starts.recv().await.expect("a line starts").to_string()
    }

    async fn drain(&self) {
        let (sender, drained) = oneshot::channel();
        for desired in &self.desired {
            desired.send_modify(|desired| desired.end = End::Drain);
        }
        self.supervisor.do_send(DrainAll(sender));
        drained.await.expect("the supervisor lives");
    }

    fn state(&self, id: &str) -> ConnectionState {
        self.directory.get(&id.parse().unwrap()).expect("the tenant began").status.state
    }
}

fn run(test: impl Future<Output = ()>) {
    System::new().block_on(async {
        tokio::time::pause();
        test.await;
    });
}

#[test]
fn a_panic_restarts_that_tenant_and_touches_no_sibling() {
    run(async {
        let mut rig = Rig::new(&["good", "bad"]);
        assert_eq!(rig.next_start().await, "good");
        assert_eq!(rig.next_start().await, "bad");
        // The next start is the restart: the sibling is not started again.
        assert_eq!(rig.next_start().await, "bad");
        assert_eq!(rig.state("bad"), ConnectionState::Crashed, "until its line says otherwise");
        assert_eq!(rig.state("good"), ConnectionState::Waiting, "nobody spoke for the sibling");
        let transitions = rig.directory.transitions(&"bad".parse().unwrap()).unwrap();
        assert_eq!(transitions[0].reason.as_deref(), Some("panic"));
        rig.drain().await;
        assert!(rig.starts.try_recv().is_err());
    });
}

#[test]
fn each_crash_doubles_the_pause_and_an_operation_ends_it() {
    run(async {
        let mut rig = Rig::new(&["worse"]);
        let begun = Instant::now();
        for _ in 0..4 {
            rig.next_start().await;
        }
        let waited = begun.elapsed();
        assert!(waited >= Duration::from_secs(7) && waited < Duration::from_secs(8), "{waited:?}");
        while rig.state("worse") != ConnectionState::Crashed {
            tokio::task::yield_now().await;
        }
        rig.supervisor.send(Hurry(Life(0))).await.unwrap();
        rig.next_start().await;
        assert!(begun.elapsed() < Duration::from_secs(8));
        rig.drain().await;
    });
}

#[test]
fn many_panics_within_a_minute_are_told() {
    run(async {
        let ids: Vec<_> = (0..11).map(|n| format!("bad{n}")).collect();
        let mut rig = Rig::new(&ids.iter().map(String::as_str).collect::<Vec<_>>());
        rig.vitals.tenants(11);
        for _ in 0..22 {
            rig.next_start().await;
        }
        assert!(rig.vitals.failing().is_some());
        rig.drain().await;
    });
}

#[test]
fn a_drain_ends_also_while_a_restart_is_pending() {
    run(async {
        let mut rig = Rig::new(&["bad"]);
        assert_eq!(rig.next_start().await, "bad");
        rig.drain().await;
        tokio::time::sleep(FIRST_PAUSE + Duration::from_millis(100)).await;
        assert!(rig.starts.try_recv().is_err(), "no start after the drain");
    });
}

#[test]
fn a_forgotten_tenant_has_ended_and_does_not_come_back() {
    run(async {
        let mut rig = Rig::new(&["good", "worse"]);
        rig.next_start().await;
        rig.next_start().await;
        let (sender, mut ended) = oneshot::channel();
        rig.supervisor.send(Forget(Life(0), sender)).await.unwrap();
        assert!((&mut ended).now_or_never().is_none(), "it still lives");
        rig.desired[0].send_modify(|desired| desired.end = End::Remove);
        ended.await.unwrap();
        let (sender, ended) = oneshot::channel();
        rig.supervisor.send(Forget(Life(1), sender)).await.unwrap();
        ended.await.unwrap();
        tokio::time::sleep(LONGEST_PAUSE).await;
        assert!(rig.starts.try_recv().is_err(), "neither comes back");
        rig.begin(Life(2), "good");
        assert_eq!(rig.next_start().await, "good");
        rig.drain().await;
    });
}
