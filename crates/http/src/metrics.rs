//! The names under which everything that the gateway counts is shown. They are part of what operators rely on:
//! dashboards and alerts hold them. A counter's sample has `_total` behind the name given here.

use std::{fmt, sync::Arc};

use actix_web::{HttpResponse, http::StatusCode, web::Data};
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric, text},
    metrics::{
        counter::{ConstCounter, Counter},
        family::Family,
        gauge::ConstGauge,
        info::Info,
    },
    registry::{Metric, Registry},
};
use pushgate_fanout::FanoutMetrics;
use pushgate_journal::{Health, Journal, JournalMetrics};
use pushgate_upstream::{Directory, UpstreamMetrics};

use crate::{
    Deps, auth::AuthCounts, lifecycle::Phase, limits::Limit, problem::Problem, process::Process, tls::Certificate,
};

/// The media type of the exposition (`OpenMetrics` 1.0), which Prometheus understands.
const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// All metrics by name.
#[derive(Debug)]
pub(crate) struct Metrics(Registry);

/// What this crate counts. Clones share the counters.
#[derive(Clone, Debug)]
pub(crate) struct HttpCounts {
    responses: Family<ResponseLabels, Counter>,
    refused: Family<RefusedLabels, Counter>,
    /// Streams that were handed to the fan-out.
    pub(crate) streams_opened: Counter,
    /// What is counted about access.
    pub(crate) auth: AuthCounts,
}

/// One of the two listeners.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Listener {
    /// What subscribers reach.
    Public,
    /// What operators reach.
    Admin,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResponseLabels {
    listener: &'static str,
    status: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RefusedLabels {
    reason: &'static str,
}

/// Why a stream is told to come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The gateway is not serving.
    Phase(Phase),
    /// It would be over a limit.
    Limit(Limit),
    /// The keys of its token are not fetched yet.
    KeysUnknown,
}

impl Refusal {
    fn as_str(self) -> &'static str {
        match self {
            Self::Phase(Phase::Starting) => "starting",
            Self::Phase(Phase::Ready) => "ready",
            Self::Phase(Phase::Draining) => "draining",
            Self::Limit(limit) => limit.as_str(),
            Self::KeysUnknown => "keys_unknown",
        }
    }
}

impl Default for HttpCounts {
    fn default() -> Self {
        let refused = Family::default();
        // A rate needs a zero to begin with; a sample that appears with 1 looks like no change at all.
        let phases = [Phase::Starting, Phase::Draining].map(Refusal::Phase);
        let others = [Refusal::KeysUnknown];
        for refusal in phases.into_iter().chain(Limit::ALL.map(Refusal::Limit)).chain(others) {
            drop(refused.get_or_create(&RefusedLabels { reason: refusal.as_str() }));
        }
        Self { responses: Family::default(), refused, streams_opened: Counter::default(), auth: AuthCounts::default() }
    }
}

impl HttpCounts {
    /// A response began.
    pub(crate) fn response(&self, listener: Listener, status: StatusCode) {
        let listener = match listener {
            Listener::Public => "public",
            Listener::Admin => "admin",
        };
        self.responses.get_or_create(&ResponseLabels { listener, status: status.as_u16() }).inc();
    }

    /// A stream was told to come back, whatever the status was that said it.
    pub(crate) fn stream_refused(&self, refusal: Refusal) {
        self.refused.get_or_create(&RefusedLabels { reason: refusal.as_str() }).inc();
    }
}

impl Metrics {
    pub(crate) fn new(deps: &Deps, counts: &HttpCounts, tls: Option<&Certificate>) -> Self {
        let mut all = Self(Registry::default());
        all.journal(&deps.journal.metrics());
        all.fanout(&deps.fanout.metrics());
        all.upstream(&deps.upstream_metrics);
        all.http(counts);
        let version = [("version", env!("CARGO_PKG_VERSION"))].to_vec();
        all.add("pushgate_build", "The version that runs", Info::new(version));
        all.0.register_collector(Box::new(Connections(Arc::clone(&deps.directory))));
        all.0.register_collector(Box::new(Store(Arc::clone(&deps.journal))));
        all.0.register_collector(Box::new(ProcessCollector));
        if let Some(certificate) = tls {
            all.0.register_collector(Box::new(Expiry(certificate.clone())));
        }
        all
    }

    fn add(&mut self, name: &str, help: &str, metric: impl Metric) {
        self.0.register(name, help, metric);
    }

