use std::{str, sync::Arc};

use actix_web::{
    HttpResponse,
    http::StatusCode,
    web::{Data, Json, Payload},
};
use bytes::BytesMut;
use futures_util::StreamExt as _;
use serde_json::{Value, json};

use crate::{
    account::Account,
    action::{Load, MAX_CREDIT},
    load::{LoadRun, Progress},
    problem::Problem,
    service::Service,
};

/// The longest line of credit, in bytes: a number, a blank and an account's id.
const MAX_LINE: usize = 160;

pub(crate) async fn start(service: Data<Service>, load: Json<Load>) -> Result<HttpResponse, Problem> {
    let run = load.start(&service)?;
    Ok(HttpResponse::Accepted().json(state(Some(run.progress()))))
}

pub(crate) async fn show(service: Data<Service>) -> HttpResponse {
    HttpResponse::Ok().json(state(service.load().map(|run| run.progress())))
}

pub(crate) async fn end(service: Data<Service>) -> HttpResponse {
    service.end_load();
    HttpResponse::NoContent().finish()
}

/// Makes the pushes that each line of the body asks for, the moment that the line has come. So one request whose body
/// never ends drives a load at the cost of a small write each time.
pub(crate) async fn credit(service: Data<Service>, mut body: Payload) -> Result<HttpResponse, Problem> {
    let run = service.load().filter(|run| run.takes_credit());
    let run = run.ok_or_else(|| Problem::new(StatusCode::CONFLICT, "no load goes on that takes credit"))?;
    let mut rest = BytesMut::new();
    while let Some(bytes) = body.next().await {
        rest.extend_from_slice(&bytes.map_err(|error| Problem::new(StatusCode::BAD_REQUEST, error.to_string()))?);
        while let Some(end) = rest.iter().position(|&byte| byte == b'\n') {
            give(&run, &rest.split_to(end + 1), &service)?;
        }
        if rest.len() > MAX_LINE {
            return Err(Problem::invalid("a line is too long"));
        }
    }
    give(&run, &rest, &service)?;
    Ok(HttpResponse::Ok().json(state(Some(run.progress()))))
}

/// Makes the pushes of one line: `N`, or `N ACCOUNT`.
fn give(run: &LoadRun, line: &[u8], service: &Service) -> Result<(), Problem> {
    let line = line.trim_ascii();
    if line.is_empty() {
        return Ok(());
    }
    let line = str::from_utf8(line).map_err(|_| Problem::invalid("a line is text"))?;
    let (count, account) = line.split_once(' ').map_or((line, None), |(count, id)| (count, Some(id)));
    let count = count.parse().ok().filter(|count| (1..=MAX_CREDIT).contains(count));
    let count = count
        .ok_or_else(|| Problem::invalid(format!("a line is a number from 1 to {MAX_CREDIT}, or it and an account")))?;
    let account: Option<Arc<Account>> = account.map(|id| service.known(id)).transpose()?;
    run.give(count, account.as_deref());
    Ok(())
}

fn state(progress: Option<Progress>) -> Value {
    let progress = progress.unwrap_or(Progress { total: Some(0), sent: 0, refused: 0, answered: 0, done: true });
    json!({
        "total": progress.total,
        "sent": progress.sent,
        "refused": progress.refused,
        "answered": progress.answered,
        "done": progress.done,
    })
}
