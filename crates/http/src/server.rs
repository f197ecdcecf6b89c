use std::{
    net::{SocketAddr, TcpListener},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use actix_web::{
    App,
    dev::{Server, ServerHandle},
    middleware::from_fn,
    rt::time::sleep,
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
    serve::Serve,
    socket,
    tls::Certificate,
};

/// How long connections whose handshake had begun may take to come in once no further one may begin: a round trip round the
/// world, and some time for a busy thread to fetch them.
const LAST_HANDSHAKES: Duration = Duration::from_millis(250);

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
    tls: Option<Certificate>,
    listener: Listening,
}

/// Stops the listeners from elsewhere, and gives them other settings.
#[derive(Clone, Debug)]
pub struct HttpHandle {
    public: ServerHandle,
    admin: ServerHandle,
    shared: Shared,
    tls: Option<Certificate>,
    listener: Listening,
}

/// The public listener's socket beside the one that the server has, until it is to be closed for good.
type Listening = Arc<Mutex<Option<TcpListener>>>;

/// Opens both listeners at once, so that a mistake in either is known before anything is served.
///
/// # Errors
/// An address can't be listened on, the certificate can't be used, or the admin listener would be open to others without a
/// token.
pub fn bind(config: HttpConfig, deps: Deps) -> Result<Http, HttpError> {
    if config.admin.token.is_none() && !config.admin.bind.ip().is_loopback() {
        return Err(HttpError::TokenRequired { addr: config.admin.bind });
    }
    let tls = config.public.tls.as_ref().map(TlsConfig::load).transpose()?.map(Certificate::new);
    let public = open(config.public.bind)?;
    let admin = open(config.admin.bind)?;
    let (public_addr, admin_addr) = (local_addr(&public)?, local_addr(&admin)?);
    tracing::info!(public = %public_addr, admin = %admin_addr, "listeners are open");
    let counts = HttpCounts::default();
    let metrics = Metrics::new(&deps, &counts, tls.as_ref());
    let policy = LivePolicy::new(config.policy.clone());
    let auth = Auth::new(policy.clone(), deps.fanout.clone(), counts.auth.clone());
    let shared = Shared { policy, auth, limits: Limits::default(), counts };
    let admin = admin_server(admin, &config, deps.clone(), metrics, &shared)?;
    let listener = Arc::new(Mutex::new(Some(public.try_clone().map_err(HttpError::Serve)?)));
    let public = public_server(public, config.public, deps, (&shared, tls.as_ref()))?;
    Ok(Http { public_addr, admin_addr, public, admin, shared, tls, listener })
}

impl Http {
    /// A handle that stops both listeners.
    pub fn handle(&self) -> HttpHandle {
        HttpHandle {
            public: self.public.handle(),
            admin: self.admin.handle(),
            shared: self.shared.clone(),
            tls: self.tls.clone(),
            listener: Arc::clone(&self.listener),
        }
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
    /// Takes other settings of the public listener, and reads the certificate again. Streams that may stay go on. A listener
    /// that began without TLS goes on without, and the other way round: that takes a restart.
    ///
    /// # Errors
    /// The certificate can't be used: the one before stays, and so do all other settings.
    pub fn reload(&self, policy: Policy, tls: Option<&TlsConfig>) -> Result<(), TlsError> {
        if let (Some(certificate), Some(config)) = (&self.tls, tls) {
            certificate.set(config.load()?);
        }
        self.shared.auth.reload(&policy.auth);
        self.shared.policy.set(policy);
        Ok(())
    }

    /// Takes no new connections on the public listener: those that came until now are served, and none is reset. Streams
    /// and requests under way go on, until [`HttpHandle::stop`].
    ///
    /// On Linux whoever tries to connect from now on gets no answer, tries again, and finds the next process there, or
    /// nobody. Elsewhere connections are taken and answered until the stop.
    pub async fn close_public(&self) {
        let refused = match &*self.listener() {
            Some(listener) => socket::refuse_silently(listener),
            None => return,
        };
        match refused {
            Ok(()) => sleep(LAST_HANDSHAKES).await,
            Err(error) => tracing::debug!(%error, "connections are taken until the stop"),
        }
    }

    /// Stops both listeners, the admin one last, so that probes see the drain to its end. Requests under way have a few
    /// seconds; end the streams before, by the fan-out's drain.
    pub async fn stop(&self) {
        drop(self.listener().take());
        self.public.stop(true).await;
        self.admin.stop(true).await;
    }

    fn listener(&self) -> std::sync::MutexGuard<'_, Option<TcpListener>> {
        self.listener.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn open(addr: SocketAddr) -> Result<TcpListener, HttpError> {
    socket::listen(addr).map_err(|error| HttpError::Bind { addr, error })
}

fn local_addr(listener: &TcpListener) -> Result<SocketAddr, HttpError> {
    listener.local_addr().map_err(HttpError::Serve)
}

/// A body may take as long as a head: both are small here.
fn edge_data(listener: Listener, config: &PublicConfig, deps: &Deps, shared: &Shared) -> Data<Edge> {
    Data::new(Edge {
        listener,
        policy: shared.policy.clone(),
        body_timeout: config.head_timeout,
        lifecycle: deps.lifecycle.clone(),
        counts: shared.counts.clone(),
    })
}

fn public_server(
    listener: TcpListener,
    config: PublicConfig,
    deps: Deps,
    (shared, tls): (&Shared, Option<&Certificate>),
) -> Result<Server, HttpError> {
    let config = Arc::new(config);
    let edge_data = edge_data(Listener::Public, &config, &deps, shared);
    let lifecycle = deps.lifecycle.clone();
    let (settings, shared) = (Arc::clone(&config), shared.clone());
    // Runs once on each worker thread, inside its runtime: what it makes need not leave the thread.
    let app = move || {
        let public = Public::new(&deps, &shared);
        App::new()
            .app_data(edge_data.clone())
            .wrap(from_fn(edge))
            .configure(|app| public::routes(app, public, &settings))
    };
    let serve = Serve {
        name: "public",
        workers: config.workers,
        head_timeout: config.head_timeout,
        stall_timeout: config.stall_timeout,
        stop_seconds: PUBLIC_STOP_SECONDS,
        hand_over: config.hand_over,
        tls: tls.cloned(),
        lifecycle,
    };
    serve.server(listener, app).map_err(HttpError::Serve)
}

fn admin_server(
    listener: TcpListener,
    config: &HttpConfig,
    deps: Deps,
    metrics: Metrics,
    shared: &Shared,
) -> Result<Server, HttpError> {
    let access = Data::new(config.admin.token.clone().map_or(Access::Loopback, Access::Token));
    let edge_data = edge_data(Listener::Admin, &config.public, &deps, shared);
    let lifecycle = deps.lifecycle.clone();
    let (deps, metrics) = (Data::new(deps), Data::new(metrics));
    let app = move || {
        App::new()
            .app_data(access.clone())
            .app_data(edge_data.clone())
            .wrap(from_fn(admit))
            .wrap(from_fn(edge))
            .configure(|app| admin::routes(app, deps.clone(), metrics.clone()))
    };
    let serve = Serve {
        name: "admin",
        workers: 1,
        head_timeout: config.public.head_timeout,
        stall_timeout: config.public.stall_timeout,
        stop_seconds: ADMIN_STOP_SECONDS,
        hand_over: false,
        tls: None,
        lifecycle,
    };
    serve.server(listener, app).map_err(HttpError::Serve)
}
