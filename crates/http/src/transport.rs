//! An accepted connection of either listener, as the server reads and writes it.
//!
//! The framework gives a client time for its first request's head, and leaves it alone once that came: a client may then
//! send a second head byte by byte without end, or hold an HTTP/2 connection open for nothing but pings. So the reading
//! side knows whether a request is in hand. While none is, it reads the end of the stream once that lasts too long, and
//! when the listener stops; the framework does the rest. HTTP/2 has a word for that, so there it is first told to say
//! goodbye, and at a stop it is left to do so: what is written of an answer may not be sent yet.
//!
//! A stream over plain HTTP/1.1 can have the connection for itself (see `direct`): it says so while its first bytes are
//! with the framework, and when these are written the socket is taken out, and the framework is told that it has failed.

use std::{
    cell::{Cell, RefCell},
    future::Future,
    io::{self, IoSlice},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use actix_http::Protocol;
use actix_server::GracefulShutdownSignal;
use actix_web::{
    HttpMessage as _, HttpRequest,
    rt::time::{Instant, sleep, timeout},
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::direct::OpenStream;

/// How long an HTTP/2 connection that was idle for too long may take to say goodbye: a few round trips.
const GOODBYE: Duration = Duration::from_secs(2);

/// How long a connection may go without a request in hand.
#[derive(Debug)]
pub(crate) struct Patience {
    /// From the first byte of a head to its last, from the second request on.
    pub(crate) head: Duration,
    /// Between two requests.
    pub(crate) idle: Duration,
    /// Ends it at once; HTTP/2 looks at it by itself.
    pub(crate) stop: GracefulShutdownSignal,
}

/// What both sides of a connection know of it: its socket and its requests.
pub(crate) struct Traffic {
    protocol: Protocol,
    /// Whether it is encrypted.
    pub(crate) secure: bool,
    /// Requests whose response is not written to its end.
    in_hand: Cell<usize>,
    /// Since when there is none.
    idle_since: Cell<Instant>,
    /// When the first byte came since then, if there was a request before.
    head_since: Cell<Option<Instant>>,
    served: Cell<bool>,
    /// Whether it should say goodbye, which HTTP/2 alone can.
    leaving: Cell<bool>,
    /// Reads, and waits for bytes.
    reader: RefCell<Option<Waker>>,
    /// Whether a stream may have the connection for itself.
    pub(crate) may_leave: bool,
    /// The stream that is to have it.
    heir: RefCell<Option<Box<OpenStream>>>,
}

/// Where a connection is once it has left the framework.
pub(crate) type WayOut<IO> = Rc<Cell<Option<IO>>>;

/// What the framework gets to see of a connection that has left it: the end.
#[derive(Debug, thiserror::Error)]
#[error("the connection was handed over to its stream")]
struct HandedOver;

/// One request that is in hand, until this is dropped.
pub(crate) struct InHand(Rc<Traffic>);

/// A connection.
pub(crate) struct Transport<IO> {
    /// Nothing once it was handed over.
    io: Option<IO>,
    way_out: Option<WayOut<IO>>,
    traffic: Rc<Traffic>,
    patience: Rc<Patience>,
    /// While no request is in hand and nothing comes; says whether it is the end whatever the time is.
    end: Option<Pin<Box<dyn Future<Output = bool>>>>,
}

impl Traffic {
    fn new(protocol: Protocol, secure: bool) -> Self {
        Self {
            protocol,
            secure,
            in_hand: Cell::new(0),
            idle_since: Cell::new(Instant::now()),
            head_since: Cell::new(None),
            served: Cell::new(false),
            leaving: Cell::new(false),
            reader: RefCell::new(None),
            may_leave: false,
            heir: RefCell::new(None),
        }
    }

    /// That of the connection by which a request came; nothing in tests without one.
    pub(crate) fn of(request: &HttpRequest) -> Option<Rc<Self>> {
        let of_connection = request.conn_data::<Rc<Self>>().cloned();
        of_connection.or_else(|| request.extensions().get::<Rc<Self>>().cloned())
    }

    /// A request came.
    pub(crate) fn begin(self: &Rc<Self>) -> InHand {
        self.in_hand.set(self.in_hand.get() + 1);
        self.served.set(true);
        self.head_since.set(None);
        InHand(Rc::clone(self))
    }

    /// The stream wants the connection for itself, as soon as all that the framework has for it is written.
    pub(crate) fn hand_over_to(&self, stream: Box<OpenStream>) {
        self.heir.replace(Some(stream));
    }

    /// The stream that the connection was handed over to.
    pub(crate) fn heir(&self) -> Option<Box<OpenStream>> {
        self.heir.take()
    }

    fn is_idle(&self) -> bool {
        self.in_hand.get() == 0
    }

    /// Whether it was idle for so long that it should say goodbye.
    pub(crate) fn is_leaving(&self) -> bool {
        self.leaving.get()
    }

    /// When the end comes, if nothing changes.
    fn deadline(&self, patience: &Patience) -> Instant {
        let goodbye = if self.is_leaving() { GOODBYE } else { Duration::ZERO };
        let idle = || self.idle_since.get() + patience.idle + goodbye;
        self.head_since.get().map_or_else(idle, |since| since + patience.head)
    }

    /// Whether the end has come by time. The first time HTTP/2 gets some more, to say goodbye.
    fn is_over(&self, patience: &Patience) -> bool {
        self.is_idle()
            && self.deadline(patience) <= Instant::now()
            && (self.protocol != Protocol::Http2 || self.leaving.replace(true))
    }

    /// Bytes came. Whether they are the beginning of a head: HTTP/2 has other frames, which come at any time.
    fn begins_head(&self) -> bool {
        let begins =
            self.is_idle() && self.served.get() && self.protocol != Protocol::Http2 && self.head_since.get().is_none();
        if begins {
            self.head_since.set(Some(Instant::now()));
        }
        begins
    }

    fn remember(&self, reader: &Waker) {
        let mut known = self.reader.borrow_mut();
        if !known.as_ref().is_some_and(|known| known.will_wake(reader)) {
            *known = Some(reader.clone());
        }
    }
}

impl Drop for InHand {
    fn drop(&mut self) {
        let traffic = &self.0;
        traffic.in_hand.set(traffic.in_hand.get() - 1);
        if traffic.is_idle() {
            traffic.idle_since.set(Instant::now());
            // It read on behalf of a request, without a look at the time.
            if let Some(reader) = traffic.reader.take() {
                reader.wake();
            }
        }
    }
}

impl<IO> Transport<IO> {
    pub(crate) fn plain(io: IO, patience: &Rc<Patience>) -> Self {
        Self::new(io, Traffic::new(Protocol::Http1, false), patience)
    }

    /// One that a stream may have for itself; says where it will be then.
    pub(crate) fn with_way_out(io: IO, patience: &Rc<Patience>) -> (Self, WayOut<IO>) {
        let way_out = WayOut::default();
        let traffic = Traffic { may_leave: true, ..Traffic::new(Protocol::Http1, false) };
        (Self { way_out: Some(Rc::clone(&way_out)), ..Self::new(io, traffic, patience) }, way_out)
    }

    pub(crate) fn secure(io: IO, protocol: Protocol, patience: &Rc<Patience>) -> Self {
        Self::new(io, Traffic::new(protocol, true), patience)
    }

    fn new(io: IO, traffic: Traffic, patience: &Rc<Patience>) -> Self {
        Self { io: Some(io), way_out: None, traffic: Rc::new(traffic), patience: Rc::clone(patience), end: None }
    }

    fn io(&mut self) -> io::Result<&mut IO> {
        self.io.as_mut().ok_or_else(|| io::Error::other(HandedOver))
    }

    /// Leaves, when a stream is to have it.
    fn hand_over(&mut self) -> io::Result<()> {
        let Some(way_out) = self.way_out.take_if(|_| self.traffic.heir.borrow().is_some()) else { return Ok(()) };
        way_out.set(self.io.take());
        Err(io::Error::other(HandedOver))
    }

    /// Tells when the listener stops.
    pub(crate) fn stop(&self) -> GracefulShutdownSignal {
        self.patience.stop.clone()
    }

    /// For its requests.
    pub(crate) fn traffic(&self) -> Rc<Traffic> {
        Rc::clone(&self.traffic)
    }

    /// Whether this connection has come to its end. Called only while no request is in hand.
    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let (traffic, patience) = (&self.traffic, &self.patience);
            let end = self.end.get_or_insert_with(|| end(traffic, patience));
            let ended = ready!(end.as_mut().poll(cx));
            self.end = None;
            // A request may have come and gone since the time was set.
            if ended || self.traffic.is_over(&self.patience) {
                // It stays so, however often it is asked.
                self.end = Some(Box::pin(std::future::ready(true)));
                return Poll::Ready(());
            }
        }
    }
}

