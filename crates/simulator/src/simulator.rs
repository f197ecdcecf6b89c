use std::{
    any::Any,
    io,
    net::{SocketAddr, TcpListener},
    sync::Arc,
    time::{Duration, Instant},
};

use actix_web::{
    App, HttpServer,
    dev::{Extensions, Server, ServerHandle},
    rt::net::TcpStream,
    web,
};
use actix_web_actors::ws::CloseCode;
use pushgate_model::PushId;
use socket2::{Domain, Protocol, SockRef, Socket, Type};

use crate::{
    SimulatorConfig, SimulatorError, StatsSnapshot,
    clock::Clock,
    content::{Content, NewPush, fresh_id, now_text},
    control,
    service::Service,
    slot::Ending,
    upgrade::upgrade,
};

/// Handshakes that may wait to be accepted: a gateway that starts dials all its tenants at once.
const BACKLOG: i32 = 4096;
/// Sockets and control requests that one worker serves at a time; further ones wait to be accepted.
const CONNECTIONS_PER_WORKER: usize = 50_000;
/// How long a stop waits for sockets to end, in seconds.
const STOP_GRACE: u64 = 2;

/// A simulated push service that listens, and serves once it [runs](Simulator::run).
pub struct Simulator {
    addr: SocketAddr,
    service: Arc<Service>,
    server: Server,
}

/// Controls a simulator from the process that it runs in. Cloning is cheap.
#[derive(Clone)]
pub struct SimulatorHandle {
    addr: SocketAddr,
    service: Arc<Service>,
    server: ServerHandle,
}

impl Simulator {
    /// Listens on the configured address. Handshakes that come before [`run`](Simulator::run) wait.
    ///
    /// # Errors
    /// The configuration contradicts itself, or the address can't be listened on.
    pub fn bind(config: SimulatorConfig) -> Result<Self, SimulatorError> {
        config.validate()?;
        let addr = config.bind;
        let failed = |source| SimulatorError::Bind { addr, source };
        let listener = listen(addr).map_err(failed)?;
        let addr = listener.local_addr().map_err(failed)?;
        let service = Arc::new(Service::new(config));
        let server = serve(listener, &service).map_err(failed)?;
        Ok(Self { addr, service, server })
    }

    /// Where it listens: the port that port 0 became.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// A handle that works from anywhere, also before and after the run.
    pub fn handle(&self) -> SimulatorHandle {
        SimulatorHandle { addr: self.addr, service: self.service.clone(), server: self.server.handle() }
    }

    /// Serves until the handle stops it. Needs a tokio runtime or an actix system to wait in; all work is done on
    /// threads of its own. Dropping the future stops the threads too.
    ///
    /// # Errors
    /// The threads can't be started.
    pub async fn run(self) -> Result<(), SimulatorError> {
        let clock = Clock::start(self.service).map_err(SimulatorError::Serve)?;
        tracing::info!(addr = %self.addr, "simulator listens");
        let ended = self.server.await;
        drop(clock);
        ended.map_err(SimulatorError::Serve)
    }
}

impl SimulatorHandle {
    /// Where the simulator listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The upstream URL for a gateway, with the `{tenant}` hole in it.
    pub fn upstream_url(&self) -> String {
        format!("ws://{}/ws/{{tenant}}", self.addr)
    }

    /// Sends a push to an account, as soon as it has a socket. Nothing when there is no such account, or too many
    /// pushes wait for their answer.
    pub fn push(&self, account: &str, title: &str, body: &str) -> Option<PushId> {
        let account = self.service.account(account).filter(|_| self.service.has_room(1))?;
        let content = Content { title: title.to_owned(), body: body.to_owned(), stamp: None };
        let id = fresh_id();
        account.enqueue(NewPush { id: id.clone(), created_at: now_text(), content: content.into(), counter: 0 });
        Some(id)
    }

    /// What happened so far, over all accounts.
    pub fn stats(&self) -> StatsSnapshot {
        self.service.stats.snapshot(Instant::now())
    }

    /// Ends all sockets with Close 1001 and then the run. Returns once the port is free.
    pub async fn stop(&self) {
        self.service.shut_down(Ending::Close(CloseCode::Away, "the simulator stops"));
        self.server.stop(true).await;
    }
}

fn listen(addr: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.bind(&addr.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

fn serve(listener: TcpListener, service: &Arc<Service>) -> io::Result<Server> {
    let data = web::Data::from(service.clone());
    let unsent_for = service.config.ping_timeout;
    let workers = match service.config.workers {
        0 => std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        workers => workers,
    };
    let server = HttpServer::new(move || {
        let ws = web::resource("/ws/{account}").route(web::get().to(upgrade));
        App::new()
            .app_data(data.clone())
            .service(ws.default_service(web::to(control::method_not_allowed)))
            .configure(control::routes)
            .default_service(web::to(control::no_route))
    });
    let server = server
        .on_connect(move |io: &dyn Any, _: &mut Extensions| {
            if let Some(stream) = io.downcast_ref::<TcpStream>() {
                tune(stream, unsent_for);
            }
        })
        .workers(workers)
        .max_connections(CONNECTIONS_PER_WORKER)
        // An ended body ends the TCP connection at once: a cut is a cut.
        .client_disconnect_timeout(Duration::ZERO)
        .h1_allow_half_closed(false)
        .shutdown_timeout(STOP_GRACE)
        .disable_signals()
        .listen(listener)?;
    Ok(server.run())
}

/// Frames leave at once, and a connection whose peer takes no bytes for that long is ended by the system.
fn tune(stream: &TcpStream, unsent_for: Duration) {
    let socket = SockRef::from(stream);
    let tuned = socket.set_tcp_nodelay(true).and_then(|()| socket.set_tcp_user_timeout(Some(unsent_for)));
    if let Err(error) = tuned {
        tracing::debug!(%error, "socket not tuned");
    }
}
