use actix_web::{
    HttpResponse,
    web::{Data, Json, Path},
};
use pushgate_model::PushId;
use serde_json::json;

use crate::{action::NewPushes, problem::Problem, service::Service};

pub(crate) async fn create(
    service: Data<Service>,
    account: Path<String>,
    pushes: Json<NewPushes>,
) -> Result<HttpResponse, Problem> {
    let ids = pushes.send(service.named(&account)?, &service)?;
    Ok(HttpResponse::Accepted().json(json!({"ids": ids})))
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
