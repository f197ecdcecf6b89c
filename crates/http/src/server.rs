use std::{
    net::{SocketAddr, TcpListener},
    sync::Arc,
    time::Duration,
};

use actix_web::{
    App, HttpServer,
    dev::{Server, ServerHandle},
    middleware::from_fn,
    web::Data,
};
use futures_util::future;

use crate::{
    Deps, HttpConfig, HttpError, Policy, PublicConfig, RemoteKeys, TlsConfig, TlsError,
    access::{Access, admit},
    admin,
    auth::Auth,
    edge::{Edge, edge},
    limits::Limits,
    metrics::{HttpCounts, Listener, Metrics},
    policy::LivePolicy,
    public::{self, Public, Shared},
    socket,
};

/// Connections of one worker thread. Far above what a thread can serve well, so that the limit on open files, which the
/// operator sees and sets, is the one that counts.
const CONNECTIONS_PER_WORKER: usize = 250_000;

/// How long a connection may be idle between two requests; above the 60 s of common proxies, so that the proxy closes
/// first and never sends into a closing connection.
const IDLE: Duration = Duration::from_secs(75);

/// How long a connection that is closed by us may take to say goodbye.
const GOODBYE: Duration = Duration::from_secs(2);

/// Seconds that a stop waits for what subscribers are being sent. Streams have ended before, by the fan-out's drain.
const PUBLIC_STOP_SECONDS: u64 = 2;

/// Seconds that a stop waits for what operators are being sent: short answers, all of them.
const ADMIN_STOP_SECONDS: u64 = 1;

/// Both listeners, open. Connections wait in the kernel until [`Http::run`] is polled.
#[must_use = "nothing is served before `run` is awaited"]
pub struct Http {
    /// Where subscribers reach it.
    pub public_addr: SocketAddr,
    /// Where operators reach it.
    pub admin_addr: SocketAddr,
    public: Server,
    admin: Server,
    shared: Shared,
}

/// Stops the listeners from elsewhere, and gives them other settings.
#[derive(Clone, Debug)]
pub struct HttpHandle {
    public: ServerHandle,
    admin: ServerHandle,
    shared: Shared,
}

/// Opens both listeners at once, so that a mistake in either is known before anything is served.
///
/// # Errors
/// An address can't be listened on, or the admin listener would be open to others without a token.
pub fn bind(config: HttpConfig, deps: Deps) -> Result<Http, HttpError> {
    if config.admin.token.is_none() && !config.admin.bind.ip().is_loopback() {
        return Err(HttpError::TokenRequired { addr: config.admin.bind });
    }
    let public = open(config.public.bind)?;
    let admin = open(config.admin.bind)?;
    let (public_addr, admin_addr) = (local_addr(&public)?, local_addr(&admin)?);
    tracing::info!(public = %public_addr, admin = %admin_addr, "listeners are open");
    let counts = HttpCounts::default();
    let metrics = Metrics::new(&deps, &counts);
    let policy = LivePolicy::new(config.policy.clone());
    let auth = Auth::new(policy.clone(), deps.fanout.clone(), counts.auth.clone());
    let shared = Shared { policy, auth, limits: Limits, counts };
    let admin = admin_server(admin, &config, deps.clone(), metrics, &shared)?;
    let public = public_server(public, config.public, deps, &shared)?;
    Ok(Http { public_addr, admin_addr, public, admin, shared })
}

impl Http {
    /// A handle that stops both listeners.
    pub fn handle(&self) -> HttpHandle {
        HttpHandle { public: self.public.handle(), admin: self.admin.handle(), shared: self.shared.clone() }
    }

    /// The way by which fetched keys get in.
    pub fn remote_keys(&self) -> RemoteKeys {
        RemoteKeys::new(self.shared.auth.clone())
    }

    /// Serves until [`HttpHandle::stop`].
    ///
    /// # Errors
    /// A listener ended by itself; the other one is stopped then.
    pub async fn run(self) -> Result<(), HttpError> {
        future::try_join(self.public, self.admin).await.map(drop).map_err(HttpError::Serve)
    }
}

impl std::fmt::Debug for Http {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Http")
            .field("public_addr", &self.public_addr)
            .field("admin_addr", &self.admin_addr)
            .finish_non_exhaustive()
    }
}