    fn journal(&mut self, m: &JournalMetrics) {
        self.add("pushgate_journal_commits", "Commits that succeeded", m.commits.clone());
        self.add("pushgate_journal_commit_failures", "Commits that failed", m.commit_failures.clone());
        self.add("pushgate_journal_batch_pushes", "Pushes in a commit", m.batch_pushes.clone());
        let help = "Seconds that a commit took, fsync included";
        self.add("pushgate_journal_commit_seconds", help, m.commit_seconds.clone());
        self.add("pushgate_journal_stored", "Pushes stored for the first time", m.stored.clone());
        let help = "Answers recorded after their push was stored";
        self.add("pushgate_journal_answered", help, m.answered.clone());
        self.add("pushgate_journal_duplicates", "Pushes that were known already", m.duplicates.clone());
        self.add("pushgate_journal_quarantined", "Quarantined pushes, repeats included", m.quarantined.clone());
        self.add("pushgate_journal_trimmed", "Pushes that retention removed", m.trimmed.clone());
        self.add("pushgate_journal_queued", "Pushes that wait for the writer", m.queued.clone());
        self.add("pushgate_journal_bytes", "Bytes of all kept pushes", m.bytes.clone());
    }

    fn fanout(&mut self, m: &FanoutMetrics) {
        self.add("pushgate_fanout_subscribers", "Live streams", m.subscribers.clone());
        let help = "Pushes handed to streams, from the tail or the journal";
        self.add("pushgate_fanout_deliveries", help, m.deliveries.clone());
        self.add("pushgate_fanout_replayed", "Pushes handed to streams from the journal", m.replayed.clone());
        let help = "Times that a stream began to read from the journal";
        self.add("pushgate_fanout_replays", help, m.replays.clone());
        let help = "Gap events for cursors of another life of the log";
        self.add("pushgate_fanout_gaps_unknown", help, m.gaps_unknown.clone());
        let help = "Gap events for pushes that were trimmed before they were read";
        self.add("pushgate_fanout_gaps_expired", help, m.gaps_expired.clone());
        self.add("pushgate_fanout_gaps_ahead", "Gap events for cursors ahead of the log", m.gaps_ahead.clone());
        let help = "Gap events for texts that are no cursor";
        self.add("pushgate_fanout_gaps_malformed", help, m.gaps_malformed.clone());
        let help =
            "Seconds from a push's arrival to its hand-over to live streams, once for those of a thread together";
        self.add("pushgate_fanout_lag_seconds", help, m.lag_seconds.clone());
        self.add("pushgate_fanout_tail_bytes", "Bytes of frames in the tails of all threads", m.tail_bytes.clone());
        let help = "Streams that took no bytes for server.stall_timeout and were given up";
        self.add("pushgate_fanout_stalled", help, m.stalled.clone());
        self.add("pushgate_fanout_leases_expired", "Streams whose token ran out", m.leases_expired.clone());
        let help = "Streams that ended because what their token rests on was revoked";
        self.add("pushgate_fanout_leases_revoked", help, m.leases_revoked.clone());
        let help = "Batches that a thread's full inbox refused; its streams read the journal instead";
        self.add("pushgate_fanout_inbox_overflows", help, m.inbox_overflows.clone());
    }

    fn upstream(&mut self, m: &UpstreamMetrics) {
        self.add("pushgate_upstream_pushes", "Pushes that came, repeats included", m.pushes.clone());
        self.add("pushgate_upstream_acks", "ACKs written to a socket", m.acks.clone());
        self.add("pushgate_upstream_nacks", "NACKs written to a socket", m.nacks.clone());
        self.add("pushgate_upstream_ignored", "What came and was dropped or ignored, by reason", m.ignored.clone());
        self.add("pushgate_upstream_dials", "Dials begun", m.dials.clone());
        let help = "Dials and sockets that ended, by class (the pace of the next attempts) and reason";
        self.add("pushgate_upstream_endings", help, m.endings.clone());
        self.add("pushgate_upstream_transitions", "Changes of state, by the state entered", m.transitions.clone());
        let help = "Answers that a subscriber, a delivery or a deadline decided";
        self.add("pushgate_upstream_decided", help, m.decided.clone());
        self.add("pushgate_upstream_waits", "Pushes that wait for a subscriber", m.waits.clone());
        let help = "Bytes of pushes of all tenants that wait for the journal";
        self.add("pushgate_upstream_in_flight_bytes", help, m.in_flight_bytes.clone());
        let help = "Times that a connection stopped reading because too much waited for the journal";
        self.add("pushgate_upstream_holds", help, m.holds.clone());
        let help = "Times that a host asked for fewer dials, by 429 or by 503 with Retry-After";
        self.add("pushgate_upstream_slowed", help, m.slowed.clone());
        self.add("pushgate_upstream_panics", "Connections that panicked and were restarted", m.panics.clone());
    }

    fn http(&mut self, m: &HttpCounts) {
        self.add("pushgate_http_responses", "Responses begun, by listener and status", m.responses.clone());
        self.add("pushgate_http_streams_opened", "Streams opened", m.streams_opened.clone());
        self.add("pushgate_http_streams_refused", "Streams told to come back, by reason", m.refused.clone());
        self.auth(&m.auth);
    }

