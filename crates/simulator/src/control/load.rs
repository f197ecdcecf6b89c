use std::sync::atomic::Ordering::Relaxed;

use actix_web::{
    HttpResponse,
    web::{Data, Json},
};
use serde_json::{Value, json};

use crate::{action::StartLoad, job::Progress, problem::Problem, service::Service};

pub(crate) async fn start(service: Data<Service>, load: Json<StartLoad>) -> Result<HttpResponse, Problem> {
    let progress = load.start(&service)?;
    Ok(HttpResponse::Accepted().json(state(Some(&progress))))
}

pub(crate) async fn show(service: Data<Service>) -> HttpResponse {
    HttpResponse::Ok().json(state(service.load().as_deref()))
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
