//! [`Connection`]: the actor that holds one tenant's line.
//!
//! It is a thin shell: its line (a future that it owns and that dies with it) has the states, the session decides them. What
//! operators want reaches the line by a watched value, so the actor accepts nothing. Its supervisor learns of its end by
//! [`ChildDown`], however it ends.

use actix::{Actor, ActorContext, ActorFutureExt, AsyncContext, Context, WrapFuture};
use futures_util::future::LocalBoxFuture;

use crate::{
    directory::Life,
    supervisor::{ChildDown, SupervisorLink},
};

/// Makes the future of a line, on the thread where it will live.
pub(crate) type LineFactory = Box<dyn FnOnce() -> LocalBoxFuture<'static, ()> + Send>;

/// The actor. See the module's page.
pub(crate) struct Connection {
    factory: Option<LineFactory>,
    guard: ChildGuard,
}

/// Names one connection among all that there ever were.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ChildId {
    /// Which life of its tenant.
    pub(crate) life: Life,
    /// Which start within it.
    pub(crate) generation: u64,
}

/// Tells the supervisor when the connection is gone, also when a panic took it.
struct ChildGuard {
    id: ChildId,
    supervisor: SupervisorLink,
    /// The line ended by itself.
    orderly: bool,
}

impl Connection {
    pub(crate) fn new(id: ChildId, supervisor: SupervisorLink, factory: LineFactory) -> Self {
        Self { factory: Some(factory), guard: ChildGuard { id, supervisor, orderly: false } }
    }
}

impl Actor for Connection {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        if let Some(factory) = self.factory.take() {
            let ended = factory().into_actor(self).map(|(), connection, ctx| {
                connection.guard.orderly = true;
                ctx.stop();
            });
            ctx.spawn(ended);
        }
    }
}

impl Drop for ChildGuard {
    fn drop(&mut self) {
        self.supervisor.tell(ChildDown { id: self.id, orderly: self.orderly });
    }
}
