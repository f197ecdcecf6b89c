use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use awc::{
    Client, ClientRequest,
    http::{
        StatusCode,
        header::{self, HeaderMap, HeaderValue},
    },
};
use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use rustls::ClientConfig;
use secrecy::{ExposeSecret, SecretString};
use tokio::time::{Instant, Sleep, sleep};

use crate::{
    Event, ParsedItem, Parser, StreamError,
    connect::{checked_url, client},
};

/// The longest wait that repeated failures, or a `Retry-After`, lead to.
const MAX_WAIT: Duration = Duration::from_secs(60);
/// How much of a refusal's body is shown, in bytes.
const MAX_DETAIL: usize = 1024;
/// How long the body of a refusal may take.
const DETAIL_TIMEOUT: Duration = Duration::from_secs(1);

/// What stream to follow, and how.
#[derive(Clone, Debug)]
pub struct StreamConfig {
    /// Where the stream is, http or https.
    pub url: String,
    /// The cursor to resume from; nothing starts live.
    pub cursor: Option<String>,
    /// Sent as `Authorization: Bearer …`.
    pub bearer: Option<SecretString>,
    /// Further headers of each request; their values are taken for secrets.
    pub headers: Vec<(String, SecretString)>,
    /// From the dial to the response head. Default 10 s.
    pub connect_timeout: Duration,
    /// A stream without a byte for this long is dead. Default 60 s: four times the gateway's heartbeat.
    pub idle_timeout: Duration,
    /// The wait before a connect, until the server names one. Default 3 s.
    pub retry: Duration,
    /// The largest event, in bytes; a larger one is left out. Default 32 MiB.
    pub max_event: usize,
    /// How https is spoken; without it only http is.
    pub tls: Option<Arc<ClientConfig>>,
}

impl StreamConfig {
    /// The defaults, for this URL.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            cursor: None,
            bearer: None,
            headers: Vec::new(),
            connect_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(60),
            retry: Duration::from_secs(3),
            max_event: 32 * 1024 * 1024,
            tls: None,
        }
    }
}

/// What happens on a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StreamItem {
    /// A response head came: the stream is open.
    Opened,
    /// An event.
    Event(Event),
    /// A comment, without its colon.
    Comment(String),
    /// The server named the wait before a connect.
    Retry(Duration),
    /// An event was larger than the limit and was left out.
    Oversized,
    /// The stream ended, or could not be opened; the next attempt follows.
    Closed {
        /// What happened, for people.
        reason: String,
        /// How long until the next attempt.
        again_in: Duration,
    },
}

/// Follows a stream: yields what comes, connects again after each end, and resumes where it was.
///
/// A `Stream` of [`StreamItem`]s that never ends by itself, except with one [`StreamError`] when the server said that
/// connecting again is of no use. Not `Send`. Waiting for its next item may be given up and begun again at any time.
///
/// The HTTP client takes a response of HTTP/1.1 that is neither chunked nor of a stated length for empty.
pub struct EventStream {
    client: Client,
    config: StreamConfig,
    phase: Phase,
    last_event_id: String,
    retry: Duration,
    /// Attempts without an open stream since the last one.
    failures: u32,
}

enum Phase {
    Waiting(Pin<Box<Sleep>>),
    Connecting(Pin<Box<dyn Future<Output = Outcome>>>),
    Open(Box<Open>),
    Ended,
}

struct Open {
    body: Pin<Box<dyn Stream<Item = Result<Bytes, String>>>>,
    chunk: Bytes,
    parser: Parser,
    idle: Pin<Box<Sleep>>,
}

enum Outcome {
    Open(Pin<Box<dyn Stream<Item = Result<Bytes, String>>>>),
    Again { reason: String, not_before: Duration },
    Final(StreamError),
}

