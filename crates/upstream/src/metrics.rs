use prometheus_client::metrics::{counter::Counter, family::Family, gauge::Gauge};
use pushgate_model::ConnectionState;
use pushgate_session::Lane;

/// Labels and their values.
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
    /// Answers that a subscriber, a delivery or a deadline decided, by `by`.
    pub decided: Family<Labels, Counter>,
    /// Pushes that wait for a subscriber.
    pub waits: Gauge,
    /// Bytes of pushes of all tenants that wait for the journal.
    pub in_flight_bytes: Gauge,
    /// What came and was dropped or ignored, by `reason`.
    pub ignored: Family<Labels, Counter>,
    /// Dials begun.
    pub dials: Counter,
    /// Dials and sockets that ended, by `class` (the pace of the next attempts) and `reason`; close codes, which the service
    /// chooses, are one reason, and so are statuses that are not known to mean something.
    pub endings: Family<Labels, Counter>,
    /// Changes of state, by `state`: the one that was entered.
    pub transitions: Family<Labels, Counter>,
    /// Times that a tenant's connection stopped reading because too much waited for the journal.
    pub holds: Counter,
    /// Times that a host asked for fewer dials.
    pub slowed: Counter,
    /// Connections that panicked and were restarted.
    pub panics: Counter,
}

/// Words that are shown from the start, with zero: a rate needs something to begin with.
const DECIDED: [&str; 3] = ["subscriber", "delivery", "deadline"];
const IGNORED: [&str; 6] = ["muted", "shed", "stale_answer", "text", "unknown", "waits_full"];
const ENDINGS: [&str; 6] = ["closed", "connect", "connect_timeout", "dead_peer", "dns", "eof"];
/// Statuses that are a reason of their own.
const STATUSES: [&str; 14] =
    ["400", "401", "403", "404", "407", "408", "410", "426", "429", "500", "502", "503", "504", "301"];

impl Default for UpstreamMetrics {
    fn default() -> Self {
        let metrics = Self {
            pushes: Counter::default(),
            acks: Counter::default(),
            nacks: Counter::default(),
            decided: Family::default(),
            waits: Gauge::default(),
            in_flight_bytes: Gauge::default(),
            ignored: Family::default(),
            dials: Counter::default(),
            endings: Family::default(),
            transitions: Family::default(),
            holds: Counter::default(),
            slowed: Counter::default(),
            panics: Counter::default(),
        };
        for by in DECIDED {
            drop(metrics.decided.get_or_create(&label("by", by)));
        }
        for reason in IGNORED {
            drop(metrics.ignored.get_or_create(&label("reason", reason)));
        }
        for reason in ENDINGS {
            drop(metrics.endings.get_or_create(&ending(Lane::Backoff, reason)));
        }
        for state in ConnectionState::ALL {
            drop(metrics.transitions.get_or_create(&label("state", state.as_str())));
        }
        metrics
    }
}

impl UpstreamMetrics {
    /// Something came and was dropped or ignored.
    pub(crate) fn ignored(&self, reason: &str) {
        self.ignored.get_or_create(&label("reason", reason)).inc();
    }

    /// Something other than the policy `stored` decided an answer.
    pub(crate) fn decided(&self, by: &str) {
        self.decided.get_or_create(&label("by", by)).inc();
    }

    /// A dial or a socket ended.
    pub(crate) fn ended(&self, lane: Lane, reason: &str) {
        self.endings.get_or_create(&ending(lane, reason)).inc();
    }

    /// A state was entered.
    pub(crate) fn entered(&self, state: ConnectionState) {
        self.transitions.get_or_create(&label("state", state.as_str())).inc();
    }
}

fn label(name: &str, value: &str) -> Labels {
    vec![(name.to_owned(), value.to_owned())]
}

fn ending(lane: Lane, reason: &str) -> Labels {
    vec![("class".to_owned(), lane.as_str().to_owned()), ("reason".to_owned(), bounded(reason))]
}

/// The service chooses codes and statuses, and must not choose how many series there are.
fn bounded(reason: &str) -> String {
    match reason.split_once('_') {
        Some(("closed", code)) if is_number(code) => "closed".to_owned(),
        Some((kind @ ("http" | "proxy"), status)) if is_number(status) && !STATUSES.contains(&status) => {
            format!("{kind}_other")
        }
        _ => reason.to_owned(),
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_can_not_choose_how_many_series_there_are() {
        for (reason, shown) in [
            ("closed_4999", "closed"),
            ("closed", "closed"),
            ("http_503", "http_503"),
            ("http_599", "http_other"),
            ("proxy_407", "proxy_407"),
            ("proxy_555", "proxy_other"),
            ("connect_timeout", "connect_timeout"),
        ] {
            assert_eq!(bounded(reason), shown);
        }
    }
}
