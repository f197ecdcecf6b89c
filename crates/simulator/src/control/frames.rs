use actix_web::{
    HttpResponse,
    web::{Data, Json, Path},
};
use serde_json::json;

use crate::{action::send_frame, frame::Frame, problem::Problem, service::Service};

pub(crate) async fn send(
    service: Data<Service>,
    account: Path<String>,
    frame: Json<Frame>,
) -> Result<HttpResponse, Problem> {
    if let Some(mistake) = frame.mistake() {
        return Err(Problem::invalid(mistake));
    }
    send_frame(&frame, &*service.named(&account)?)?;
    Ok(HttpResponse::Accepted().json(json!({})))
}
