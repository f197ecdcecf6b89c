use std::{
    fmt,
    time::{Duration, SystemTime},
};

use actix_service::Service;
use awc::{
    ConnectRequest, ConnectResponse,
    error::SendRequestError,
    http::{
        StatusCode,
        header::{HeaderMap, HeaderValue, RETRY_AFTER, SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_PROTOCOL},
    },
    middleware::Transform,
};
use futures_util::future::LocalBoxFuture;
use pushgate_session::Ending;

use crate::retry_after::retry_after as parse_retry_after;

/// An upgrade that was answered with another status than 101.
///
/// awc's own error keeps the status alone; `Retry-After` is only within reach below it, in a middleware.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rejected {
    pub(crate) status: u16,
    pub(crate) retry_after: Option<Duration>,
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the upgrade was answered with status {}", self.status)
    }
}

impl std::error::Error for Rejected {}

/// The middleware that turns a refused upgrade into [`Rejected`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct RejectionReader;

/// The service that [`RejectionReader`] makes.
#[derive(Debug)]
pub(crate) struct RejectionReaderService<S> {
    service: S,
}

impl<S> Transform<S, ConnectRequest> for RejectionReader
where
    S: Service<ConnectRequest, Response = ConnectResponse, Error = SendRequestError>,
    S::Future: 'static,
{
    type Transform = RejectionReaderService<S>;

    fn new_transform(self, service: S) -> Self::Transform {
        RejectionReaderService { service }
    }
}

impl<S> Service<ConnectRequest> for RejectionReaderService<S>
where
    S: Service<ConnectRequest, Response = ConnectResponse, Error = SendRequestError>,
    S::Future: 'static,
{
    type Response = ConnectResponse;
    type Error = SendRequestError;
    type Future = LocalBoxFuture<'static, Result<Self::Response, Self::Error>>;

    actix_service::forward_ready!(service);

    fn call(&self, request: ConnectRequest) -> Self::Future {
        let answer = self.service.call(request);
        Box::pin(async move {
            match answer.await? {
                ConnectResponse::Tunnel(head, _) if head.status != StatusCode::SWITCHING_PROTOCOLS => {
                    let retry_after = head.headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok());
                    let retry_after = retry_after.and_then(|text| parse_retry_after(text, SystemTime::now()));
                    let rejected = Rejected { status: head.status.as_u16(), retry_after };
                    Err(SendRequestError::Custom(Box::new(rejected), Box::new("upgrade")))
                }
                other => Ok(other),
            }
        })
    }
}

/// Checks what the answer chose: the subprotocol must be the one that was asked for, none must be chosen when none was
/// asked for, and no extension, because we know none (RFC 6455, section 4.1).
///
/// # Errors
/// [`Ending::Subprotocol`] or [`Ending::BadUpgrade`].
pub(crate) fn check_choices(headers: &HeaderMap, subprotocol: Option<&str>) -> Result<(), Ending> {
    let chosen: Vec<_> = headers.get_all(SEC_WEBSOCKET_PROTOCOL).map(HeaderValue::as_bytes).collect();
    let expected = subprotocol.map(str::as_bytes);
    if chosen != expected.as_slice() {
        let chosen = String::from_utf8_lossy(&chosen.join(&b", "[..])).into_owned();
        return Err(Ending::Subprotocol(match (subprotocol, chosen.is_empty()) {
            (Some(asked), true) => format!("asked for {asked}, the service chose none"),
            (Some(asked), false) => format!("asked for {asked}, the service chose {chosen}"),
            (None, _) => format!("asked for none, the service chose {chosen}"),
        }));
    }
    if headers.contains_key(SEC_WEBSOCKET_EXTENSIONS) {
        return Err(Ending::BadUpgrade("the service chose an extension that nobody asked for".to_owned()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_asked_for_may_be_chosen() {
        let check = |asked: Option<&str>, chosen: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in chosen {
                headers.append(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(value));
            }
            check_choices(&headers, asked)
        };
        assert_eq!(check(None, &[]), Ok(()));
        assert_eq!(check(Some("push.v1"), &["push.v1"]), Ok(()));
        for (asked, chosen) in [
            (None, &["push.v1"][..]),
            (None, &[""]),
            (Some("push.v1"), &[]),
            (Some("push.v1"), &["Push.v1"]),
            (Some("push.v1"), &["push.v1, push.v2"]),
            (Some("push.v1"), &["push.v1", "push.v1"]),
        ] {
            assert!(matches!(check(asked, chosen), Err(Ending::Subprotocol(_))), "{asked:?} {chosen:?}");
        }
        let mut headers = HeaderMap::new();
        headers.insert(SEC_WEBSOCKET_EXTENSIONS, HeaderValue::from_static("permessage-deflate"));
        assert!(matches!(check_choices(&headers, None), Err(Ending::BadUpgrade(_))));
    }
}
