use std::{fmt, sync::Arc};

use actix::{Actor, Arbiter};
use pushgate_fanout::Fanout;
use pushgate_journal::{Journal, StoredTenant};
use pushgate_session::{AnswerConfig, SessionConfig};

use crate::{
    Directory, TenantReader, TenantSettings, Tenants, UpstreamConfig, UpstreamError, UpstreamMetrics, Vitals, Words,
    budget::Budget,
    dial::{Dialler, DiallerConfig},
    gate::Gates,
    line::{Line, LineSpec, MakeDialler},
    report::ReportSpec,
    supervisor::{MakeLine, SupervisorSpec, TenantSupervisor},
    tenants::{Roster, RosterSpec},
    tls,
};

/// All connections of a gateway.
pub struct Upstream {
    roster: Arc<Roster>,
    arbiters: Vec<Arbiter>,
    directory: Arc<Directory>,
}

/// All connections of a gateway, before the first one dials.
pub struct Prepared {
    threads: usize,
    roster: Arc<Roster>,
    lines: Lines,
    vitals: Vitals,
}

/// What the connections give to and take from.
#[derive(Clone)]
pub struct UpstreamDeps {
    /// Where pushes are stored.
    pub journal: Arc<dyn Journal>,
    /// Where changes of state are published.
    pub fanout: Fanout,
    /// What the fan-out tells deliveries to.
    pub words: Words,
    /// Reads the settings of the API's tenants.
    pub reader: Arc<dyn TenantReader>,
}

/// Where the tenants come from. The same id in both: the file wins.
#[derive(Debug, Default)]
pub struct TenantSources {
    /// Those of the configuration files.
    pub files: Vec<TenantSettings>,
    /// What the journal keeps: the tenants of the admin API, and who is paused.
    pub stored: Vec<StoredTenant>,
}

impl Upstream {
    /// Checks what can be checked before anything is dialled.
    ///
    /// # Errors
    /// `ca_file` can't be used.
    pub fn prepare(
        config: &UpstreamConfig,
        tenants: TenantSources,
        deps: UpstreamDeps,
    ) -> Result<Prepared, UpstreamError> {
        let threads = config.threads.max(1);
        let vitals = Vitals::new(threads);
        let metrics = UpstreamMetrics::default();
        let in_flight_bytes = metrics.in_flight_bytes.clone();
        let report = ReportSpec { directory: Arc::default(), fanout: deps.fanout, metrics };
        let lines = Lines {
            session: SessionConfig {
                max_message: config.max_message,
                heartbeat: config.heartbeat,
                backoff: config.backoff,
                in_flight: config.in_flight,
                answers: AnswerConfig::default(),
            },
            gates: Arc::new(Gates::new(config.connect)),
            dialler: DiallerConfig {
                timeout: config.connect.timeout,
                dead_after: config.heartbeat.dead_after,
                max_message: config.max_message,
                tls: tls::client_config(config.ca_file.as_deref())?,
            },
            beginnings: Budget::new(config.in_flight_total, in_flight_bytes.clone()),
            budget: Budget::new(config.in_flight_total, in_flight_bytes),
            journal: Arc::clone(&deps.journal),
            words: deps.words.clone(),
            report: report.clone(),
        };
        let spec = RosterSpec {
            journal: deps.journal,
            reader: deps.reader,
            report,
            words: deps.words,
            vitals: vitals.clone(),
            max_message: config.max_message,
        };
        Ok(Prepared { threads, roster: Roster::new(spec, tenants), lines, vitals })
    }

    /// The tenants and their states.
    pub fn directory(&self) -> Arc<Directory> {
        Arc::clone(&self.directory)
    }

    /// Ends every connection in order: reads no more, finishes commits, flushes answers, closes with 1001. Returns when
    /// the last one is gone; the caller sets the time limit.
    pub async fn drain(&self) {
        self.roster.drain().await;
    }
}

impl Prepared {
    /// The tenants and their states.
    pub fn directory(&self) -> Arc<Directory> {
        Arc::clone(&self.lines.report.directory)
    }

    /// The operations on tenants. They do nothing before [`Prepared::start`].
    pub fn tenants(&self) -> Tenants {
        Tenants::new(Arc::clone(&self.roster))
    }

    /// Whether the connections are well.
    pub fn vitals(&self) -> Vitals {
        self.vitals.clone()
    }

    /// Counters, shared.
    pub fn metrics(&self) -> UpstreamMetrics {
        self.lines.report.metrics.clone()
    }

    /// Starts one connection per tenant. Call inside an actix system.
    pub fn start(self) -> Upstream {
        let Self { threads, roster, lines, vitals } = self;
        let arbiters: Vec<_> = (0..threads).map(|_| Arbiter::new()).collect();
        let handles: Vec<_> = arbiters.iter().map(Arbiter::handle).collect();
        vitals.watch(&handles);
        let directory = Arc::clone(&lines.report.directory);
        let (first, report) = (arbiters[0].handle(), lines.report.clone());
        let spec = SupervisorSpec { arbiters: handles, report, vitals, make_line: lines.into_factory() };
        roster.start(TenantSupervisor::start_in_arbiter(&first, |_| TenantSupervisor::new(spec)));
        let mending = Arc::clone(&roster);
        first.spawn(async move { mending.keep_mending().await });
        Upstream { roster, arbiters, directory }
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        for arbiter in &self.arbiters {
            arbiter.stop();
        }
    }
}

impl fmt::Debug for UpstreamDeps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UpstreamDeps").finish_non_exhaustive()
    }
}

/// What every line is made of.
struct Lines {
    session: SessionConfig,
    gates: Arc<Gates>,
    dialler: DiallerConfig,
    budget: Arc<Budget>,
    beginnings: Arc<Budget>,
    journal: Arc<dyn Journal>,
    words: Words,
    report: ReportSpec,
}

impl Lines {
    fn into_factory(self) -> MakeLine {
        let lines = Arc::new(self);
        Arc::new(move |life, desired| {
            let lines = Arc::clone(&lines);
            Box::new(move || {
                let spec = LineSpec {
                    desired,
                    life,
                    session: lines.session.clone(),
                    journal: Arc::clone(&lines.journal),
                    report: lines.report.clone(),
                    gates: Arc::clone(&lines.gates),
                    budget: Arc::clone(&lines.budget),
                    beginnings: Arc::clone(&lines.beginnings),
                    words: lines.words.clone(),
                    dialler: lines.diallers(),
                };
                Box::pin(Line::new(spec).run())
            })
        })
    }

    /// Asked at each dial: most tenants share their thread's dialler.
    fn diallers(self: &Arc<Self>) -> MakeDialler {
        let lines = Arc::clone(self);
        Box::new(move |tenant| Dialler::for_tenant(&lines.dialler, tenant))
    }
}
