use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Instant,
};

use actix_web::{
    HttpResponse,
    web::{Data, Json},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{accounts::named, pushes::cannot_start};
use crate::{
    account::Account,
    content::Content,
    job::{Job, Progress},
    problem::Problem,
    service::Service,
};

/// Most pushes a second of one load.
const MAX_PER_SECOND: f64 = 1_000_000.0;
/// Longest load, in seconds: a week.
const MAX_SECONDS: f64 = 7.0 * 24.0 * 3600.0;
/// Longest body of a load's push without its stamp, in bytes.
const MAX_SIZE: usize = 1024 * 1024;
/// Longest marker, in bytes.
const MAX_MARKER: usize = 40;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Start {
    accounts: Option<Which>,
    per_second: f64,
    seconds: f64,
    #[serde(default)]
    marker: String,
    size: Option<usize>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Which {
    /// `t0` … `t<n - 1>`.
    Numbered(usize),
    Named(Vec<String>),
}

pub(crate) async fn start(service: Data<Service>, Json(request): Json<Start>) -> Result<HttpResponse, Problem> {
    let rate_fits = request.per_second > 0.0 && request.per_second <= MAX_PER_SECOND;
    let time_fits = request.seconds > 0.0 && request.seconds <= MAX_SECONDS;
    if !rate_fits || !time_fits {
        return Err(Problem::invalid("per_second is up to 1000000, seconds up to 604800, both positive"));
    }
    let word = request.marker.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if !word || request.marker.len() > MAX_MARKER {
        return Err(Problem::invalid("marker is up to 40 letters, digits and _"));
    }
    let size = request.size.unwrap_or(200);
    if size > MAX_SIZE {
        return Err(Problem::invalid(format!("size is up to {MAX_SIZE}")));
    }
    let accounts = accounts(&service, request.accounts)?;
    let progress = Progress::new((request.per_second * request.seconds).round() as u64);
    let job = Job {
        accounts,
        content: Arc::new(Content { title: "Load".to_owned(), body: "x".repeat(size), stamp: Some(request.marker) }),
        ids: Vec::new(),
        created_at: None,
        per_second: request.per_second,
        started: Instant::now(),
        progress: progress.clone(),
    };
    service.start_load(job).map_err(cannot_start)?;
    Ok(HttpResponse::Accepted().json(state(Some(&progress))))
}

pub(crate) async fn show(service: Data<Service>) -> HttpResponse {
    HttpResponse::Ok().json(state(service.load().as_deref()))
}

fn accounts(service: &Service, which: Option<Which>) -> Result<Vec<Arc<Account>>, Problem> {
    let accounts: Vec<_> = match which {
        None => service.accounts().into_iter().filter(|account| account.connected()).collect(),
        Some(Which::Numbered(count)) => {
            // Stops at the first that does not exist, so an absurd count costs nothing.
            (0..count).map(|n| named(service, &format!("t{n}"))).collect::<Result<_, _>>()?
        }
        Some(Which::Named(ids)) => ids.iter().map(|id| named(service, id)).collect::<Result<_, _>>()?,
    };
    if accounts.is_empty() { Err(Problem::invalid("no account to send to")) } else { Ok(accounts) }
}

fn state(progress: Option<&Progress>) -> Value {
    let Some(progress) = progress else { return json!({"total": 0, "sent": 0, "refused": 0, "done": true}) };
    json!({
        "total": progress.total,
        "sent": progress.sent.load(Relaxed),
        "refused": progress.refused.load(Relaxed),
        "done": progress.done.load(Relaxed),
    })
}
