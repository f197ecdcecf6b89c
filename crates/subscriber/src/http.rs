use std::{sync::Arc, time::Duration};

use awc::{
    Client, ClientRequest,
    error::{PayloadError, SendRequestError},
    http::{Method, header},
};
use bytes::Bytes;
use futures_util::StreamExt;
use rustls::ClientConfig;
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{
    HttpError,
    connect::{checked_url, direct_client},
};

/// How single requests are made.
#[derive(Clone, Debug)]
pub struct HttpConfig {
    /// From the dial to the last byte of the body. Default 5 s.
    pub timeout: Duration,
    /// The largest body that is taken, in bytes. Default 16 MiB.
    pub max_body: usize,
    /// Sent as `Authorization: Bearer …`.
    pub bearer: Option<SecretString>,
    /// How https is spoken; without it only http is.
    pub tls: Option<Arc<ClientConfig>>,
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self { timeout: Duration::from_secs(5), max_body: 16 * 1024 * 1024, bearer: None, tls: None }
    }
}

/// Makes single requests, without following redirects. Not `Send`; cloning shares its connections.
#[derive(Clone)]
pub struct HttpClient {
    client: Client,
    config: HttpConfig,
}

/// A complete response.
#[derive(Clone, Debug)]
pub struct Response {
    /// The HTTP status.
    pub status: u16,
    /// The headers as they came, names in lower case; values that are no text are left out.
    pub headers: Vec<(String, String)>,
    /// The whole body.
    pub body: Bytes,
}

/// Gets `url` with the defaults of [`HttpConfig`].
///
/// # Errors
/// There is no complete response, see [`HttpError`]. An error status is a response.
pub async fn get(url: &str) -> Result<Response, HttpError> {
    HttpClient::new(HttpConfig::default()).get(url).await
}

/// Posts JSON to `url` with the defaults of [`HttpConfig`].
///
/// # Errors
/// There is no complete response, see [`HttpError`]. An error status is a response.
pub async fn post_json(url: &str, body: &Value) -> Result<Response, HttpError> {
    HttpClient::new(HttpConfig::default()).post_json(url, body).await
}

impl HttpClient {
    /// A client for requests of this kind.
    pub fn new(config: HttpConfig) -> Self {
        Self { client: direct_client(config.timeout, config.tls.as_ref()), config }
    }

    /// The same client, its connections included, with another token.
    #[must_use]
    pub fn with_bearer(&self, bearer: Option<SecretString>) -> Self {
        Self { client: self.client.clone(), config: HttpConfig { bearer, ..self.config.clone() } }
    }

    /// Gets `url`.
    ///
    /// # Errors
    /// There is no complete response, see [`HttpError`]. An error status is a response.
    pub async fn get(&self, url: &str) -> Result<Response, HttpError> {
        self.request(Method::GET, url, None).await
    }

    /// Posts JSON to `url`.
    ///
    /// # Errors
    /// There is no complete response, see [`HttpError`]. An error status is a response.
    pub async fn post_json(&self, url: &str, body: &Value) -> Result<Response, HttpError> {
        self.request(Method::POST, url, Some(body)).await
    }

    /// Puts JSON to `url`.
    ///
    /// # Errors
    /// There is no complete response, see [`HttpError`]. An error status is a response.
    pub async fn put_json(&self, url: &str, body: &Value) -> Result<Response, HttpError> {
        self.request(Method::PUT, url, Some(body)).await
    }

    /// Deletes `url`.
    ///
    /// # Errors
    /// There is no complete response, see [`HttpError`]. An error status is a response.
    pub async fn delete(&self, url: &str) -> Result<Response, HttpError> {
        self.request(Method::DELETE, url, None).await
    }

    async fn request(&self, method: Method, url: &str, body: Option<&Value>) -> Result<Response, HttpError> {
        let uri = checked_url(url, self.config.tls.as_ref()).map_err(HttpError::Config)?;
        let mut request = self.client.request(method, uri);
        if let Some(bearer) = &self.config.bearer {
            request = request.bearer_auth(bearer.expose_secret());
        }
        let exchange = exchange(request, body, self.config.max_body);
        tokio::time::timeout(self.config.timeout, exchange).await.map_err(|_| HttpError::Timeout)?
    }
}