    fn auth(&mut self, m: &AuthCounts) {
        self.add(
            "pushgate_auth_refused",
            "Requests that their credentials did not admit, by reason",
            m.refused.clone(),
        );
        self.add("pushgate_auth_jwks_fetches", "Fetches of the keys of tokens, by outcome", m.jwks_fetches.clone());
        self.add("pushgate_auth_tickets_issued", "Tickets given out", m.tickets_issued.clone());
        self.add("pushgate_auth_tickets_redeemed", "Tickets redeemed", m.tickets_redeemed.clone());
        let help = "Redeemed tickets whose token is too long for a cookie";
        self.add("pushgate_auth_cookies_too_long", help, m.cookies_too_long.clone());
    }
}

/// Everything that the gateway counts
#[utoipa::path(
    get,
    path = "/metrics",
    operation_id = "metrics",
    tag = "metrics",
    responses(
        (status = 200, description = "OpenMetrics 1.0", body = String, content_type = "application/openmetrics-text"),
        (status = 500, description = "The metrics could not be written"),
    )
)]
pub(crate) async fn exposition(metrics: Data<Metrics>) -> Result<HttpResponse, Problem> {
    let mut body = String::new();
    text::encode(&mut body, &metrics.0).map_err(|error| {
        tracing::error!(%error, "metrics could not be written");
        Problem::Status(StatusCode::INTERNAL_SERVER_ERROR)
    })?;
    Ok(HttpResponse::Ok().content_type(CONTENT_TYPE).body(body))
}

/// Counted anew at each scrape: a sum that is kept by differences could drift.
#[derive(Debug)]
struct Connections(Arc<Directory>);

impl Collector for Connections {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let counts = self.0.count_by_state();
        let kind = ConstGauge::new(0_u64).metric_type();
        let mut family = encoder.encode_descriptor("pushgate_connections", "Connections by state", None, kind)?;
        for (state, count) in counts {
            ConstGauge::new(count).encode(family.encode_family(&[("state", state.as_str())])?)?;
        }
        Ok(())
    }
}

/// Whether the journal can write.
struct Store(Arc<dyn Journal>);

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Store").finish_non_exhaustive()
    }
}

impl Collector for Store {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let writable = matches!(*self.0.health().borrow(), Health::Writable);
        let metric = ConstGauge::new(u64::from(writable));
        let help = "1 while the journal can write, else 0";
        metric.encode(encoder.encode_descriptor("pushgate_journal_writable", help, None, metric.metric_type())?)
    }
}

/// When the certificate that is shown now expires.
#[derive(Debug)]
struct Expiry(Certificate);

impl Collector for Expiry {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let Some(expires) = self.0.expires() else { return Ok(()) };
        let metric = ConstGauge::new(expires);
        let name = "pushgate_http_certificate_expiry_time_seconds";
        let help = "When the certificate of the public listener expires, in seconds since 1970";
        metric.encode(encoder.encode_descriptor(name, help, None, metric.metric_type())?)
    }
}

/// What the kernel says about this process.
#[derive(Debug)]
struct ProcessCollector;

impl Collector for ProcessCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let process = Process::read();
        let mut show = |name: &str, help: &str, metric: Option<&dyn EncodeMetric>| match metric {
            Some(metric) => metric.encode(encoder.encode_descriptor(name, help, None, metric.metric_type())?),
            None => Ok(()),
        };
        let number = |value: Option<u64>| value.map(ConstGauge::new);
        let resident = number(process.resident_bytes);
        show("pushgate_process_resident_memory_bytes", "Bytes of memory in use", as_dyn(resident.as_ref()))?;
        let cpu = process.cpu_seconds.map(ConstCounter::new);
        show("pushgate_process_cpu_seconds", "Seconds of CPU, user and system", as_dyn(cpu.as_ref()))?;
        let start = process.start_seconds.map(ConstGauge::new);
        show("pushgate_process_start_time_seconds", "Start, in seconds since 1970", as_dyn(start.as_ref()))?;
        let threads = number(process.threads);
        show("pushgate_process_threads", "Threads", as_dyn(threads.as_ref()))?;
        let open = number(process.open_fds);
        show("pushgate_process_open_fds", "Open files and sockets", as_dyn(open.as_ref()))?;
        let max = number(process.max_fds);
        show("pushgate_process_max_fds", "Files and sockets that may be open", as_dyn(max.as_ref()))
    }
}

fn as_dyn<M: EncodeMetric>(metric: Option<&M>) -> Option<&dyn EncodeMetric> {
    metric.map(|metric| metric as &dyn EncodeMetric)
}
