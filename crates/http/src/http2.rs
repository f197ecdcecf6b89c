//! HTTP/2 (RFC 9113) on an accepted connection: takes requests, has the app answer them, writes the answers.
//!
//! The framework speaks HTTP/2 too, but without a limit on the streams of a connection, with heads of 16 MiB, and it does not
//! see that a client gave up a stream until it next writes to it.

use std::{
    future::{Future, poll_fn},
    io,
    net::SocketAddr,
    pin::{Pin, pin},
    rc::Rc,
    task::{Context, Poll, ready},
    time::{Duration, SystemTime},
};

use actix_http::{HttpMessage as _, Message, Payload, Request, RequestHead, ResponseHead, error::PayloadError};
use actix_web::{
    HttpResponse,
    body::{BodySize, BoxBody, MessageBody as _},
    dev::{Service, ServiceResponse},
    http::{
        Method, StatusCode, Version,
        header::{self, HeaderName, HeaderValue},
    },
    rt::{spawn, time::timeout},
    web::Bytes,
};
use futures_util::{Stream, StreamExt as _};
use h2::{
    Reason, RecvStream, SendStream,
    server::{Builder, SendResponse},
};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::{
    Lifecycle, Phase,
    transport::{Traffic, Transport},
};

/// Requests of one connection that may be in hand, streams among them. Browsers use a few; a proxy opens another connection.
const STREAMS: u32 = 250;

/// Bytes of a head as RFC 9113, section 6.5.2, counts them: as over HTTP/1.1, and above all that `server.limits.url` and
/// `server.limits.headers` can be set to, because those answer with a problem.
const HEAD_BYTES: u32 = 128 << 10;

/// Bytes of a request's body that a client may send ahead, of one request and of a connection.
const WINDOW: (u32, u32) = (64 << 10, 256 << 10);

/// Bytes of an answer that are handed over at a time.
const SLICE: usize = 16 << 10;

/// Bytes of an answer that wait for the socket. A client may open its window wider than it reads.
const UNSENT: usize = 64 << 10;

/// Headers that belong to a connection of HTTP/1.1 (RFC 9113, section 8.2.2).
const OF_CONNECTIONS: [HeaderName; 5] = [
    header::CONNECTION,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
];

/// What a connection is served with.
#[derive(Clone, Debug)]
pub(crate) struct Http2 {
    /// Time for the client's preface.
    pub(crate) preface: Duration,
    /// A stream that takes no bytes for so long is given up. The kernel sees only what the whole connection takes.
    pub(crate) stall_timeout: Duration,
    /// Tells when requests should rather go elsewhere.
    pub(crate) lifecycle: Lifecycle,
    /// Whom requests come from.
    pub(crate) peer: Option<SocketAddr>,
}

/// What answers a request.
pub(crate) trait Answers:
    Service<Request, Response = ServiceResponse<BoxBody>, Error = actix_web::Error, Future: 'static> + 'static
{
}

impl<S> Answers for S where
    S: Service<Request, Response = ServiceResponse<BoxBody>, Error = actix_web::Error, Future: 'static> + 'static
{
}

impl Http2 {
    /// Serves until the connection ends.
    ///
    /// # Errors
    /// The client breaks the protocol, is too slow with its preface, or the connection breaks.
    pub(crate) async fn serve<IO>(self, io: Transport<IO>, app: &impl Answers) -> Result<(), h2::Error>
    where
        IO: AsyncRead + AsyncWrite + Unpin + 'static,
    {
        let (traffic, stop) = (io.traffic(), io.stop());
        let handshake = Builder::new()
            .max_concurrent_streams(STREAMS)
            .max_header_list_size(HEAD_BYTES)
            .initial_window_size(WINDOW.0)
            .initial_connection_window_size(WINDOW.1)
            .max_send_buffer_size(UNSENT)
            .handshake(io);
        let mut connection = timeout(self.preface, handshake).await.map_err(|_| Reason::SETTINGS_TIMEOUT)??;
        let (mut stop, mut leaving) = (pin!(stop.notified()), false);
        loop {
            let next = poll_fn(|cx| match connection.poll_accept(cx) {
                Poll::Pending if !leaving && traffic.is_leaving() => Poll::Ready(None),
                Poll::Pending if !leaving => stop.as_mut().poll(cx).map(|()| None),
                accepted => accepted.map(Some),
            });
            let stopping = match next.await {
                Some(None) => return Ok(()),
                Some(Some(accepted)) => {
                    let (request, respond) = accepted?;
                    let wanted = if request.method() == Method::HEAD { Wanted::Head } else { Wanted::All };
                    let app = app.call(self.request(request, &traffic));
                    drop(spawn(answer(app, respond, wanted, self.stall_timeout)));
                    false
                }
                None => true,
            };
            // What comes next should go where it will be answered; what is in hand goes on.
            if !leaving && (stopping || self.lifecycle.phase() == Phase::Draining) {
                connection.graceful_shutdown();
                leaving = true;
            }
        }
    }

    fn request(&self, request: http::Request<RecvStream>, traffic: &Rc<Traffic>) -> Request {
        let (parts, body) = request.into_parts();
        let mut head = Message::<RequestHead>::new();
        head.method = parts.method;
        head.uri = parts.uri;
        head.version = Version::HTTP_2;
        head.headers = parts.headers.into();
        head.peer_addr = self.peer;
        let request = Request::from(head);
        request.extensions_mut().insert(Rc::clone(traffic));
        let payload =
            if body.is_end_stream() { Payload::None } else { Payload::Stream { payload: Body(body).boxed_local() } };
        request.replace_payload(payload).0
    }
}

/// What of an answer is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    Head,
    All,
}

