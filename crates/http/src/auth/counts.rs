use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family},
};

use super::refused::Refused;

/// What is counted about access. Clones share the counters.
#[derive(Clone, Debug)]
pub(crate) struct AuthCounts {
    /// Requests that were refused, by reason.
    pub(crate) refused: Family<ReasonLabels, Counter>,
    /// Fetches of a JWKS, by outcome.
    pub(crate) jwks_fetches: Family<OutcomeLabels, Counter>,
    /// Tickets that were given out.
    pub(crate) tickets_issued: Counter,
    /// Tickets that opened a stream, or would have.
    pub(crate) tickets_redeemed: Counter,
    /// Redeemed tickets whose token is too long for a cookie.
    pub(crate) cookies_too_long: Counter,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct ReasonLabels {
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct OutcomeLabels {
    outcome: &'static str,
}

impl AuthCounts {
    /// A request was refused.
    pub(super) fn refused(&self, refused: &Refused) {
        self.refused.get_or_create(&ReasonLabels { reason: refused.reason() }).inc();
    }

    /// A JWKS was fetched and is in use.
    pub(super) fn fetched(&self) {
        self.jwks_fetches.get_or_create(&OutcomeLabels { outcome: "ok" }).inc();
    }

    /// A JWKS could not be fetched, or could not be used.
    pub(super) fn fetch_failed(&self) {
        self.jwks_fetches.get_or_create(&OutcomeLabels { outcome: "failed" }).inc();
    }
}

impl Default for AuthCounts {
    /// A rate needs a zero to begin with.
    fn default() -> Self {
        let (refused, jwks_fetches) = (Family::default(), Family::default());
        for reason in Refused::REASONS {
            drop(refused.get_or_create(&ReasonLabels { reason }));
        }
        for outcome in ["ok", "failed"] {
            drop(jwks_fetches.get_or_create(&OutcomeLabels { outcome }));
        }
        Self {
            refused,
            jwks_fetches,
            tickets_issued: Counter::default(),
            tickets_redeemed: Counter::default(),
            cookies_too_long: Counter::default(),
        }
    }
}
