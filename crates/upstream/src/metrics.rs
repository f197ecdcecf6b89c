use prometheus_client::metrics::{counter::Counter, family::Family};

/// One label and its value.
pub type Labels = Vec<(String, String)>;

/// What the connections count. Clones share the counters; names are given where they are shown.
#[derive(Clone, Debug)]
pub struct UpstreamMetrics {
    /// Pushes that came, repeats included.
    pub pushes: Counter,
    /// ACKs written to a socket.
    pub acks: Counter,
    /// NACKs written to a socket.
    pub nacks: Counter,
    /// What came and was dropped or ignored, by `reason`.
    pub ignored: Family<Labels, Counter>,
    /// Dials begun.
    pub dials: Counter,
    /// Dials and sockets that ended, by `reason`; close codes, which the service chooses, are one.
    pub endings: Family<Labels, Counter>,
    /// Times that a tenant's in-flight limit made its connection stop reading.
    pub in_flight_full: Counter,
    /// Connections that panicked and were restarted.
    pub panics: Counter,
}

/// Reasons that are shown from the start, with zero.
const IGNORED: [&str; 4] = ["shed", "stale_answer", "text", "unknown"];
const ENDINGS: [&str; 6] = ["closed", "connect", "connect_timeout", "dead_peer", "dns", "eof"];

impl Default for UpstreamMetrics {
    fn default() -> Self {
        let metrics = Self {
            pushes: Counter::default(),
            acks: Counter::default(),
            nacks: Counter::default(),
            ignored: Family::default(),
            dials: Counter::default(),
            endings: Family::default(),
            in_flight_full: Counter::default(),
            panics: Counter::default(),
        };
        for reason in IGNORED {
            drop(metrics.ignored.get_or_create(&label(reason)));
        }
        for reason in ENDINGS {
            drop(metrics.endings.get_or_create(&label(reason)));
        }
        metrics
    }
}

impl UpstreamMetrics {
    /// Something came and was dropped or ignored.
    pub(crate) fn ignored(&self, reason: &str) {
        self.ignored.get_or_create(&label(reason)).inc();
    }

    /// A dial or a socket ended.
    pub(crate) fn ended(&self, reason: &str) {
        let reason = if reason.starts_with("closed_") { "closed" } else { reason };
        self.endings.get_or_create(&label(reason)).inc();
    }
}

fn label(reason: &str) -> Labels {
    vec![("reason".to_owned(), reason.to_owned())]
}