/// Waits for the deadline as it is now, or for the stop, which is the end.
fn end(traffic: &Traffic, patience: &Rc<Patience>) -> Pin<Box<dyn Future<Output = bool>>> {
    let left = traffic.deadline(patience).saturating_duration_since(Instant::now());
    if traffic.protocol == Protocol::Http2 {
        return Box::pin(async move {
            sleep(left).await;
            false
        });
    }
    let patience = Rc::clone(patience);
    Box::pin(async move { timeout(left, patience.stop.notified()).await.is_ok() })
}

impl<IO: AsyncRead + Unpin> AsyncRead for Transport<IO> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        if Pin::new(this.io()?).poll_read(cx, buf)?.is_ready() {
            if buf.filled().len() > before && this.traffic.begins_head() {
                this.end = None;
            }
            // Whoever sends without a pause never comes to the other branch.
            if this.traffic.is_over(&this.patience) {
                buf.set_filled(before);
            }
            return Poll::Ready(Ok(()));
        }
        if this.traffic.is_idle() {
            return this.poll_end(cx).map(Ok);
        }
        this.end = None;
        this.traffic.remember(cx.waker());
        Poll::Pending
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for Transport<IO> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(self.get_mut().io()?).poll_write(cx, bytes)
    }

    /// The framework flushes when it has written all it has.
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(Pin::new(this.io()?).poll_flush(cx))?;
        Poll::Ready(this.hand_over())
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(self.get_mut().io()?).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(self.get_mut().io()?).poll_write_vectored(cx, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.as_ref().is_some_and(AsyncWrite::is_write_vectored)
    }
}

