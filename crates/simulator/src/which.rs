use std::sync::Arc;

use serde::Deserialize;

use crate::{account::Account, problem::Problem, service::Service};

/// Which accounts something is about.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged, expecting = "accounts is a number, for t0, t1 and so on, or a list of ids")]
pub(crate) enum Which {
    /// `t0` … `t<n - 1>`.
    Numbered(usize),
    /// These.
    Named(Vec<String>),
}

impl Which {
    /// The accounts, made now if accounts are made on demand.
    pub(crate) fn accounts(&self, service: &Service) -> Result<Vec<Arc<Account>>, Problem> {
        let accounts: Vec<_> = match self {
            // Stops at the first that does not exist, so an absurd count costs nothing.
            Self::Numbered(count) => (0..*count).map(|n| service.named(&format!("t{n}"))).collect::<Result<_, _>>()?,
            Self::Named(ids) => ids.iter().map(|id| service.named(id)).collect::<Result<_, _>>()?,
        };
        some(accounts)
    }

    /// The accounts that are asked for, or else all that have a socket, by their ids.
    pub(crate) fn or_connected(which: Option<&Self>, service: &Service) -> Result<Vec<Arc<Account>>, Problem> {
        if let Some(which) = which {
            return which.accounts(service);
        }
        let mut connected: Vec<_> = service.accounts().into_iter().filter(|account| account.connected()).collect();
        connected.sort_unstable_by(|a, b| a.id.cmp(&b.id));
        some(connected)
    }
}

/// The accounts, or the answer that there are none.
pub(crate) fn some(accounts: Vec<Arc<Account>>) -> Result<Vec<Arc<Account>>, Problem> {
    if accounts.is_empty() { Err(Problem::invalid("no account to do this to")) } else { Ok(accounts) }
}
