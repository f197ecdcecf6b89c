use std::time::Instant;

use pushgate_model::ConnectionState;

use super::{Open, Phase, Session, Store};
use crate::{Effect, Ending};

/// What time alone brings about.
impl Session {
    /// The armed time has come.
    pub fn on_tick(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        let armed = self.armed.take();
        self.beat(armed, now, effects);
        self.expire_waits(now, effects);
        self.show_pressure(now, effects);
        self.finish_leaving(now, effects);
        self.arm(now, effects);
    }

    fn beat(&mut self, armed: Option<Instant>, now: Instant, effects: &mut Vec<Effect>) {
        let every = self.config.heartbeat.every;
        let Phase::Open(Open { heartbeat, leaving_by, .. }) = &mut self.phase else { return };
        heartbeat.forgive_stall(armed, now, every);
        if now >= heartbeat.dead_at {
            effects.push(Effect::Drop);
            self.end(&Ending::DeadPeer, now, effects);
            return;
        }
        if now >= heartbeat.ping_at {
            effects.push(Effect::Ping);
            // Early enough for its pong, however close to each other the two times are.
            let latest = (every + self.config.heartbeat.dead_after) / 2;
            heartbeat.ping_at = now + self.backoff.around(every).min(latest);
        }
        if heartbeat.proves_by_age(now) && leaving_by.is_none() {
            self.enter_connected(now, effects);
        }
    }

    /// The socket is proven.
    pub(super) fn enter_connected(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        let sheds = self.in_flight.sheds(now).then_some("shedding");
        let reason = if self.store == Store::Failing { Some("journal_failing") } else { sheds };
        self.enter(ConnectionState::Connected, reason, effects);
    }

    /// Whether the journal can write. While it can't, nothing is answered, and a connection says so.
    pub fn set_store(&mut self, store: Store, now: Instant, effects: &mut Vec<Effect>) {
        self.store = store;
        self.show_pressure(now, effects);
    }

    /// While connected, shows as a reason whether the journal fails or pushes are shed. A hold alone shows nothing, so
    /// nothing flaps.
    pub(super) fn show_pressure(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        let connected = self.shown.as_ref().is_some_and(|(state, _)| *state == ConnectionState::Connected);
        if connected {
            self.enter_connected(now, effects);
        }
    }

    /// Asks for a tick at the next time at which something is due, unless one before that is on its way.
    pub(super) fn arm(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        let mut due = self.waits.next_deadline();
        if let Phase::Open(open) = &self.phase {
            let hold = self.in_flight.holds_until().filter(|until| *until > now);
            let others = [due, hold, open.leaving_by];
            due = others.into_iter().flatten().chain([open.heartbeat.next()]).min();
        }
        if let Some(due) = due.filter(|due| self.armed.is_none_or(|armed| *due < armed)) {
            self.armed = Some(due);
            effects.push(Effect::Arm(due));
        }
    }
}