impl HttpHandle {
    /// Takes other settings of the public listener, and reads the certificate again. Streams that may stay go on.
    ///
    /// # Errors
    /// The certificate can't be used: the one before stays, and so do all other settings.
    pub fn reload(&self, policy: Policy, tls: Option<&TlsConfig>) -> Result<(), TlsError> {
        let _ = tls;
        self.shared.auth.reload(&policy.auth);
        self.shared.policy.set(policy);
        Ok(())
    }

    /// Takes no new connections on the public listener: those that came until now are served, and none is reset. Streams
    /// and requests under way go on, until [`HttpHandle::stop`].
    #[expect(clippy::unused_async, reason = "scaffold")]
    pub async fn close_public(&self) {
        let _ = self;
    }

    /// Stops both listeners, the admin one last, so that probes see the drain to its end. Requests under way have a few
    /// seconds; end the streams before, by the fan-out's drain.
    pub async fn stop(&self) {
        self.public.stop(true).await;
        self.admin.stop(true).await;
    }
}

fn open(addr: SocketAddr) -> Result<TcpListener, HttpError> {
    socket::listen(addr).map_err(|error| HttpError::Bind { addr, error })
}

fn local_addr(listener: &TcpListener) -> Result<SocketAddr, HttpError> {
    listener.local_addr().map_err(HttpError::Serve)
}

/// A body may take as long as a head: both are small here.
fn edge_data(listener: Listener, config: &PublicConfig, shared: &Shared) -> Data<Edge> {
    let body_timeout = config.head_timeout;
    Data::new(Edge { listener, policy: shared.policy.clone(), body_timeout, counts: shared.counts.clone() })
}

fn public_server(
    listener: TcpListener,
    config: PublicConfig,
    deps: Deps,
    shared: &Shared,
) -> Result<Server, HttpError> {
    let config = Arc::new(config);
    let edge_data = edge_data(Listener::Public, &config, shared);
    let (settings, shared) = (Arc::clone(&config), shared.clone());
    // Runs once on each worker thread, inside its runtime: what it makes need not leave the thread.
    let app = move || {
        let public = Public::new(&deps, &shared);
        App::new()
            .app_data(edge_data.clone())
            .wrap(from_fn(edge))
            .configure(|app| public::routes(app, public, &settings))
    };
    let stall_timeout = config.stall_timeout;
    let server = HttpServer::new(app)
        .workers(config.workers.max(1))
        .max_connections(CONNECTIONS_PER_WORKER)
        .keep_alive(IDLE)
        .client_request_timeout(config.head_timeout)
        .client_disconnect_timeout(GOODBYE)
        // A subscriber that hung up is gone at once, not at the next failed write.
        .h1_allow_half_closed(false)
        .on_connect(move |connection, _| socket::prepare(connection, stall_timeout))
        .shutdown_timeout(PUBLIC_STOP_SECONDS)
        .disable_signals()
        .listen(listener)
        .map_err(HttpError::Serve)?;
    Ok(server.run())
}

fn admin_server(
    listener: TcpListener,
    config: &HttpConfig,
    deps: Deps,
    metrics: Metrics,
    shared: &Shared,
) -> Result<Server, HttpError> {
    let access = Data::new(config.admin.token.clone().map_or(Access::Loopback, Access::Token));
    let edge_data = edge_data(Listener::Admin, &config.public, shared);
    let (deps, metrics) = (Data::new(deps), Data::new(metrics));
    let app = move || {
        App::new()
            .app_data(access.clone())
            .app_data(edge_data.clone())
            .wrap(from_fn(admit))
            .wrap(from_fn(edge))
            .configure(|app| admin::routes(app, deps.clone(), metrics.clone()))
    };
    let stall_timeout = config.public.stall_timeout;
    let server = HttpServer::new(app)
        .workers(1)
        .keep_alive(IDLE)
        .client_request_timeout(config.public.head_timeout)
        .client_disconnect_timeout(GOODBYE)
        .h1_allow_half_closed(false)
        .on_connect(move |connection, _| socket::prepare(connection, stall_timeout))
        .shutdown_timeout(ADMIN_STOP_SECONDS)
        .disable_signals()
        .listen(listener)
        .map_err(HttpError::Serve)?;
    Ok(server.run())
}
