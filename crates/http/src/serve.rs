use std::{convert::Infallible, io, net::TcpListener, rc::Rc, time::Duration};

use actix_http::{HttpService, Protocol, Request, error::DispatchError};
use actix_server::{GracefulShutdownSignal, Server};
use actix_service::{IntoServiceFactory, ServiceFactory, ServiceFactoryExt as _, fn_service, map_config};
use actix_tls::accept::{
    TlsError, max_concurrent_tls_connect,
    rustls_0_23::{Acceptor, TlsStream},
};
use actix_web::{
    Error,
    body::BoxBody,
    dev::{AppConfig, Service, ServiceResponse},
    rt::net::TcpStream,
};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::{
    socket,
    tls::Certificate,
    transport::{Patience, Transport},
};

/// Connections of one worker thread. Far above what a thread can serve well, so that the limit on open files, which the
/// operator sees and sets, is the one that counts.
const CONNECTIONS_PER_WORKER: usize = 250_000;

/// How long a connection may be idle between two requests; above the 60 s of common proxies, so that the proxy closes
/// first and never sends into a closing connection.
const IDLE: Duration = Duration::from_secs(75);

/// How long a connection that is closed by us may take to say goodbye.
const GOODBYE: Duration = Duration::from_secs(2);

/// How a listener treats its connections.
#[derive(Clone, Debug)]
pub(crate) struct Serve {
    /// Names it in the log.
    pub(crate) name: &'static str,
    pub(crate) workers: usize,
    /// Time for a TLS handshake, and for each request's head.
    pub(crate) head_timeout: Duration,
    /// A connection that takes no bytes for so long is closed.
    pub(crate) stall_timeout: Duration,
    /// How long a stop waits for requests under way.
    pub(crate) stop_seconds: u64,
    /// Without one it speaks plain HTTP/1.1.
    pub(crate) tls: Option<Certificate>,
}

impl Serve {
    /// A server that makes an `app` on each of its worker threads.
    ///
    /// # Errors
    /// The listener can't be used.
    pub(crate) fn server<F, I, S>(self, listener: TcpListener, app: F) -> io::Result<Server>
    where
        F: Fn() -> I + Send + Clone + 'static,
        I: IntoServiceFactory<S, Request>,
        S: App,
        <S::Service as Service<Request>>::Future: 'static,
    {
        // As many handshakes at once as there may be connections: a few hundred, which is the default, would let as many
        // clients that only begin one keep all others out.
        max_concurrent_tls_connect(CONNECTIONS_PER_WORKER);
        let builder = Server::build()
            .workers(self.workers.max(1))
            .max_concurrent_connections(CONNECTIONS_PER_WORKER)
            .shutdown_timeout(self.stop_seconds)
            .disable_signals();
        let (stop, name) = (builder.graceful_shutdown_signal(), self.name);
        let builder = match self.tls.clone() {
            None => builder.listen(name, listener, move || self.plain(&stop, app()))?,
            Some(tls) => builder.listen(name, listener, move || self.secure(&tls, &stop, app()))?,
        };
        Ok(builder.run())
    }

    fn plain<I, S>(
        &self,
        stop: &GracefulShutdownSignal,
        app: I,
    ) -> impl ServiceFactory<TcpStream, Config = (), Response = (), Error = DispatchError, InitError = ()> + use<I, S>
    where
        I: IntoServiceFactory<S, Request>,
        S: App,
        <S::Service as Service<Request>>::Future: 'static,
    {
        let (patience, stall_timeout) = (self.patience(stop), self.stall_timeout);
        fn_service(move |io: TcpStream| {
            socket::prepare(&io, stall_timeout);
            let peer = io.peer_addr().ok();
            let transport = Transport::plain(io, &patience);
            async move { Ok((transport, Protocol::Http1, peer)) }
        })
        .and_then(self.http(app))
    }

    fn secure<I, S>(
        &self,
        tls: &Certificate,
        stop: &GracefulShutdownSignal,
        app: I,
    ) -> impl ServiceFactory<TcpStream, Config = (), Response = (), Error = Failure, InitError = ()> + use<I, S>
    where
        I: IntoServiceFactory<S, Request>,
        S: App,
        <S::Service as Service<Request>>::Future: 'static,
    {
        let (patience, stall_timeout) = (self.patience(stop), self.stall_timeout);
        let mut acceptor = Acceptor::new(tls.server_config());
        acceptor.set_handshake_timeout(self.head_timeout);
        fn_service(move |io: TcpStream| {
            socket::prepare(&io, stall_timeout);
            async move { Ok::<_, Failure>(io) }
        })
        .and_then(acceptor.map_err(TlsError::<io::Error, Infallible>::into_service_error))
        .and_then(move |io: TlsStream<TcpStream>| {
            let (socket, session) = io.get_ref();
            let protocol = if session.alpn_protocol() == Some(b"h2") { Protocol::Http2 } else { Protocol::Http1 };
            let peer = socket.peer_addr().ok();
            let transport = Transport::secure(io, protocol, &patience);
            async move { Ok((transport, protocol, peer)) }
        })
        .and_then(self.http(app).map_err(TlsError::Service))
    }

    fn http<IO, I, S>(
        &self,
        app: I,
    ) -> impl ServiceFactory<
        (Transport<IO>, Protocol, Option<std::net::SocketAddr>),
        Config = (),
        Response = (),
        Error = DispatchError,
        InitError = (),
    > + use<IO, I, S>
    where
        IO: AsyncRead + AsyncWrite + Unpin + 'static,
        I: IntoServiceFactory<S, Request>,
        S: App,
        <S::Service as Service<Request>>::Future: 'static,
    {
        let app = app.into_factory().map_err(|error: Error| error.error_response());
        HttpService::build()
            .keep_alive(IDLE)
            .client_request_timeout(self.head_timeout)
            .client_disconnect_timeout(GOODBYE)
            // A subscriber that hung up is gone at once, not at the next failed write.
            .h1_allow_half_closed(false)
            .on_connect_ext(|io: &Transport<IO>, data| {
                data.insert(io.traffic());
            })
            .finish(map_config(app, |()| AppConfig::default()))
    }

    fn patience(&self, stop: &GracefulShutdownSignal) -> Rc<Patience> {
        Rc::new(Patience { head: self.head_timeout, idle: IDLE, stop: stop.clone() })
    }
}

/// What ends a connection with TLS before its time.
type Failure = TlsError<io::Error, DispatchError>;

/// What the framework makes of an `actix_web::App`.
pub(crate) trait App:
    ServiceFactory<Request, Config = AppConfig, Response = ServiceResponse<BoxBody>, Error = Error, InitError = ()>
    + 'static
{
}

impl<S> App for S where
    S: ServiceFactory<Request, Config = AppConfig, Response = ServiceResponse<BoxBody>, Error = Error, InitError = ()>
        + 'static
{
}
