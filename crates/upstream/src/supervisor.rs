//! [`TenantSupervisor`]: the actor that starts one [`Connection`] per tenant and starts it again when it crashed.
//!
//! actix's own supervisor neither sees panics, nor rebuilds the actor, nor pauses; this one has a factory, learns of
//! each end by a drop guard in the child, and restarts that child alone, after a pause that doubles from 1 s
//! to 10 min until the child has lived for a minute. Siblings are never touched.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, SystemTime},
};

use actix::{Actor, Addr, ArbiterHandle, AsyncContext, Context, Handler, Message, WeakRecipient};
use pushgate_fanout::Fanout;
use pushgate_model::{ConnectionState, TenantId, TenantStatus, Timestamp};
use tokio::{sync::oneshot, time::Instant};

use crate::{
    Directory, TenantConfig, TenantSnapshot, UpstreamMetrics,
    connection::{Connection, Drain, LineFactory},
};

/// The first pause before a restart; it doubles with each crash.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest pause before a restart.
const LONGEST_PAUSE: Duration = Duration::from_secs(600);
/// A child that lived so long starts counting anew.
const STEADY_AFTER: Duration = Duration::from_secs(60);

/// Makes a line for a tenant; called on the thread where the line will live.
pub(crate) type MakeLine = Arc<dyn Fn(TenantConfig) -> LineFactory + Send + Sync>;

/// What the supervisor works with.
pub(crate) struct SupervisorSpec {
    pub(crate) tenants: Vec<TenantConfig>,
    pub(crate) make_line: MakeLine,
    pub(crate) arbiters: Vec<ArbiterHandle>,
    pub(crate) directory: Arc<Directory>,
    pub(crate) fanout: Fanout,
    pub(crate) metrics: UpstreamMetrics,
}

/// The actor. See the module's page.
pub(crate) struct TenantSupervisor {
    spec: SupervisorSpec,
    children: HashMap<TenantId, Child>,
    draining: bool,
    drained: Vec<oneshot::Sender<()>>,
    next_arbiter: usize,
}

struct Child {
    tenant: TenantConfig,
    generation: u64,
    /// Nothing while a restart is pending.
    addr: Option<Addr<Connection>>,
    started: Instant,
    crashes: u32,
}

/// A child ended.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct ChildDown {
    pub(crate) tenant: TenantId,
    pub(crate) generation: u64,
    /// It ended by itself; otherwise it panicked or its thread went away.
    pub(crate) orderly: bool,
}

/// Drain all children; the sender is told when the last is gone.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct DrainAll(pub(crate) oneshot::Sender<()>);

/// Where a child reports its end.
#[derive(Clone, Debug)]
pub(crate) struct SupervisorLink(WeakRecipient<ChildDown>);

impl SupervisorLink {
    /// Never waits and never fails: this is a fact of life, not data.
    pub(crate) fn tell(&self, down: ChildDown) {
        if let Some(supervisor) = self.0.upgrade() {
            supervisor.do_send(down);
        }
    }
}

impl TenantSupervisor {
    pub(crate) fn new(spec: SupervisorSpec) -> Self {
        Self { spec, children: HashMap::new(), draining: false, drained: Vec::new(), next_arbiter: 0 }
    }

    /// Starts a tenant's connection, for the first time or again.
    fn start_child(&mut self, tenant: TenantConfig, ctx: &mut Context<Self>) {
        let (generation, crashes) =
            self.children.get(&tenant.id).map_or((1, 0), |child| (child.generation + 1, child.crashes));
        let link = SupervisorLink(ctx.address().downgrade().recipient());
        let (id, make_line, config) = (tenant.id.clone(), Arc::clone(&self.spec.make_line), tenant.clone());
        let arbiter = &self.spec.arbiters[self.next_arbiter % self.spec.arbiters.len()];
        self.next_arbiter += 1;
        let addr =
            Connection::start_in_arbiter(arbiter, move |_| Connection::new(id, generation, link, make_line(config)));
        let child = Child { tenant, generation, addr: Some(addr), started: Instant::now(), crashes };
        self.children.insert(child.tenant.id.clone(), child);
    }

