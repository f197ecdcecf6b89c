//! The control API: turns requests into calls of the service. The table of its routes is in the crate's documentation.

mod accounts;
mod answers;
mod chaos;
mod faults;
mod frames;
mod load;
mod pushes;

use std::time::Instant;

use actix_web::{
    HttpResponse, ResponseError,
    error::JsonPayloadError,
    http::StatusCode,
    web::{self, Data, ServiceConfig},
};

use crate::{problem::Problem, service::Service};

/// The largest body of a control request, in bytes: room for a push that is larger than any gateway takes.
const MAX_BODY: usize = 128 * 1024 * 1024;

pub(crate) fn routes(config: &mut ServiceConfig) {
    let resource = |path: &str| web::resource(path.to_owned()).default_service(web::to(method_not_allowed));
    config
        .app_data(
            web::JsonConfig::default()
                .limit(MAX_BODY)
                .content_type_required(false)
                .error_handler(|error, _| bad_body(&error).into()),
        )
        .app_data(web::QueryConfig::default().error_handler(|error, _| bad_request(&error).into()))
        .app_data(web::PathConfig::default().error_handler(|error, _| bad_request(&error).into()))
        .service(resource("/control/accounts").route(web::get().to(accounts::list)))
        .service(resource("/control/accounts/{account}").route(web::get().to(accounts::show)))
        .service(resource("/control/accounts/{account}/pushes").route(web::post().to(pushes::create)))
        .service(resource("/control/accounts/{account}/frames").route(web::post().to(frames::send)))
        .service(resource("/control/accounts/{account}/cut").route(web::post().to(accounts::cut)))
        .service(
            resource("/control/accounts/{account}/faults")
                .route(web::get().to(faults::show))
                .route(web::put().to(faults::set))
                .route(web::delete().to(faults::clear)),
        )
        .service(resource("/control/cut").route(web::post().to(accounts::cut_all)))
        .service(
            resource("/control/faults")
                .route(web::get().to(faults::show_all))
                .route(web::put().to(faults::set_all))
                .route(web::delete().to(faults::clear_all)),
        )
        .service(
            resource("/control/chaos")
                .route(web::get().to(chaos::show))
                .route(web::post().to(chaos::start))
                .route(web::delete().to(chaos::end)),
        )
        .service(resource("/control/pushes").route(web::delete().to(pushes::forget)))
        .service(resource("/control/pushes/{push}").route(web::get().to(pushes::show)))
        .service(resource("/control/answers").route(web::get().to(answers::export)))
        .service(
            resource("/control/load")
                .route(web::get().to(load::show))
                .route(web::post().to(load::start))
                .route(web::delete().to(load::end)),
        )
        .service(resource("/control/load/credit").route(web::post().to(load::credit)))
        .service(resource("/control/stats").route(web::get().to(stats)));
}

async fn stats(service: Data<Service>) -> HttpResponse {
    HttpResponse::Ok().json(service.stats.snapshot(Instant::now()))
}

pub(crate) async fn no_route() -> HttpResponse {
    Problem::not_found("no such resource").error_response()
}

pub(crate) async fn method_not_allowed() -> HttpResponse {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "the resource does not take this method").error_response()
}

fn bad_body(error: &JsonPayloadError) -> Problem {
    let status = match error {
        JsonPayloadError::Overflow { .. } | JsonPayloadError::OverflowKnownLength { .. } => {
            StatusCode::PAYLOAD_TOO_LARGE
        }
        JsonPayloadError::Deserialize(error) if error.is_data() => StatusCode::UNPROCESSABLE_ENTITY,
        _ => StatusCode::BAD_REQUEST,
    };
    Problem::new(status, error.to_string())
}

fn bad_request(error: &impl ToString) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, error.to_string())
}
