use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use serde::Deserialize;

use super::{Chaos, ChaosSnapshot, kind::Kind};
use crate::{account::Account, problem::Problem, service::Service, which::Which};

/// Most faults a second.
const MAX_PER_SECOND: f64 = 10_000.0;
/// Longest chaos, in seconds: a week.
const MAX_SECONDS: f64 = 7.0 * 24.0 * 3600.0;

/// Chaos as it is asked for.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StartChaos {
    /// Without it, a random one, which the answer and the log tell.
    seed: Option<u64>,
    /// Without it, all accounts with a socket.
    accounts: Option<Which>,
    per_second: f64,
    seconds: f64,
    /// Without it, all that a gateway heals from within a minute.
    kinds: Option<Vec<Kind>>,
}

/// Chaos as it will be.
pub(super) struct Plan {
    pub(super) seed: u64,
    pub(super) accounts: Vec<Arc<Account>>,
    pub(super) kinds: Vec<Kind>,
    pub(super) per_second: f64,
    pub(super) total: u64,
    pub(super) lasts: Duration,
}

impl StartChaos {
    /// The same with other accounts.
    pub(crate) fn with_accounts(self, accounts: Option<Which>) -> Self {
        Self { accounts, ..self }
    }

    /// What is wrong with it.
    pub(crate) fn mistake(&self) -> Option<String> {
        let rate_fits = self.per_second > 0.0 && self.per_second <= MAX_PER_SECOND;
        let time_fits = self.seconds > 0.0 && self.seconds <= MAX_SECONDS;
        if !rate_fits || !time_fits {
            Some("per_second is up to 10000, seconds up to 604800, both positive".to_owned())
        } else if self.kinds.as_ref().is_some_and(Vec::is_empty) {
            Some("kinds names one at least".to_owned())
        } else {
            None
        }
    }

    /// Starts it, unless other chaos goes on.
    pub(crate) fn start(&self, service: &Service) -> Result<ChaosSnapshot, Problem> {
        if let Some(mistake) = self.mistake() {
            return Err(Problem::invalid(mistake));
        }
        let plan = Plan {
            // Short enough for every reader of JSON.
            seed: self.seed.unwrap_or_else(|| fastrand::u32(..).into()),
            accounts: Which::or_connected(self.accounts.as_ref(), service)?,
            kinds: self.kinds.clone().unwrap_or_else(|| Kind::HEALING.to_vec()),
            per_second: self.per_second,
            total: ((self.per_second * self.seconds).round() as u64).max(1),
            lasts: Duration::from_secs_f64(self.seconds),
        };
        let (seed, accounts) = (plan.seed, plan.accounts.len());
        let snapshot = service.start_chaos(Chaos::new(plan, Instant::now()))?;
        tracing::info!(seed, accounts, "chaos begins");
        Ok(snapshot)
    }
}
