use actix_web::{
    HttpRequest,
    http::header,
    rt::time::timeout,
    web::{Bytes, BytesMut, Data, Payload},
};
use futures_util::StreamExt as _;
use serde_json::{Map, Value};

use crate::{edge::Edge, problem::Problem};

/// Reads a request's body to its end, within the listener's limits of bytes and time.
///
/// # Errors
/// It is too large, too slow, or was cut.
pub(crate) async fn read(request: &HttpRequest, payload: Payload) -> Result<Bytes, Problem> {
    let edge = request.app_data::<Data<Edge>>().expect("both listeners are built with it");
    match timeout(edge.body_timeout, collect(payload, edge)).await {
        Ok(read) => read,
        Err(_) => Err(Problem::BodyTimeout),
    }
}

async fn collect(mut payload: Payload, edge: &Edge) -> Result<Bytes, Problem> {
    let (mut body, limit) = (BytesMut::new(), edge.body_limit());
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|_| Problem::BodyCut)?;
        if body.len() + chunk.len() > limit {
            return Err(edge.too_large());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

/// A body that is a JSON object.
///
/// # Errors
/// It is anything else.
pub(crate) fn object(body: &[u8]) -> Result<Map<String, Value>, Problem> {
    match serde_json::from_slice(body) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(Problem::MalformedBody { what: "it is JSON, but no object".to_owned() }),
        // Only where it is wrong: what stands there may be a secret.
        Err(error) => {
            let what = format!("line {}, column {}", error.line(), error.column());
            Err(Problem::MalformedBody { what })
        }
    }
}

/// Refuses a body that says of itself that it is something else than JSON; one that says nothing is tried.
///
/// # Errors
/// The content type is another one.
pub(crate) fn require_json(request: &HttpRequest) -> Result<(), Problem> {
    let Some(value) = request.headers().get(header::CONTENT_TYPE) else { return Ok(()) };
    let essence = value.to_str().unwrap_or("?").split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case("application/json") { Ok(()) } else { Err(Problem::UnsupportedMediaType) }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn only_an_object_will_do_and_what_is_wrong_is_not_repeated() {
        assert_eq!(object(br#" {"a": 1} "#).unwrap().len(), 1);
        for bad in [&b""[..], b"null", b"[1]", b"\"text\"", b"{", b"{\"a\":1}x", b"{\"a\":\xff}", b"{'a':1}"] {
            assert!(matches!(object(bad), Err(Problem::MalformedBody { .. })), "{bad:?}");
        }
        let error = object(br#"{"bearer": s3cret}"#).unwrap_err();
        assert!(!error.to_string().contains("s3"), "{error}");
    }

    #[test]
    fn json_or_nothing_is_read() {
        let read = |value| {
            let request = TestRequest::default().insert_header((header::CONTENT_TYPE, value)).to_http_request();
            require_json(&request).is_ok()
        };
        assert!(require_json(&TestRequest::default().to_http_request()).is_ok());
        for good in ["application/json", "Application/JSON; charset=utf-8", "application/json;"] {
            assert!(read(good), "{good}");
        }
        for bad in ["", "text/plain", "application/x-www-form-urlencoded", "application/jsonx", "text/json"] {
            assert!(!read(bad), "{bad}");
        }
    }
}
