use std::{sync::Arc, time::Instant};

use serde::Deserialize;

use crate::{
    content::Content,
    job::{Job, Progress},
    problem::Problem,
    service::Service,
    which::Which,
};

/// Most pushes a second of one load.
const MAX_PER_SECOND: f64 = 1_000_000.0;
/// Longest load, in seconds: a week.
const MAX_SECONDS: f64 = 7.0 * 24.0 * 3600.0;
/// Longest body of a load's push without its stamp, in bytes.
const MAX_SIZE: usize = 1024 * 1024;
/// Longest marker, in bytes.
const MAX_MARKER: usize = 40;

/// Stamped pushes at a total rate, going round some accounts.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StartLoad {
    /// Without it, all accounts with a socket.
    accounts: Option<Which>,
    per_second: f64,
    seconds: f64,
    #[serde(default)]
    marker: String,
    size: Option<usize>,
}

impl StartLoad {
    /// The same with other accounts.
    pub(crate) fn with_accounts(self, accounts: Option<Which>) -> Self {
        Self { accounts, ..self }
    }

    /// What is wrong with it.
    pub(crate) fn mistake(&self) -> Option<String> {
        let rate_fits = self.per_second > 0.0 && self.per_second <= MAX_PER_SECOND;
        let time_fits = self.seconds > 0.0 && self.seconds <= MAX_SECONDS;
        let word = self.marker.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        if !rate_fits || !time_fits {
            Some("per_second is up to 1000000, seconds up to 604800, both positive".to_owned())
        } else if !word || self.marker.len() > MAX_MARKER {
            Some("marker is up to 40 letters, digits and _".to_owned())
        } else if self.size.is_some_and(|size| size > MAX_SIZE) {
            Some(format!("size is up to {MAX_SIZE}"))
        } else {
            None
        }
    }

    /// Starts it, unless another goes on.
    pub(crate) fn start(&self, service: &Service) -> Result<Arc<Progress>, Problem> {
        if let Some(mistake) = self.mistake() {
            return Err(Problem::invalid(mistake));
        }
        let progress = Progress::new((self.per_second * self.seconds).round() as u64);
        let body = "x".repeat(self.size.unwrap_or(200));
        let job = Job {
            accounts: Which::or_connected(self.accounts.as_ref(), service)?,
            content: Arc::new(Content { title: "Load".to_owned(), body, stamp: Some(self.marker.clone()) }),
            ids: Vec::new(),
            created_at: None,
            per_second: self.per_second,
            started: Instant::now(),
            progress: progress.clone(),
        };
        service.start_load(job)?;
        Ok(progress)
    }
}
