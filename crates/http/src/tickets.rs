use actix_web::{HttpRequest, HttpResponse, http::header, web::Data};
use serde::Serialize;

use crate::{problem::Problem, public::Public, query::Query};

#[derive(Serialize)]
struct Ticket {
    ticket: String,
    /// Whole seconds.
    expires_in: u64,
}

/// `POST /tickets`: what stands for the request's token in the URL of one stream, because an EventSource sends no headers and
/// URLs end up in logs. A body is not looked at.
pub(crate) async fn tickets(request: HttpRequest, public: Data<Public>) -> Result<HttpResponse, Problem> {
    let issued = public.auth.issue(&request, &Query::of(&request)).await?;
    let ticket = Ticket { ticket: issued.ticket, expires_in: issued.expires_in.as_secs() };
    Ok(HttpResponse::Created().insert_header((header::CACHE_CONTROL, "no-store")).json(ticket))
}
