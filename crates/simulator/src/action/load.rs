use std::{str::FromStr, sync::Arc, time::Duration};

use serde::Deserialize;

use crate::{
    SimulatorError,
    account::Account,
    content::Content,
    load::{Bounds, LoadRun, Pace},
    problem::Problem,
    service::Service,
    which::Which,
};

/// Most pushes a second of one load.
const MAX_PER_SECOND: f64 = 1_000_000.0;
/// Longest load, in seconds: a week.
const MAX_SECONDS: f64 = 7.0 * 24.0 * 3600.0;
/// Most pushes of one load; also keeps them exact in JSON.
const MAX_PUSHES: u64 = 1 << 52;
/// Most pushes that one account may have in flight.
const MAX_IN_FLIGHT: usize = 100_000;
/// Most pushes that are asked for at once.
pub(crate) const MAX_CREDIT: u64 = 100_000;
/// Longest body of a load's push without its stamp, in bytes.
const MAX_SIZE: usize = 1024 * 1024;
/// Longest marker, in bytes.
const MAX_MARKER: usize = 40;
/// The length of a body without its stamp, in bytes, when nothing else is said.
const SIZE: usize = 200;

/// Stamped pushes, going round some accounts: at a total rate, as fast as they are answered, or as somebody asks for.
///
/// Written as the JSON object that `POST load` takes; [`str::parse`] reads it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Load {
    /// Without it, all accounts with a socket.
    accounts: Option<Which>,
    /// Pushes a second over all accounts.
    per_second: Option<f64>,
    /// Pushes without an answer that one account may have.
    in_flight: Option<usize>,
    /// Pushes at once; each further one is asked for.
    credit: Option<u64>,
    seconds: Option<f64>,
    pushes: Option<u64>,
    #[serde(default)]
    marker: String,
    size: Option<usize>,
}

impl Load {
    /// The same with other accounts.
    pub(crate) fn with_accounts(self, accounts: Option<Which>) -> Self {
        Self { accounts, ..self }
    }

    /// What is wrong with it.
    pub(crate) fn mistake(&self) -> Option<String> {
        self.wrong_pace().or_else(|| self.wrong_end()).or_else(|| self.wrong_text())
    }

    fn wrong_pace(&self) -> Option<String> {
        if self.per_second.is_none() && self.in_flight.is_none() && self.credit.is_none() {
            Some("a load needs per_second, in_flight or credit".to_owned())
        } else if self.credit.is_some() && (self.per_second.is_some() || self.in_flight.is_some()) {
            Some("credit goes with neither per_second nor in_flight".to_owned())
        } else if self.per_second.is_some_and(|rate| !(rate > 0.0 && rate <= MAX_PER_SECOND)) {
            Some("per_second is positive and up to 1000000".to_owned())
        } else if self.in_flight.is_some_and(|count| !(1..=MAX_IN_FLIGHT).contains(&count)) {
            Some(format!("in_flight is 1 to {MAX_IN_FLIGHT}"))
        } else if self.credit.is_some_and(|count| count > MAX_CREDIT) {
            Some(format!("credit is up to {MAX_CREDIT}"))
        } else {
            None
        }
    }

    fn wrong_end(&self) -> Option<String> {
        if self.seconds.is_some_and(|seconds| !(seconds > 0.0 && seconds <= MAX_SECONDS)) {
            Some("seconds is positive and up to 604800".to_owned())
        } else if self.pushes.is_some_and(|pushes| !(1..=MAX_PUSHES).contains(&pushes)) {
            Some(format!("pushes is 1 to {MAX_PUSHES}"))
        } else {
            None
        }
    }

    fn wrong_text(&self) -> Option<String> {
        let word = self.marker.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        if !word || self.marker.len() > MAX_MARKER {
            Some(format!("marker is up to {MAX_MARKER} letters, digits and _"))
        } else if self.size.is_some_and(|size| size > MAX_SIZE) {
            Some(format!("size is up to {MAX_SIZE}"))
        } else {
            None
        }
    }

    /// Whether it says which accounts take part.
    pub(crate) fn names_accounts(&self) -> bool {
        self.accounts.is_some()
    }