async fn exchange(request: ClientRequest, body: Option<&Value>, max_body: usize) -> Result<Response, HttpError> {
    let sent = match body {
        Some(body) => request.send_json(body).await,
        None => request.send().await,
    };
    let mut response = sent.map_err(|error| match error {
        SendRequestError::Timeout => HttpError::Timeout,
        SendRequestError::Url(_) | SendRequestError::Http(_) => HttpError::Config(error.to_string()),
        _ => HttpError::Unreachable(error.to_string()),
    })?;
    let headers = response.headers().iter();
    let headers = headers.filter_map(|(name, value)| Some((name.to_string(), value.to_str().ok()?.to_owned())));
    let (status, headers) = (response.status().as_u16(), headers.collect());
    let declared = response.headers().get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    let mut body = Vec::new();
    while let Some(chunk) = response.next().await {
        let chunk: Bytes = chunk.map_err(|error: PayloadError| HttpError::Unreachable(error.to_string()))?;
        if body.len() + chunk.len() > max_body {
            return Err(HttpError::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    // The client takes the end of the connection for the end of the body.
    if declared.is_some_and(|declared: usize| body.len() < declared) {
        return Err(HttpError::Unreachable("the body ended early".to_owned()));
    }
    Ok(Response { status, headers, body: body.into() })
}

impl Response {
    /// The first header of this name, in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Whether the body is said to be of this media type, whatever its parameters.
    pub fn is(&self, media_type: &str) -> bool {
        let given = self.header(header::CONTENT_TYPE.as_str()).and_then(|value| value.split(';').next());
        given.is_some_and(|given| given.trim().eq_ignore_ascii_case(media_type))
    }

    /// The body as text, broken UTF-8 replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// The body is not JSON, or not of this shape.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_slice(&self.body)
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use serde_json::json;

    use super::*;
    use crate::raw_server::{RawServer, run};

    #[test]
    fn a_response_has_its_status_headers_and_body() {
        run(async {
            let server = RawServer::start([
                "HTTP/1.1 503 No\r\nContent-Type: application/json; a=b\r\nContent-Length: 9\r\n\r\n{\"a\":\"b\"}",
            ]);
            let config = HttpConfig { bearer: Some("secret".into()), ..HttpConfig::default() };
            let response = HttpClient::new(config).get(&server.url("/readyz?x=1")).await.unwrap();
            assert_eq!((response.status, response.is("application/json")), (503, true));
            assert_eq!(response.json::<Value>().unwrap(), json!({"a": "b"}));
            let request = server.request();
            assert!(request.starts_with("GET /readyz?x=1 HTTP/1.1\r\n"), "{request}");
            assert!(request.to_lowercase().contains("\r\nauthorization: bearer secret\r\n"), "{request}");
        });
    }

    #[test]
    fn json_is_posted() {
        run(async {
            let server = RawServer::start(["HTTP/1.1 204 No Content\r\n\r\n"]);
            assert_eq!(post_json(&server.url("/"), &json!({"status": "ack"})).await.unwrap().status, 204);
            assert!(server.request().to_lowercase().contains("content-type: application/json"));
        });
    }

    #[test]
    fn a_body_over_the_limit_is_refused() {
        run(async {
            let server = RawServer::start(["HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n12345"]);
            let client = HttpClient::new(HttpConfig { max_body: 4, ..HttpConfig::default() });
            assert_eq!(client.get(&server.url("/")).await.unwrap_err(), HttpError::TooLarge);
        });
    }

    #[test]
    fn a_body_without_a_length_goes_on_to_the_end_of_the_connection() {
        run(async {
            let server = RawServer::start(["HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\n\r\nto the end"]);
            assert_eq!(get(&server.url("/")).await.unwrap().text(), "to the end");
        });
    }

    #[test]
    fn half_a_body_is_no_response() {
        run(async {
            let server = RawServer::start(["HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\n1234"]);
            assert!(matches!(get(&server.url("/")).await, Err(HttpError::Unreachable(_))));
        });
    }

    #[test]
    fn a_server_that_says_nothing_is_a_timeout() {
        run(async {
            let silent = TcpListener::bind("127.0.0.1:0").unwrap();
            let url = format!("http://{}/", silent.local_addr().unwrap());
            let client = HttpClient::new(HttpConfig { timeout: Duration::from_millis(50), ..HttpConfig::default() });
            assert_eq!(client.get(&url).await.unwrap_err(), HttpError::Timeout);
        });
    }

    #[test]
    fn wrong_urls_are_told_from_absent_servers() {
        run(async {
            for url in ["", "/x", "ftp://a/", "http://", "https://a/", "http://a b/"] {
                assert!(matches!(get(url).await, Err(HttpError::Config(_))), "{url:?}");
            }
            let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
            assert!(matches!(get(&format!("http://{closed}/")).await, Err(HttpError::Unreachable(_))));
        });
    }
}