#[cfg(test)]
mod tests {
    use actix_server::Server;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};

    use super::*;

    const HEAD: Duration = Duration::from_secs(10);
    const IDLE: Duration = Duration::from_secs(75);

    /// A connection, and the client's end of it.
    fn connected(protocol: Protocol) -> (Transport<DuplexStream>, DuplexStream) {
        let patience = Rc::new(Patience { head: HEAD, idle: IDLE, stop: Server::build().graceful_shutdown_signal() });
        let (near, far) = duplex(64);
        (Transport::secure(near, protocol, &patience), far)
    }

    /// How long until the end of the stream is read, when the client sends a byte each second.
    async fn lasts(transport: &mut Transport<DuplexStream>, client: &mut DuplexStream) -> Duration {
        let begun = Instant::now();
        let (mut buffer, mut second) = ([0; 8], tokio::time::interval(Duration::from_secs(1)));
        loop {
            tokio::select! {
                read = transport.read(&mut buffer) => if read.unwrap() == 0 { return begun.elapsed() },
                _ = second.tick() => client.write_all(b"x").await.unwrap(),
            }
            assert!(begun.elapsed() < 2 * IDLE, "it does not end");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_second_head_has_as_long_as_the_first() {
        let (mut transport, mut client) = connected(Protocol::Http1);
        drop(transport.traffic().begin());
        assert_eq!(lasts(&mut transport, &mut client).await, HEAD);
        assert_eq!(lasts(&mut transport, &mut client).await, Duration::ZERO, "the end stays the end");
    }

    #[tokio::test(start_paused = true)]
    async fn frames_that_ask_for_nothing_keep_nothing_open() {
        let (mut transport, mut client) = connected(Protocol::Http2);
        assert_eq!(lasts(&mut transport, &mut client).await, IDLE + GOODBYE);
        let (mut transport, mut client) = connected(Protocol::Http2);
        drop(transport.traffic().begin());
        assert_eq!(lasts(&mut transport, &mut client).await, IDLE + GOODBYE);
        assert!(transport.traffic().is_leaving());
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_in_hand_keeps_it_open_and_its_end_is_noticed() {
        let (mut transport, _client) = connected(Protocol::Http2);
        let traffic = transport.traffic();
        let (first, second) = (traffic.begin(), traffic.begin());
        drop(first);
        let begun = Instant::now();
        let task = async { transport.read(&mut [0; 8]).await.unwrap() };
        let request = async {
            tokio::time::sleep(3 * IDLE).await;
            drop(second);
        };
        assert_eq!(tokio::join!(task, request).0, 0);
        assert_eq!(begun.elapsed(), 4 * IDLE + GOODBYE);
    }

    /// Reads as the server does: it takes what is there, and then waits.
    fn takes_what_is_there(transport: &mut Transport<DuplexStream>) {
        let mut context = Context::from_waker(Waker::noop());
        let mut buffer = [0; 8];
        while Pin::new(&mut *transport).poll_read(&mut context, &mut ReadBuf::new(&mut buffer)).is_ready() {}
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_is_answered_at_once_begins_the_silence_anew() {
        for protocol in [Protocol::Http1, Protocol::Http2] {
            let (mut transport, mut client) = connected(protocol);
            for _ in 0..20 {
                client.write_all(b"x").await.unwrap();
                takes_what_is_there(&mut transport);
                drop(transport.traffic().begin());
                takes_what_is_there(&mut transport);
                tokio::time::sleep(HEAD / 2).await;
            }
            let begun = Instant::now();
            assert_eq!(transport.read(&mut [0; 8]).await.unwrap(), 0);
            let goodbye = if protocol == Protocol::Http2 { GOODBYE } else { Duration::ZERO };
            assert_eq!(begun.elapsed() + HEAD / 2, IDLE + goodbye, "{protocol:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn silence_is_as_long_as_the_framework_allows_before_a_first_head() {
        let (mut transport, mut client) = connected(Protocol::Http1);
        assert_eq!(lasts(&mut transport, &mut client).await, IDLE, "it has a timeout of its own for that");
    }
}