impl EventStream {
    /// A stream that connects when it is first asked for an item.
    ///
    /// # Errors
    /// [`StreamError::Config`]: the URL, a header or the token can't be used.
    pub fn connect(config: StreamConfig) -> Result<Self, StreamError> {
        checked_url(&config.url, config.tls.as_ref()).map_err(StreamError::Config)?;
        for (name, value) in &config.headers {
            let valid =
                name.parse::<header::HeaderName>().is_ok() && HeaderValue::from_str(value.expose_secret()).is_ok();
            if !valid {
                return Err(StreamError::Config(format!("header {name:?} can't be sent")));
            }
        }
        config.bearer.as_ref().map_or(Ok(()), check_bearer)?;
        Ok(Self {
            client: client(config.connect_timeout, config.tls.as_ref()),
            phase: Phase::Waiting(Box::pin(sleep(Duration::ZERO))),
            last_event_id: config.cursor.clone().unwrap_or_default(),
            retry: config.retry,
            failures: 0,
            config,
        })
    }

    /// The id that the next connect resumes from; empty when there is none.
    pub fn last_event_id(&self) -> &str {
        match &self.phase {
            Phase::Open(open) => open.parser.last_event_id(),
            _ => &self.last_event_id,
        }
    }

    /// Sends another token from the next connect on; a stream that is open goes on with the one that it was opened with.
    ///
    /// # Errors
    /// [`StreamError::Config`]: the token can't be sent. The one before stays.
    pub fn set_bearer(&mut self, bearer: Option<SecretString>) -> Result<(), StreamError> {
        bearer.as_ref().map_or(Ok(()), check_bearer)?;
        self.config.bearer = bearer;
        Ok(())
    }

    fn request(&self) -> ClientRequest {
        let mut request = self.client.get(&self.config.url).insert_header((header::ACCEPT, "text/event-stream"));
        request = request.insert_header((header::CACHE_CONTROL, "no-store"));
        for (name, value) in &self.config.headers {
            request = request.append_header((name.as_str(), value.expose_secret()));
        }
        if let Some(bearer) = &self.config.bearer {
            request = request.bearer_auth(bearer.expose_secret());
        }
        match HeaderValue::from_bytes(self.last_event_id.as_bytes()) {
            Ok(id) if !id.is_empty() => request.insert_header(("Last-Event-ID", id)),
            _ => request,
        }
    }

    fn opened(&mut self, body: Pin<Box<dyn Stream<Item = Result<Bytes, String>>>>) -> StreamItem {
        self.failures = 0;
        let parser = Parser::new(self.config.max_event, &self.last_event_id);
        let idle = Box::pin(sleep(self.config.idle_timeout));
        self.phase = Phase::Open(Box::new(Open { body, chunk: Bytes::new(), parser, idle }));
        StreamItem::Opened
    }

    /// Waits for the next attempt: the server's `retry`, doubled by each failure in a row, with jitter.
    fn closed(&mut self, reason: String, not_before: Duration) -> StreamItem {
        if let Phase::Open(open) = &self.phase {
            open.parser.last_event_id().clone_into(&mut self.last_event_id);
        } else {
            self.failures = self.failures.saturating_add(1);
        }
        let doubled = self.retry.saturating_mul(1 << self.failures.saturating_sub(1).min(10));
        let wait = doubled.min(MAX_WAIT.max(self.retry)).mul_f64(0.8 + 0.4 * fastrand::f64());
        let again_in = wait.max(not_before.min(MAX_WAIT));
        self.phase = Phase::Waiting(Box::pin(sleep(again_in)));
        tracing::debug!(reason, again_in_ms = again_in.as_millis() as u64, "stream closed");
        StreamItem::Closed { reason, again_in }
    }

    fn on_outcome(&mut self, outcome: Outcome) -> Result<StreamItem, StreamError> {
        match outcome {
            Outcome::Open(body) => Ok(self.opened(body)),
            Outcome::Again { reason, not_before } => Ok(self.closed(reason, not_before)),
            Outcome::Final(error) => {
                self.phase = Phase::Ended;
                Err(error)
            }
        }
    }

    fn on_read(&mut self, read: Result<ParsedItem, String>) -> StreamItem {
        match read {
            Ok(ParsedItem::Event(event)) => StreamItem::Event(event),
            Ok(ParsedItem::Comment(text)) => StreamItem::Comment(text),
            Ok(ParsedItem::Oversized) => StreamItem::Oversized,
            Ok(ParsedItem::Retry(retry)) => {
                // A day is as good as for ever; more would overflow clocks.
                self.retry = retry.min(Duration::from_secs(24 * 3600));
                StreamItem::Retry(retry)
            }
            Err(reason) => self.closed(reason, Duration::ZERO),
        }
    }
}

