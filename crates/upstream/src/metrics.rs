use prometheus_client::metrics::{counter::Counter, family::Family};

/// One label and its value.
pub type Labels = Vec<(String, String)>;

/// What the connections count. Clones share the counters; names are given where they are shown.
#[derive(Clone, Debug, Default)]
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
    /// Dials and sockets that ended, by `reason`.
    pub endings: Family<Labels, Counter>,
    /// Times that a tenant's in-flight limit made its connection stop reading.
    pub in_flight_full: Counter,
    /// Connections that panicked and were restarted.
    pub panics: Counter,
}