/// One request, from the app's answer to the end of its body, or until the client gives it up.
async fn answer(
    app: impl Future<Output = Result<ServiceResponse<BoxBody>, actix_web::Error>>,
    mut respond: SendResponse<Bytes>,
    wanted: Wanted,
    stall_timeout: Duration,
) {
    let mut app = pin!(app);
    let answered = poll_fn(|cx| match app.as_mut().poll(cx) {
        // The app does not go on for nobody. What it changes goes on by itself.
        Poll::Pending => respond.poll_reset(cx).map(|_| None),
        answered @ Poll::Ready(_) => answered.map(Some),
    });
    let Some(answered) = answered.await else { return };
    let response = answered.map_or_else(|error| error.error_response(), HttpResponse::from);
    let (response, body) = response.into_parts();
    let size = if wanted == Wanted::Head { BodySize::None } else { body.size() };
    let (head, ends) = (head(response.head(), body.size()), size.is_eof());
    if let Ok(stream) = respond.send_response(head, ends)
        && !ends
        && let Err(error) = send(body, stream, stall_timeout).await
    {
        tracing::debug!(%error, "an answer could not be sent to its end");
    }
}

fn head(from: &ResponseHead, size: BodySize) -> http::Response<()> {
    let mut response = http::Response::new(());
    *response.status_mut() = from.status;
    let headers = response.headers_mut();
    for (name, value) in from.headers().iter().filter(|(name, _)| !OF_CONNECTIONS.contains(name)) {
        headers.append(name, value.clone());
    }
    match size {
        BodySize::Sized(bytes) if !matches!(from.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) => {
            headers.insert(header::CONTENT_LENGTH, bytes.into());
        }
        _ => {}
    }
    let date = HeaderValue::try_from(httpdate::fmt_http_date(SystemTime::now()));
    headers.insert(header::DATE, date.expect("a date has letters, digits and spaces only"));
    response
}

/// Writes a body as fast as the client takes it; ends without a word when the client gives it up, and gives up a client that
/// takes nothing.
async fn send(body: BoxBody, mut stream: SendStream<Bytes>, stall_timeout: Duration) -> Result<(), h2::Error> {
    let mut body = pin!(body);
    loop {
        let chunk = poll_fn(|cx| match body.as_mut().poll_next(cx) {
            Poll::Pending => stream.poll_reset(cx).map(|_| None),
            chunk @ Poll::Ready(_) => chunk.map(Some),
        });
        match chunk.await {
            None => return Ok(()),
            Some(None) => return stream.send_data(Bytes::new(), true),
            Some(Some(Ok(chunk))) => {
                if !send_chunk(chunk, &mut stream, stall_timeout).await? {
                    return Ok(());
                }
            }
            Some(Some(Err(error))) => {
                tracing::debug!(%error, "the body of an answer failed");
                stream.send_reset(Reason::INTERNAL_ERROR);
                return Ok(());
            }
        }
    }
}

/// Whether there is still somebody who takes bytes.
async fn send_chunk(
    mut chunk: Bytes,
    stream: &mut SendStream<Bytes>,
    stall_timeout: Duration,
) -> Result<bool, h2::Error> {
    while !chunk.is_empty() {
        stream.reserve_capacity(chunk.len().min(SLICE));
        match timeout(stall_timeout, poll_fn(|cx| stream.poll_capacity(cx))).await {
            // What was there has gone, because the client made its window smaller.
            Ok(Some(Ok(0))) => {}
            Ok(Some(Ok(room))) => stream.send_data(chunk.split_to(room.min(chunk.len())), false)?,
            Ok(None | Some(Err(_))) => return Ok(false),
            Err(_) => {
                tracing::debug!("a client took no bytes of an answer and was given up");
                stream.send_reset(Reason::CANCEL);
                return Ok(false);
            }
        }
    }
    Ok(true)
}

/// A request's body.
struct Body(RecvStream);

impl Stream for Body {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let stream = &mut self.get_mut().0;
        let failed = |error: h2::Error| PayloadError::Io(io::Error::other(error));
        Poll::Ready(ready!(stream.poll_data(cx)).map(|chunk| {
            let chunk = chunk.map_err(failed)?;
            stream.flow_control().release_capacity(chunk.len()).map_err(failed)?;
            Ok(chunk)
        }))
    }
}

#[cfg(test)]
mod tests {
    use actix_http::Protocol;
    use actix_server::Server;
    use actix_service::fn_service;
    use tokio::{io::duplex, time::Instant};

    use super::*;
    use crate::transport::Patience;

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_was_idle_for_too_long_is_told_so() {
        let idle = Duration::from_secs(75);
        let stop = Server::build().graceful_shutdown_signal();
        let patience = Rc::new(Patience { head: Duration::from_secs(10), idle, stop });
        let (near, far) = duplex(64 << 10);
        let app = fn_service(async |_: Request| Err(actix_web::error::ErrorNotFound("nobody asks")));
        let h2 = Http2 {
            preface: Duration::from_secs(10),
            stall_timeout: Duration::from_secs(30),
            lifecycle: Lifecycle::default(),
            peer: None,
        };
        let begun = Instant::now();
        let client = async {
            let (requests, connection) = h2::client::handshake(far).await.unwrap();
            let requests: h2::client::SendRequest<Bytes> = requests;
            connection.await.unwrap();
            requests.ready().await.unwrap_err()
        };
        let served = h2.serve(Transport::secure(near, Protocol::Http2, &patience), &app);
        // The client closes at once, so that what it is asked to confirm breaks off.
        let (_, told) = tokio::join!(served, client);
        assert!(told.is_go_away(), "{told}");
        assert_eq!(begun.elapsed(), idle, "it ends once it is told");
    }
}
