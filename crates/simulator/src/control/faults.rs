use std::sync::Arc;

use actix_web::{
    HttpResponse,
    web::{Data, Json, Path},
};

use crate::{faults::Faults, problem::Problem, service::Service};

pub(crate) async fn show(service: Data<Service>, id: Path<String>) -> Result<HttpResponse, Problem> {
    Ok(HttpResponse::Ok().json(&*service.known(&id)?.faults()))
}

pub(crate) async fn set(
    service: Data<Service>,
    id: Path<String>,
    faults: Json<Faults>,
) -> Result<HttpResponse, Problem> {
    let faults = checked(faults)?;
    service.named(&id)?.set_faults(faults.clone());
    Ok(HttpResponse::Ok().json(&*faults))
}

pub(crate) async fn clear(service: Data<Service>, id: Path<String>) -> Result<HttpResponse, Problem> {
    service.named(&id)?.set_faults(Arc::default());
    Ok(HttpResponse::NoContent().finish())
}

pub(crate) async fn show_all(service: Data<Service>) -> HttpResponse {
    HttpResponse::Ok().json(&*service.all_faults())
}

pub(crate) async fn set_all(service: Data<Service>, faults: Json<Faults>) -> Result<HttpResponse, Problem> {
    let faults = checked(faults)?;
    service.set_all_faults(&faults);
    Ok(HttpResponse::Ok().json(&*faults))
}

pub(crate) async fn clear_all(service: Data<Service>) -> HttpResponse {
    service.set_all_faults(&Arc::default());
    HttpResponse::NoContent().finish()
}

fn checked(faults: Json<Faults>) -> Result<Arc<Faults>, Problem> {
    match faults.mistake() {
        Some(mistake) => Err(Problem::invalid(mistake)),
        None => Ok(Arc::new(faults.into_inner())),
    }
}