    fn crashed(&mut self, id: &TenantId, ctx: &mut Context<Self>) {
        let Some(child) = self.children.get_mut(id) else { return };
        child.addr = None;
        child.crashes = if child.started.elapsed() >= STEADY_AFTER { 1 } else { child.crashes + 1 };
        let pause = pause_after(child.crashes);
        self.spec.metrics.panics.inc();
        tracing::error!(tenant = %id, crashes = child.crashes, pause_ms = pause.as_millis() as u64, "connection panicked");
        self.publish(id, ConnectionState::Crashed, Some(pause));
        let (id, generation) = (id.clone(), self.children[id].generation);
        ctx.run_later(pause, move |supervisor, ctx| {
            let due =
                supervisor.children.get(&id).filter(|child| child.generation == generation && child.addr.is_none());
            if let (false, Some(tenant)) = (supervisor.draining, due.map(|child| child.tenant.clone())) {
                supervisor.start_child(tenant, ctx);
            }
        });
    }

    /// Speaks for a tenant that has no line.
    fn publish(&self, id: &TenantId, state: ConnectionState, retry_in: Option<Duration>) {
        let now = Timestamp::from(SystemTime::now());
        let Some(child) = self.children.get(id) else { return };
        let reason = match state {
            ConnectionState::Crashed => Some("panic".into()),
            ConnectionState::Paused => Some("disabled".into()),
            _ => None,
        };
        let status = TenantStatus { state, since: now, reason };
        let mut snapshot =
            self.spec.directory.get(id).unwrap_or_else(|| TenantSnapshot::new(id.clone(), child.tenant.source));
        snapshot.status = status.clone();
        snapshot.connected_since = None;
        snapshot.attempt = child.crashes;
        snapshot.next_retry_at = retry_in.map(|pause| now.plus(pause));
        self.spec.directory.put(snapshot);
        self.spec.fanout.publish(id, status);
    }

    fn tell_when_drained(&mut self) {
        if self.draining && self.children.values().all(|child| child.addr.is_none()) {
            for waiter in self.drained.drain(..) {
                // Whoever gave up waiting needs no word.
                let _ = waiter.send(());
            }
        }
    }
}

/// The pause before the restart that follows the `crashes`-th crash in a row.
fn pause_after(crashes: u32) -> Duration {
    let doubled = FIRST_PAUSE.saturating_mul(1 << crashes.saturating_sub(1).min(16));
    doubled.min(LONGEST_PAUSE)
}

impl Actor for TenantSupervisor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        for tenant in std::mem::take(&mut self.spec.tenants) {
            if tenant.enabled {
                self.start_child(tenant, ctx);
            } else {
                let id = tenant.id.clone();
                let child = Child { tenant, generation: 0, addr: None, started: Instant::now(), crashes: 0 };
                self.children.insert(id.clone(), child);
                self.publish(&id, ConnectionState::Paused, None);
            }
        }
    }
}

impl Handler<ChildDown> for TenantSupervisor {
    type Result = ();

    fn handle(&mut self, down: ChildDown, ctx: &mut Self::Context) {
        let current = self.children.get_mut(&down.tenant).filter(|child| child.generation == down.generation);
        let Some(child) = current else { return };
        if down.orderly || self.draining {
            child.addr = None;
        } else {
            self.crashed(&down.tenant, ctx);
        }
        self.tell_when_drained();
    }
}

impl Handler<DrainAll> for TenantSupervisor {
    type Result = ();

    fn handle(&mut self, DrainAll(waiter): DrainAll, _: &mut Self::Context) {
        self.draining = true;
        self.drained.push(waiter);
        for child in self.children.values() {
            if let Some(addr) = &child.addr {
                addr.do_send(Drain);
            }
        }
        self.tell_when_drained();
    }
}

#[cfg(test)]
mod tests;