impl Stream for EventStream {
    type Item = Result<StreamItem, StreamError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        loop {
            match &mut this.phase {
                Phase::Waiting(due) => {
                    ready!(due.as_mut().poll(cx));
                    this.phase = Phase::Connecting(Box::pin(open(this.request())));
                }
                Phase::Connecting(attempt) => {
                    let outcome = ready!(attempt.as_mut().poll(cx));
                    return Poll::Ready(Some(this.on_outcome(outcome)));
                }
                Phase::Open(open) => {
                    let read = ready!(open.poll_read(cx, this.config.idle_timeout));
                    return Poll::Ready(Some(Ok(this.on_read(read))));
                }
                Phase::Ended => return Poll::Ready(None),
            }
        }
    }
}

impl Open {
    /// The next item, or why the stream ended.
    fn poll_read(&mut self, cx: &mut Context<'_>, idle_timeout: Duration) -> Poll<Result<ParsedItem, String>> {
        loop {
            let mut rest = &self.chunk[..];
            let item = self.parser.next(&mut rest);
            let taken = self.chunk.len() - rest.len();
            let _ = self.chunk.split_to(taken);
            if let Some(item) = item {
                return Poll::Ready(Ok(item));
            }
            match self.body.as_mut().poll_next(cx) {
                Poll::Ready(Some(Ok(chunk))) => {
                    self.chunk = chunk;
                    self.idle.as_mut().reset(Instant::now() + idle_timeout);
                }
                Poll::Ready(Some(Err(reason))) => return Poll::Ready(Err(reason)),
                Poll::Ready(None) => return Poll::Ready(Err("the server ended the stream".to_owned())),
                Poll::Pending => {
                    ready!(self.idle.as_mut().poll(cx));
                    return Poll::Ready(Err("no byte in time".to_owned()));
                }
            }
        }
    }
}

impl fmt::Debug for EventStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventStream").field("config", &self.config).finish_non_exhaustive()
    }
}

/// RFC 6750, section 2.1, asks for less than this; what matters is that nothing breaks the header.
fn check_bearer(bearer: &SecretString) -> Result<(), StreamError> {
    let text = bearer.expose_secret();
    let valid = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
    if valid { Ok(()) } else { Err(StreamError::Config("the token can't be sent in a header".to_owned())) }
}

async fn open(request: ClientRequest) -> Outcome {
    let response = match request.send().await {
        Ok(response) => response,
        Err(error) => return Outcome::Again { reason: error.to_string(), not_before: Duration::ZERO },
    };
    let (status, headers) = (response.status(), response.headers().clone());
    let body = Box::pin(response.map(|chunk| chunk.map_err(|error| error.to_string())));
    match status {
        StatusCode::OK => match content_type(&headers) {
            kind if kind.eq_ignore_ascii_case("text/event-stream") => Outcome::Open(body),
            kind => Outcome::Final(StreamError::NotAnEventStream(kind)),
        },
        StatusCode::NO_CONTENT => Outcome::Final(StreamError::Gone),
        // These say "later", unlike the other refusals.
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => again(status, &headers),
        _ if status.is_client_error() => {
            Outcome::Final(StreamError::Refused { status: status.as_u16(), detail: detail(body).await })
        }
        _ => again(status, &headers),
    }
}

fn again(status: StatusCode, headers: &HeaderMap) -> Outcome {
    let seconds = headers.get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
    Outcome::Again { reason: format!("status {status}"), not_before: Duration::from_secs(seconds.unwrap_or(0)) }
}

fn content_type(headers: &HeaderMap) -> String {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim().to_owned()
}

async fn detail(mut body: Pin<Box<impl Stream<Item = Result<Bytes, String>>>>) -> String {
    let mut text = Vec::new();
    let read = async {
        while let Some(Ok(chunk)) = body.next().await {
            text.extend_from_slice(&chunk[..chunk.len().min(MAX_DETAIL - text.len())]);
            if text.len() == MAX_DETAIL {
                break;
            }
        }
    };
    // What came until then is shown.
    let _ = tokio::time::timeout(DETAIL_TIMEOUT, read).await;
    String::from_utf8_lossy(&text).into_owned()
}

#[cfg(test)]
mod tests;
