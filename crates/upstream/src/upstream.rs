use std::{cell::OnceCell, sync::Arc};

use actix::{Actor, Addr, Arbiter};
use pushgate_fanout::Fanout;
use pushgate_journal::Journal;
use pushgate_model::Answer;
use pushgate_session::SessionConfig;
use tokio::sync::oneshot;

use crate::{
    Directory, TenantConfig, TenantSnapshot, UpstreamConfig, UpstreamError, UpstreamMetrics,
    connection::LineFactory,
    dial::{Dialler, DiallerConfig},
    gate::Gates,
    line::{Line, LineSpec},
    request_url::authority,
    supervisor::{DrainAll, MakeLine, SupervisorSpec, TenantSupervisor},
    tls,
};

/// All connections of a gateway.
pub struct Upstream {
    supervisor: Addr<TenantSupervisor>,
    arbiters: Vec<Arbiter>,
    directory: Arc<Directory>,
}

/// All connections of a gateway, before the first one dials.
pub struct Prepared {
    threads: usize,
    tenants: Vec<TenantConfig>,
    lines: Lines,
}

/// What the connections give to and take from.
#[derive(Clone)]
pub struct UpstreamDeps {
    /// Where pushes are stored.
    pub journal: Arc<dyn Journal>,
    /// Where changes of state are published.
    pub fanout: Fanout,
}

impl Upstream {
    /// Checks what can be checked before anything is dialled.
    ///
    /// # Errors
    /// `ca_file` can't be used.
    pub fn prepare(
        config: &UpstreamConfig,
        tenants: Vec<TenantConfig>,
        deps: UpstreamDeps,
    ) -> Result<Prepared, UpstreamError> {
        let dialler = DiallerConfig {
            timeout: config.connect.timeout,
            dead_after: config.heartbeat.dead_after,
            max_message: config.max_message,
            tls: tls::client_config(config.ca_file.as_deref())?,
        };
        let directory = Arc::new(Directory::default());
        for tenant in &tenants {
            directory.put(TenantSnapshot::new(tenant.id.clone(), tenant.source));
        }
        let lines = Lines {
            session: SessionConfig {
                max_message: config.max_message,
                heartbeat: config.heartbeat,
                backoff: config.backoff,
                in_flight: config.in_flight,
                on_quarantine: Answer::Nack,
            },
            gates: Gates::new(config.connect),
            dialler,
            deps,
            directory,
            metrics: UpstreamMetrics::default(),
        };
        Ok(Prepared { threads: config.threads.max(1), tenants, lines })
    }

    /// The tenants and their states.
    pub fn directory(&self) -> Arc<Directory> {
        Arc::clone(&self.directory)
    }

    /// Ends every connection in order: reads no more, finishes commits, flushes answers, closes with 1001. Returns when
    /// the last one is gone; the caller sets the time limit.
    pub async fn drain(&self) {
        let (sender, drained) = oneshot::channel();
        self.supervisor.do_send(DrainAll(sender));
        // An error means that the supervisor is gone, and its connections with it.
        let _ = drained.await;
    }
}

impl Prepared {
    /// The tenants and their states.
    pub fn directory(&self) -> Arc<Directory> {
        Arc::clone(&self.lines.directory)
    }

    /// Counters, shared.
    pub fn metrics(&self) -> UpstreamMetrics {
        self.lines.metrics.clone()
    }

    /// Starts one connection per enabled tenant. Call inside an actix system.
    pub fn start(self) -> Upstream {
        let Self { threads, tenants, lines } = self;
        let arbiters: Vec<_> = (0..threads).map(|_| Arbiter::new()).collect();
        let directory = Arc::clone(&lines.directory);
        let spec = SupervisorSpec {
            tenants,
            arbiters: arbiters.iter().map(Arbiter::handle).collect(),
            directory: Arc::clone(&directory),
            fanout: lines.deps.fanout.clone(),
            metrics: lines.metrics.clone(),
            make_line: lines.into_factory(),
        };
        let supervisor = TenantSupervisor::start_in_arbiter(&arbiters[0].handle(), |_| TenantSupervisor::new(spec));
        Upstream { supervisor, arbiters, directory }
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        for arbiter in &self.arbiters {
            arbiter.stop();
        }
    }
}

/// What every line is made of.
struct Lines {
    session: SessionConfig,
    gates: Gates,
    dialler: DiallerConfig,
    deps: UpstreamDeps,
    directory: Arc<Directory>,
    metrics: UpstreamMetrics,
}

impl Lines {
    fn into_factory(self) -> MakeLine {
        let lines = Arc::new(self);
        Arc::new(move |tenant| lines.factory(tenant))
    }

    fn factory(self: &Arc<Self>, tenant: TenantConfig) -> LineFactory {
        let lines = Arc::clone(self);
        Box::new(move |draining| {
            let spec = LineSpec {
                session: SessionConfig { on_quarantine: tenant.on_quarantine, ..lines.session.clone() },
                journal: Arc::clone(&lines.deps.journal),
                fanout: lines.deps.fanout.clone(),
                directory: Arc::clone(&lines.directory),
                metrics: lines.metrics.clone(),
                gate: lines.gates.of(&authority(&tenant.url)),
                dialler: thread_dialler(&lines.dialler),
                tenant,
                draining,
            };
            Box::pin(Line::new(spec).run())
        })
    }
}

/// This thread's dialler: awc's client can't leave its thread, and one per thread serves all tenants there. The threads
/// belong to one [`Upstream`], so there is one configuration.
fn thread_dialler(config: &DiallerConfig) -> Dialler {
    thread_local! {
        static DIALLER: OnceCell<Dialler> = const { OnceCell::new() };
    }
    DIALLER.with(|dialler| dialler.get_or_init(|| Dialler::new(config)).clone())
}
