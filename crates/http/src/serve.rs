use std::{fmt, io, net::TcpListener, rc::Rc, sync::Arc, time::Duration};

use actix_http::{HttpService, Protocol, Request};
use actix_server::{GracefulShutdownSignal, Server};
use actix_service::{IntoService as _, IntoServiceFactory, ServiceFactory, fn_factory};
use actix_web::{
    body::BoxBody,
    dev::{AppConfig, Service, ServiceResponse},
    rt::{net::TcpStream, time::timeout},
};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use crate::{
    Lifecycle,
    http2::{Answers, Http2},
    paced::Paced,
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
    /// Whether streams over plain HTTP/1.1 leave the framework.
    pub(crate) hand_over: bool,
    /// Without one it speaks plain HTTP/1.1.
    pub(crate) tls: Option<Certificate>,
    /// Tells when clients should go elsewhere.
    pub(crate) lifecycle: Lifecycle,
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
        S: ServiceFactory<
                Request,
                Config = AppConfig,
                Response = ServiceResponse<BoxBody>,
                Error = actix_web::Error,
                InitError = (),
                Service: Answers,
            > + 'static,
    {
        let builder = Server::build()
            .workers(self.workers.max(1))
            .max_concurrent_connections(CONNECTIONS_PER_WORKER)
            .shutdown_timeout(self.stop_seconds)
            .disable_signals();
        let stop = builder.graceful_shutdown_signal();
        let acceptor = self.tls.as_ref().map(|tls| TlsAcceptor::from(Arc::new(tls.server_config())));
        let name = self.name;
        let builder = builder.listen(name, listener, move || {
            let (serve, acceptor, stop) = (self.clone(), acceptor.clone(), stop.clone());
            let app = app().into_factory();
            fn_factory(move || {
                let app = app.new_service(AppConfig::default());
                let (serve, acceptor, stop) = (serve.clone(), acceptor.clone(), stop.clone());
                async move { serve.worker(acceptor, stop, Rc::new(app.await?)).await }
            })
        })?;
        Ok(builder.run())
    }

    /// What serves the connections of one thread: one app for both protocols.
    async fn worker<A: Answers>(
        self,
        acceptor: Option<TlsAcceptor>,
        stop: GracefulShutdownSignal,
        app: Rc<A>,
    ) -> Result<impl Service<TcpStream, Response = (), Error = ()>, ()> {
        let patience = Rc::new(Patience { head: self.head_timeout, idle: IDLE, stop });
        let plain = Rc::new(http1(self.head_timeout, Rc::clone(&app)).await?);
        let secure = Rc::new(http1(self.head_timeout, Rc::clone(&app)).await?);
        let serve = Rc::new(self);
        let connection = move |io: TcpStream| {
            let (serve, acceptor, patience) = (Rc::clone(&serve), acceptor.clone(), Rc::clone(&patience));
            let (plain, secure, app) = (Rc::clone(&plain), Rc::clone(&secure), Rc::clone(&app));
            async move {
                socket::prepare(&io, serve.stall_timeout);
                let peer = io.peer_addr().ok();
                let Some(acceptor) = acceptor else {
                    if !serve.hand_over {
                        let transport = Transport::plain(io, &patience);
                        return ended(Box::pin(plain.call((transport, Protocol::Http1, peer))).await);
                    }
                    let (transport, way_out) = Transport::with_way_out(io, &patience);
                    let traffic = transport.traffic();
                    // In a box that is gone when a stream goes on: it is most of what a connection needs.
                    let served = Box::pin(plain.call((transport, Protocol::Http1, peer))).await;
                    let (Some(stream), Some(io)) = (traffic.heir(), way_out.take()) else { return ended(served) };
                    drop((served, traffic, way_out));
                    stream.run(io, patience).await;
                    return Ok(());
                };
                // What TLS needs is in boxes: a plain connection should not be as large as all of it together.
                let io = match Box::pin(timeout(serve.head_timeout, accept(acceptor, io))).await {
                    Ok(Ok(io)) => io,
                    Ok(Err(error)) => return ended(Err(error)),
                    Err(_) => return ended(Err("the TLS handshake took too long")),
                };
                if io.get_ref().1.alpn_protocol() == Some(b"h2") {
                    let h2 = Http2 {
                        preface: serve.head_timeout,
                        stall_timeout: serve.stall_timeout,
                        lifecycle: serve.lifecycle.clone(),
                        peer,
                    };
                    ended(Box::pin(h2.serve(Transport::secure(io, Protocol::Http2, &patience), &*app)).await)
                } else {
                    let transport = Transport::secure(io, Protocol::Http1, &patience);
                    ended(Box::pin(secure.call((transport, Protocol::Http1, peer))).await)
                }
            }
        };
        Ok(Paced::new(connection.into_service()))
    }
}

/// A TLS handshake.
async fn accept(acceptor: TlsAcceptor, io: TcpStream) -> io::Result<Box<TlsStream<TcpStream>>> {
    acceptor.accept(io).await.map(Box::new)
}

/// The framework's HTTP/1.
async fn http1<IO, A>(
    head_timeout: Duration,
    app: Rc<A>,
) -> Result<impl Service<Accepted<IO>, Response = (), Error: fmt::Display>, ()>
where
    IO: AsyncRead + AsyncWrite + Unpin + 'static,
    A: Answers,
{
    let app = fn_factory(move || {
        let app = Rc::clone(&app);
        async move { Ok::<_, ()>(app) }
    });
    let http1 = HttpService::build()
        .keep_alive(IDLE)
        .client_request_timeout(head_timeout)
        .client_disconnect_timeout(GOODBYE)
        // A subscriber that hung up is gone at once, not at the next failed write.
        .h1_allow_half_closed(false)
        .on_connect_ext(|io: &Transport<IO>, data| {
            data.insert(io.traffic());
        })
        .finish(app);
    http1.new_service(()).await
}

/// A connection, as the framework wants it.
type Accepted<IO> = (Transport<IO>, Protocol, Option<std::net::SocketAddr>);

/// Connections end in all manners of ways, and nobody can do anything about it.
fn ended<E: fmt::Display>(result: Result<(), E>) -> Result<(), ()> {
    result.map_err(|error| tracing::debug!(%error, "a connection ended before its time"))
}

#[cfg(test)]
mod tests {
    use actix_web::{App, web};

    use super::*;

    /// There is one for each connection, and most of them carry a stream and nothing else.
    #[actix_rt::test]
    async fn a_plain_connection_does_not_pay_for_tls() {
        let serve = Serve {
            name: "test",
            workers: 1,
            head_timeout: Duration::from_secs(10),
            stall_timeout: Duration::from_secs(30),
            stop_seconds: 1,
            hand_over: true,
            tls: None,
            lifecycle: Lifecycle::default(),
        };
        let app = App::new().default_service(web::to(crate::edge::not_found)).into_factory();
        let app = Rc::new(app.new_service(AppConfig::default()).await.unwrap());
        let stop = Server::build().graceful_shutdown_signal();
        let connections = serve.worker(None, stop, app).await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let size = size_of_val(&connections.call(client));
        assert!(size <= 768, "{size} bytes");
    }
}
