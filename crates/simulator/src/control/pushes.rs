use std::{sync::Arc, time::Instant};

use actix_web::{
    HttpResponse,
    http::StatusCode,
    web::{Data, Json, Path},
};
use pushgate_model::PushId;
use serde::Deserialize;
use serde_json::json;

use super::accounts::named;
use crate::{
    content::{Content, NewPush, fresh_id},
    job::{Job, Progress, now_text},
    problem::Problem,
    service::{JobError, Service},
};

/// Most pushes of one request.
const MAX_COUNT: usize = 100_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Create {
    title: String,
    body: String,
    id: Option<String>,
    created_at: Option<String>,
    count: Option<usize>,
    per_second: Option<f64>,
}

pub(crate) async fn create(
    service: Data<Service>,
    account: Path<String>,
    Json(request): Json<Create>,
) -> Result<HttpResponse, Problem> {
    let account = named(&service, &account)?;
    let count = request.count.unwrap_or(1);
    if !(1..=MAX_COUNT).contains(&count) {
        return Err(Problem::invalid(format!("count is 1 to {MAX_COUNT}")));
    }
    if request.id.is_some() && count > 1 {
        return Err(Problem::invalid("an id names one push, so count must be 1"));
    }
    if request.per_second.is_some_and(|rate| !rate.is_finite() || rate <= 0.0) {
        return Err(Problem::invalid("per_second is a positive number"));
    }
    if !service.has_room(count) {
        return Err(no_room());
    }
    let content = Arc::new(Content { title: request.title, body: request.body, stamp: None });
    let ids: Vec<_> = match request.id {
        Some(id) => vec![PushId::from(id)],
        None => (0..count).map(|_| fresh_id()).collect(),
    };
    let created_at = request.created_at.map(Arc::from);
    let accepted = HttpResponse::Accepted().json(json!({"ids": ids}));
    if let Some(per_second) = request.per_second {
        let progress = Progress::new(count as u64);
        let job =
            Job { accounts: vec![account], content, ids, created_at, per_second, started: Instant::now(), progress };
        service.start(job).map_err(cannot_start)?;
    } else {
        let created_at = created_at.unwrap_or_else(now_text);
        for id in ids {
            account.enqueue(NewPush { id, created_at: created_at.clone(), content: content.clone(), counter: 0 });
        }
    }
    Ok(accepted)
}

pub(crate) async fn show(service: Data<Service>, id: Path<String>) -> Result<HttpResponse, Problem> {
    let found = service.lookup(&PushId::from(id.into_inner()));
    let found = found.ok_or_else(|| Problem::not_found("no such push, or it is forgotten, or not sent yet"))?;
    Ok(HttpResponse::Ok().json(found))
}

pub(crate) async fn forget(service: Data<Service>) -> HttpResponse {
    service.forget();
    HttpResponse::NoContent().finish()
}

pub(super) fn no_room() -> Problem {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "too many pushes wait for their answer")
}

pub(super) fn cannot_start(error: JobError) -> Problem {
    match error {
        JobError::TooMany => Problem::new(StatusCode::SERVICE_UNAVAILABLE, "too many pushes over time go on"),
        JobError::LoadRuns => Problem::new(StatusCode::CONFLICT, "another load goes on"),
    }
}
