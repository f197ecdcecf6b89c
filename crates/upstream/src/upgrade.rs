use std::{fmt, time::Duration};

use actix_service::Service;
use awc::{
    ConnectRequest, ConnectResponse,
    error::SendRequestError,
    http::{
        StatusCode,
        header::{HeaderMap, RETRY_AFTER},
    },
    middleware::Transform,
};
use futures_util::future::LocalBoxFuture;

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
                    let retry_after = retry_after(&head.headers);
                    let rejected = Rejected { status: head.status.as_u16(), retry_after };
                    Err(SendRequestError::Custom(Box::new(rejected), Box::new("upgrade")))
                }
                other => Ok(other),
            }
        })
    }
}

/// `Retry-After` in seconds or as a date (RFC 9110, section 10.2.3); a date in the past means now.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    Some(date.duration_since(std::time::SystemTime::now()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use awc::http::header::HeaderValue;

    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let read = |text: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, HeaderValue::from_static(text));
            retry_after(&headers)
        };
        assert_eq!(read("120"), Some(Duration::from_secs(120)));
        assert_eq!(read("Fri, 31 Dec 1999 23:59:59 GMT"), Some(Duration::ZERO));
        assert!(read("Fri, 31 Dec 2100 23:59:59 GMT").unwrap() > Duration::from_secs(86_400));
        assert_eq!(read("soon"), None);
        assert_eq!(read("-1"), None);
    }
}
