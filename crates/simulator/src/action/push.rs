use std::{sync::Arc, time::Instant};

use actix_web::http::StatusCode;
use pushgate_model::PushId;
use serde::Deserialize;

use crate::{
    account::Account,
    content::{Content, NewPush, fresh_id, now_text},
    job::{Job, Progress},
    problem::Problem,
    service::Service,
};

/// Most pushes of one request.
const MAX_COUNT: usize = 100_000;

/// Pushes to one account, all at once or over time.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewPushes {
    title: String,
    body: String,
    id: Option<String>,
    created_at: Option<String>,
    count: Option<usize>,
    per_second: Option<f64>,
}

impl NewPushes {
    /// What is wrong with them.
    pub(crate) fn mistake(&self) -> Option<String> {
        let count = self.count.unwrap_or(1);
        if !(1..=MAX_COUNT).contains(&count) {
            Some(format!("count is 1 to {MAX_COUNT}"))
        } else if self.id.is_some() && count > 1 {
            Some("an id names one push, so count must be 1".to_owned())
        } else if self.per_second.is_some_and(|rate| !rate.is_finite() || rate <= 0.0) {
            Some("per_second is a positive number".to_owned())
        } else {
            None
        }
    }

    /// Sends them, as soon as there is a socket, and answers their ids.
    pub(crate) fn send(&self, account: Arc<Account>, service: &Service) -> Result<Vec<PushId>, Problem> {
        if let Some(mistake) = self.mistake() {
            return Err(Problem::invalid(mistake));
        }
        let count = self.count.unwrap_or(1);
        if !service.has_room(count) {
            return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "too many pushes wait for their answer"));
        }
        let content = Arc::new(Content { title: self.title.clone(), body: self.body.clone(), stamp: None });
        let ids: Vec<_> = match &self.id {
            Some(id) => vec![PushId::from(id.as_str())],
            None => (0..count).map(|_| fresh_id()).collect(),
        };
        let created_at: Option<Arc<str>> = self.created_at.as_deref().map(Arc::from);
        if let Some(per_second) = self.per_second {
            let (progress, started) = (Progress::new(count as u64), Instant::now());
            let (accounts, ids) = (vec![account], ids.clone());
            service.start(Job { accounts, content, ids, created_at, per_second, started, progress })?;
        } else {
            let created_at = created_at.unwrap_or_else(now_text);
            for id in ids.iter().cloned() {
                account.enqueue(NewPush { id, created_at: created_at.clone(), content: content.clone(), counter: 0 });
            }
        }
        Ok(ids)
    }
}
