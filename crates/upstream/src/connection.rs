//! [`Connection`]: the actor that holds one tenant's line.
//!
//! It is a thin shell: its line (a future that it owns and that dies with it) has the states, the session decides them.
//! It accepts [`Drain`]. Its supervisor learns of its end by [`ChildDown`], however it ends.

use actix::{Actor, ActorContext, ActorFutureExt, AsyncContext, Context, Handler, Message, WrapFuture};
use futures_util::future::LocalBoxFuture;
use pushgate_model::TenantId;
use tokio::sync::watch;

use crate::supervisor::{ChildDown, SupervisorLink};

/// Stop in order: answer what is in flight, close, end.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct Drain;

/// Makes the future of a line; it gets the switch that tells it to drain.
pub(crate) type LineFactory = Box<dyn FnOnce(watch::Receiver<bool>) -> LocalBoxFuture<'static, ()>>;

/// The actor. See the module's page.
pub(crate) struct Connection {
    factory: Option<LineFactory>,
    draining: watch::Sender<bool>,
    guard: ChildGuard,
}

/// Tells the supervisor when the connection is gone, also when a panic took it.
struct ChildGuard {
    tenant: TenantId,
    generation: u64,
    supervisor: SupervisorLink,
    /// The line ended by itself.
    orderly: bool,
}

impl Connection {
    pub(crate) fn new(tenant: TenantId, generation: u64, supervisor: SupervisorLink, factory: LineFactory) -> Self {
        let guard = ChildGuard { tenant, generation, supervisor, orderly: false };
        Self { factory: Some(factory), draining: watch::Sender::new(false), guard }
    }
}

impl Actor for Connection {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        if let Some(factory) = self.factory.take() {
            let line = factory(self.draining.subscribe());
            let ended = line.into_actor(self).map(|(), connection, ctx| {
                connection.guard.orderly = true;
                ctx.stop();
            });
            ctx.spawn(ended);
        }
    }
}

impl Handler<Drain> for Connection {
    type Result = ();

    fn handle(&mut self, _: Drain, _: &mut Self::Context) {
        self.draining.send_replace(true);
    }
}

impl Drop for ChildGuard {
    fn drop(&mut self) {
        let (tenant, generation, orderly) = (self.tenant.clone(), self.generation, self.orderly);
        self.supervisor.tell(ChildDown { tenant, generation, orderly });
    }
}
