use std::{sync::Arc, time::Instant};

use actix_web_actors::ws::CloseCode;

use super::{
    Rules,
    outbox::{Outbox, Written},
};
use crate::{
    content::NewPush,
    faults::Faults,
    load::{Flow, Lane},
    queue::Queue,
    refusal::Handshakes,
    slot::{Ending, Slot},
};

/// What an account's lock guards.
#[derive(Default)]
pub(super) struct State {
    /// Oldest first. One that is to end stays until its actor is gone.
    pub(super) slots: Vec<Slot>,
    pub(super) queue: Queue,
    pub(super) faults: Arc<Faults>,
    pub(super) handshakes: Handshakes,
    /// Handshakes that wait for their answer.
    pub(super) held: usize,
    pub(super) connects: u64,
    pub(super) refused: u64,
    pub(super) most_sockets: usize,
    pub(super) acks: u64,
    pub(super) nacks: u64,
    /// Its part in the last load that had pushes for it.
    lane: Option<Lane>,
    outbox: Outbox,
    next_socket: u64,
}

impl State {
    pub(super) fn slot(&mut self, socket: u64) -> Option<&mut Slot> {
        self.slots.iter_mut().find(|slot| slot.id == socket)
    }

    pub(super) fn newest(&mut self) -> Option<&mut Slot> {
        self.slots.iter_mut().rev().find(|slot| slot.ending.is_none())
    }

    pub(super) fn wake_newest(&mut self) {
        if let Some(slot) = self.newest() {
            slot.wake();
        }
    }

    /// Opens a socket. Answers its id, and how many sockets the faults end because of it.
    pub(super) fn connect(&mut self, address: String, now: Instant) -> (u64, u64) {
        let faults = self.faults.clone();
        let mut cut = faults.kick_older.map_or(0, |kick| self.cut(kick.ending("replaced by a newer socket"))) as u64;
        let mut slot = Slot::new(self.next_socket, address, now);
        if let Some(after) = faults.cut_after.filter(|after| after.ms == Some(0)) {
            slot.end(after.cut().ending("cut at once"));
            cut += 1;
        }
        self.next_socket += 1;
        self.connects += 1;
        self.slots.push(slot);
        self.most_sockets = self.most_sockets.max(self.slots.len());
        (self.next_socket - 1, cut)
    }

    /// Ends all sockets and answers how many there were.
    pub(super) fn cut(&mut self, ending: Ending) -> usize {
        self.slots.iter_mut().filter(|slot| slot.ending.is_none()).map(|slot| slot.end(ending)).count()
    }

    /// The pushes that are to be sent now on the newest socket, as bytes.
    pub(super) fn write_pushes(&mut self, due: Instant) -> Option<Written> {
        let slot = self.slots.iter_mut().rev().find(|slot| slot.ending.is_none())?;
        let after = self.faults.cut_after.and_then(|after| Some((after, after.pushes?)));
        let left = after.map_or(usize::MAX, |(_, pushes)| pushes.saturating_sub(slot.pushes) as usize);
        // One at a time where each may become far more than its own bytes.
        let most = if self.faults.amplify() { left.min(1) } else { left };
        let batch = self.queue.next_batch(slot.id, due, most);
        if batch.is_empty() {
            return None;
        }
        slot.pushes = slot.pushes.saturating_add(batch.len() as u32);
        let mut written = self.outbox.write(&batch, &self.faults);
        if let Some((after, pushes)) = after
            && slot.pushes >= pushes
        {
            slot.end(after.cut().ending("cut after some pushes"));
            written.ends_socket = true;
        }
        Some(written)
    }

    /// Makes up to `count` pushes of a load, as many as it has for this account now, and answers how many; `pending`
    /// are those without an answer over all accounts.
    pub(super) fn feed(&mut self, flow: &Arc<Flow>, count: u64, pending: usize) -> usize {
        let lane = match &mut self.lane {
            Some(lane) if lane.is_of(flow) => lane,
            other => other.insert(Lane::new(flow)),
        };
        let before = self.queue.len();
        while ((self.queue.len() - before) as u64) < count {
            let waiting = self.queue.len();
            let Some(push) = lane.next_push((waiting, pending + waiting - before)) else { break };
            self.queue.add(push);
        }
        self.queue.len() - before
    }

    /// Counts an answer for the load that the push is of, and makes those that it asks for.
    pub(super) fn load_answered(&mut self, push: &NewPush, pending: usize) -> usize {
        match &self.lane {
            Some(lane) if lane.on_answer(push) => {
                let flow = lane.flow().clone();
                self.feed(&flow, u64::MAX, pending)
            }
            _ => 0,
        }
    }

    /// Does what time does, and answers how many sockets it ended.
    pub(super) fn tick(&mut self, now: Instant, rules: Rules) -> u64 {
        let faults = self.faults.clone();
        if self.slots.is_empty() || faults.silent {
            return 0;
        }
        let exhausted = self.queue.fall_due(now, rules.redelivery.attempts);
        let mut cut = 0;
        for slot in self.slots.iter_mut().filter(|slot| slot.ending.is_none()) {
            let age = now.saturating_duration_since(slot.opened).as_millis();
            let ending = if exhausted.contains(&slot.id) {
                Ending::Close(CloseCode::Policy, "a push had no answer")
            } else if now.saturating_duration_since(slot.heard_at) >= rules.ping_timeout {
                Ending::Close(CloseCode::Policy, "neither ping nor pong")
            } else if let Some(after) = faults.cut_after.filter(|after| after.is_due(age, slot.pushes)) {
                after.cut().ending("cut after some time")
            } else {
                slot.ping_when_due(now, rules.ping_timeout / 3);
                slot.flood(now, faults.ping_flood);
                continue;
            };
            slot.end(ending);
            cut += 1;
        }
        if self.queue.has_ready() {
            self.wake_newest();
        }
        cut
    }

    pub(super) fn set_faults(&mut self, faults: Arc<Faults>, now: Instant) {
        let speaks_again = self.faults.silent && !faults.silent;
        self.faults = faults;
        self.handshakes = Handshakes::default();
        self.outbox = Outbox::default();
        for slot in &mut self.slots {
            if speaks_again {
                // Nobody was pinged meanwhile, so nobody's silence counts.
                slot.heard_at = now;
            }
            slot.wake();
        }
    }
}
