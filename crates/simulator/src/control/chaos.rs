use actix_web::{
    HttpResponse,
    web::{Data, Json},
};

use crate::{chaos::StartChaos, problem::Problem, service::Service};

pub(crate) async fn start(service: Data<Service>, chaos: Json<StartChaos>) -> Result<HttpResponse, Problem> {
    Ok(HttpResponse::Accepted().json(chaos.start(&service)?))
}

pub(crate) async fn show(service: Data<Service>) -> HttpResponse {
    HttpResponse::Ok().json(service.chaos())
}

pub(crate) async fn end(service: Data<Service>) -> HttpResponse {
    service.end_chaos();
    HttpResponse::Ok().json(service.chaos())
}