    /// Starts it, unless another goes on.
    pub(crate) fn start(&self, service: &Service) -> Result<Arc<LoadRun>, Problem> {
        if let Some(mistake) = self.mistake() {
            return Err(Problem::invalid(mistake));
        }
        self.run(Which::or_connected(self.accounts.as_ref(), service)?, service)
    }

    /// Starts it once each of its accounts has a socket: those that it names, or else all that there are. Nothing
    /// while one lacks it.
    pub(crate) fn start_when_connected(&self, service: &Service) -> Option<Result<Arc<LoadRun>, Problem>> {
        let accounts = match &self.accounts {
            Some(which) => match which.accounts(service) {
                Ok(accounts) => accounts,
                Err(problem) => return Some(Err(problem)),
            },
            None => service.accounts(),
        };
        let ready = accounts.iter().all(|account| account.connected());
        ready.then(|| self.run(accounts, service))
    }

    fn run(&self, accounts: Vec<Arc<Account>>, service: &Service) -> Result<Arc<LoadRun>, Problem> {
        let pending = service.config.limits.pending;
        if self.in_flight.is_some_and(|each| each.saturating_mul(accounts.len()) > pending) {
            return Err(Problem::invalid(format!("in_flight of all accounts together is up to {pending}")));
        }
        let pace = match (self.per_second, self.credit) {
            (Some(rate), _) => Pace::Rate(rate),
            (None, Some(_)) => Pace::Credit,
            (None, None) => Pace::Answers,
        };
        let by_rate = self.per_second.zip(self.seconds).map(|(rate, seconds)| (rate * seconds).round() as u64);
        let bounds = Bounds {
            total: by_rate.into_iter().chain(self.pushes).min(),
            // A plain rate makes all that it was asked for, however late.
            time: self.seconds.filter(|_| by_rate.is_none() || self.in_flight.is_some()).map(Duration::from_secs_f64),
            in_flight: self.in_flight,
            pending,
        };
        let body = "x".repeat(self.size.unwrap_or(SIZE));
        let content = Content { title: "Load".to_owned(), body, stamp: Some(self.marker.clone()) };
        let run = Arc::new(LoadRun::new(accounts, content, pace, &bounds));
        service.start_load(&run)?;
        if let Some(credit) = self.credit {
            run.give(credit, None);
        }
        Ok(run)
    }
}

impl FromStr for Load {
    type Err = SimulatorError;

    fn from_str(text: &str) -> Result<Self, SimulatorError> {
        let load: Self = serde_json::from_str(text).map_err(|error| SimulatorError::Load(error.to_string()))?;
        match load.mistake() {
            Some(mistake) => Err(SimulatorError::Load(mistake)),
            None => Ok(load),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_load_has_one_pace_and_says_what_is_allowed() {
        for (load, mistake) in [
            (r#"{"seconds":1}"#, "a load needs per_second, in_flight or credit"),
            (r#"{"per_second":1,"credit":1}"#, "credit goes with neither"),
            (r#"{"in_flight":1,"credit":0}"#, "credit goes with neither"),
            (r#"{"per_second":0}"#, "per_second is positive"),
            (r#"{"per_second":1e9}"#, "up to 1000000"),
            (r#"{"in_flight":0}"#, "in_flight is 1 to"),
            (r#"{"credit":100001}"#, "credit is up to"),
            (r#"{"in_flight":1,"seconds":0}"#, "seconds is positive"),
            (r#"{"in_flight":1,"pushes":0}"#, "pushes is 1 to"),
            (r#"{"in_flight":1,"marker":"a b"}"#, "marker is"),
            (r#"{"in_flight":1,"size":1048577}"#, "size is up to"),
            (r#"{"in_flight":1,"wind":1}"#, "unknown field `wind`"),
        ] {
            let error = load.parse::<Load>().unwrap_err().to_string();
            assert!(error.contains(mistake), "{load}: {error}");
        }
        for load in [r#"{"per_second":1,"in_flight":1}"#, r#"{"credit":0}"#, r#"{"in_flight":1,"accounts":3}"#] {
            assert!(load.parse::<Load>().is_ok(), "{load}");
        }
    }
}
