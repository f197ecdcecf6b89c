use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Instant,
};

use actix_http::ws::Codec;
use actix_web::{
    HttpRequest, HttpResponse,
    http::{StatusCode, header},
    web::{Data, Path, Payload},
};
use actix_web_actors::ws::{WebsocketContext, handshake};

use crate::{
    account::Account,
    problem::Problem,
    service::Service,
    socket::{MAX_CLIENT_MESSAGE, Socket},
    wire::{Body, Wire},
};

/// `GET /ws/{account}`: one socket of one account.
pub(crate) async fn upgrade(
    request: HttpRequest,
    payload: Payload,
    account: Path<String>,
    service: Data<Service>,
) -> Result<HttpResponse, Problem> {
    service.stats.attempted(Instant::now());
    let response = match admit(&request, &account, &service).await {
        Ok(account) => open(&request, payload, account, &service),
        Err(problem) => Err(problem),
    };
    if response.is_err() {
        service.stats.refused(Instant::now());
    }
    response
}

async fn admit(request: &HttpRequest, id: &str, service: &Service) -> Result<Arc<Account>, Problem> {
    let account = service.account(id).ok_or_else(|| Problem::not_found("no such account"))?;
    account.hold().await;
    if service.stopping.load(Relaxed) {
        return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "the simulator stops"));
    }
    let authorization = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    account.admit(authorization)?;
    Ok(account)
}

fn open(
    request: &HttpRequest,
    payload: Payload,
    account: Arc<Account>,
    service: &Service,
) -> Result<HttpResponse, Problem> {
    let mut response = handshake(request).map_err(|error| {
        let error = actix_web::Error::from(error);
        Problem::new(error.as_response_error().status_code(), error.to_string())
    })?;
    let address = request.peer_addr().map(|address| address.to_string()).unwrap_or_default();
    let wire = Wire::default();
    let socket = Socket::new(account, service.stats.clone(), wire.clone(), address);
    let actor = WebsocketContext::with_codec(socket, payload, Codec::new().max_size(MAX_CLIENT_MESSAGE));
    Ok(response.streaming(Body::new(actor, wire)))
}
