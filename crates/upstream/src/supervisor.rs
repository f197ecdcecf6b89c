//! [`TenantSupervisor`]: the actor that starts one [`Connection`] per tenant and starts it again when it crashed.
//!
//! actix's own supervisor neither sees panics, nor rebuilds the actor, nor pauses; this one has a factory, learns of
//! each end by a drop guard in the child, and restarts that child alone, after a pause that doubles from 1 s
//! to 10 min until the child has lived for a minute. Siblings are never touched.
//!
//! It accepts [`Begin`], [`Hurry`], [`Forget`] and [`DrainAll`] from whoever keeps the tenants, and [`ChildDown`] from its
//! children.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, SystemTime},
};

use actix::{Actor, Addr, ArbiterHandle, AsyncContext, Context, Handler, Message, SpawnHandle, WeakRecipient};
use pushgate_model::{ConnectionState, TenantId, TenantStatus, Timestamp};
use tokio::{
    sync::{oneshot, watch},
    time::Instant,
};

use crate::{
    Source, TenantSnapshot, Transition, Vitals,
    connection::{ChildId, Connection, LineFactory},
    desired::Desired,
    directory::Life,
    report::ReportSpec,
};

/// The first pause before a restart; it doubles with each crash.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest pause before a restart.
const LONGEST_PAUSE: Duration = Duration::from_secs(600);
/// A child that lived so long starts counting anew.
const STEADY_AFTER: Duration = Duration::from_secs(60);

/// Makes a line for one life of a tenant.
pub(crate) type MakeLine = Arc<dyn Fn(Life, watch::Receiver<Desired>) -> LineFactory + Send + Sync>;

/// What the supervisor works with.
pub(crate) struct SupervisorSpec {
    pub(crate) make_line: MakeLine,
    pub(crate) arbiters: Vec<ArbiterHandle>,
    pub(crate) report: ReportSpec,
    pub(crate) vitals: Vitals,
}

/// The actor. See the module's page.
pub(crate) struct TenantSupervisor {
    spec: SupervisorSpec,
    children: HashMap<Life, Child>,
    draining: bool,
    drained: Vec<oneshot::Sender<()>>,
    next_arbiter: usize,
}

struct Child {
    tenant: TenantId,
    desired: watch::Receiver<Desired>,
    generation: u64,
    /// Nothing while a restart is pending.
    addr: Option<Addr<Connection>>,
    restart: Option<SpawnHandle>,
    started: Instant,
    crashes: u32,
    /// Who waits for its end; then it is forgotten.
    forgotten: Option<oneshot::Sender<()>>,
}

/// A tenant's life begins. Said twice, it counts once.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct Begin {
    pub(crate) tenant: TenantId,
    pub(crate) life: Life,
    pub(crate) desired: watch::Receiver<Desired>,
}

/// A restart that is pending happens now.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct Hurry(pub(crate) Life);

/// This life is over; the connection has been told to end. The sender is told when it has.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct Forget(pub(crate) Life, pub(crate) oneshot::Sender<()>);

/// All children have been told to end; the sender is told when the last is gone.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct DrainAll(pub(crate) oneshot::Sender<()>);

