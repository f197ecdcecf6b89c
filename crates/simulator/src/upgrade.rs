use std::sync::atomic::Ordering::Relaxed;

use actix_web::{
    HttpRequest, HttpResponse,
    http::{StatusCode, header},
    web::{Data, Path, Payload},
};
use actix_web_actors::ws::WsResponseBuilder;

use crate::{
    problem::Problem,
    service::Service,
    socket::{MAX_CLIENT_MESSAGE, Socket},
};

/// `GET /ws/{account}`: one socket of one account.
pub(crate) async fn upgrade(
    request: HttpRequest,
    payload: Payload,
    account: Path<String>,
    service: Data<Service>,
) -> Result<HttpResponse, Problem> {
    let response = open(&request, payload, &account, &service);
    if response.is_err() {
        service.stats.refused.fetch_add(1, Relaxed);
    }
    response
}

fn open(request: &HttpRequest, payload: Payload, account: &str, service: &Service) -> Result<HttpResponse, Problem> {
    let account = service.account(account).ok_or_else(|| Problem::not_found("no such account"))?;
    if let Some(refusal) = account.faults().refuse {
        let status = StatusCode::from_u16(refusal.status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
        let problem = Problem::new(status, "this account refuses handshakes on purpose");
        return Err(match refusal.retry_after {
            Some(seconds) => problem.with_header(header::RETRY_AFTER, seconds.to_string()),
            None => problem,
        });
    }
    let authorization = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    if !account.admits(authorization) {
        let problem = Problem::new(StatusCode::UNAUTHORIZED, "the bearer token is missing or wrong");
        return Err(problem.with_header(header::WWW_AUTHENTICATE, "Bearer".to_owned()));
    }
    let address = request.peer_addr().map(|address| address.to_string()).unwrap_or_default();
    let socket = Socket::new(account, service.stats.clone(), address);
    let response = WsResponseBuilder::new(socket, request, payload).frame_size(MAX_CLIENT_MESSAGE).start();
    response.map_err(|error| Problem::new(error.as_response_error().status_code(), error.to_string()))
}