/// A child ended.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct ChildDown {
    pub(crate) id: ChildId,
    /// It ended by itself; otherwise it panicked or its thread went away.
    pub(crate) orderly: bool,
}

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
    fn start_child(&mut self, life: Life, ctx: &mut Context<Self>) {
        let Some(child) = self.children.get_mut(&life).filter(|child| child.addr.is_none()) else { return };
        if self.draining {
            return;
        }
        if let Some(restart) = child.restart.take() {
            ctx.cancel_future(restart);
        }
        child.generation += 1;
        child.started = Instant::now();
        let id = ChildId { life, generation: child.generation };
        let link = SupervisorLink(ctx.address().downgrade().recipient());
        let factory = (self.spec.make_line)(life, child.desired.clone());
        let arbiter = &self.spec.arbiters[self.next_arbiter % self.spec.arbiters.len()];
        self.next_arbiter += 1;
        child.addr = Some(Connection::start_in_arbiter(arbiter, move |_| Connection::new(id, link, factory)));
    }

    fn crashed(&mut self, life: Life, ctx: &mut Context<Self>) {
        let Some(child) = self.children.get_mut(&life) else { return };
        child.crashes = if child.started.elapsed() >= STEADY_AFTER { 1 } else { child.crashes + 1 };
        let pause = pause_after(child.crashes);
        let tenant = &child.tenant;
        tracing::error!(%tenant, crashes = child.crashes, pause_ms = pause.as_millis() as u64, "connection panicked");
        child.restart = Some(ctx.run_later(pause, move |supervisor, ctx| supervisor.start_child(life, ctx)));
        self.spec.report.metrics.panics.inc();
        self.spec.vitals.panicked(std::time::Instant::now());
        self.publish_crash(life, pause);
    }

    /// Speaks for a tenant that has no line.
    fn publish_crash(&self, life: Life, pause: Duration) {
        let Some(Child { tenant, crashes, .. }) = self.children.get(&life) else { return };
        let (now, to) = (Timestamp::from(SystemTime::now()), &self.spec.report);
        let state = ConnectionState::Crashed;
        let known = to.directory.get(tenant);
        let mut snapshot = known.unwrap_or_else(|| TenantSnapshot::new(tenant.clone(), Source::File));
        snapshot.status = TenantStatus { state, since: now, reason: Some("panic".into()) };
        snapshot.connected_since = None;
        snapshot.attempt = *crashes;
        snapshot.next_retry_at = Some(now.plus(pause));
        (snapshot.in_flight, snapshot.waits) = (0, 0);
        let transition = Transition { at: now, state, reason: Some("panic".into()), attempt: *crashes };
        to.metrics.entered(state);
        if to.directory.update(life, &snapshot, Some(transition)) {
            to.fanout.publish(tenant, snapshot.status);
        }
    }

    fn tell_when_drained(&mut self) {
        if self.draining && self.children.values().all(|child| child.addr.is_none()) {
            for waiter in self.drained.drain(..) {
                // Whoever gave up waiting needs no word.
                let _ = waiter.send(());
            }
        }
    }

    /// Forgets a child that is to be forgotten, once it has ended.
    fn forget_when_ended(&mut self, life: Life) {
        let ended = self.children.get(&life).is_some_and(|child| child.addr.is_none() && child.forgotten.is_some());
        if ended && let Some(waiter) = self.children.remove(&life).and_then(|child| child.forgotten) {
            let _ = waiter.send(());
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
}

impl Handler<Begin> for TenantSupervisor {
    type Result = ();

    fn handle(&mut self, Begin { tenant, life, desired }: Begin, ctx: &mut Self::Context) {
        if self.children.contains_key(&life) {
            return;
        }
        let child = Child {
            tenant,
            desired,
            generation: 0,
            addr: None,
            restart: None,
            started: Instant::now(),
            crashes: 0,
            forgotten: None,
        };
        self.children.insert(life, child);
        self.start_child(life, ctx);
    }
}

impl Handler<Hurry> for TenantSupervisor {
    type Result = ();

    fn handle(&mut self, Hurry(life): Hurry, ctx: &mut Self::Context) {
        self.start_child(life, ctx);
    }
}

impl Handler<Forget> for TenantSupervisor {
    type Result = ();

    fn handle(&mut self, Forget(life, waiter): Forget, ctx: &mut Self::Context) {
        if let Some(child) = self.children.get_mut(&life) {
            child.forgotten = Some(waiter);
            child.restart.take().map(|restart| ctx.cancel_future(restart));
        }
        self.forget_when_ended(life);
    }
}

impl Handler<ChildDown> for TenantSupervisor {
    type Result = ();

    fn handle(&mut self, ChildDown { id, orderly }: ChildDown, ctx: &mut Self::Context) {
        let current = self.children.get_mut(&id.life).filter(|child| child.generation == id.generation);
        let Some(child) = current else { return };
        child.addr = None;
        if !orderly && !self.draining && child.forgotten.is_none() {
            self.crashed(id.life, ctx);
        }
        self.forget_when_ended(id.life);
        self.tell_when_drained();
    }
}

impl Handler<DrainAll> for TenantSupervisor {
    type Result = ();

    fn handle(&mut self, DrainAll(waiter): DrainAll, _: &mut Self::Context) {
        self.draining = true;
        self.drained.push(waiter);
        self.tell_when_drained();
    }
}

#[cfg(test)]
mod tests;
