//! What time does to a shard's streams: heartbeats, pauses, leases, drains, and streams that take nothing.

use std::{task::Waker, time::Duration};

use super::{
    core::{Core, LINGER},
    slot::{AT_ONCE, NEVER, Places, Slot},
    told::Told,
};
use crate::FanoutConfig;

/// How late the clock may beat, in milliseconds, before its thread counts as one that stood still. Streams are not
/// blamed for what they could not ask for in that time.
const LATE: u64 = 1_000;

impl Core {
    /// A beat of the shard's clock: wakes who has something to do, gives up what nobody wants, and brings the shared
    /// counters up to date.
    pub(crate) fn beat(&mut self) {
        let (now, wall) = (self.now, self.shared.wall.now().as_millis());
        let stall_at = self.stall_at();
        let forgiven = now.saturating_sub(self.beaten_at).saturating_sub(LATE);
        self.beaten_at = now;
        let mut stalled = false;
        for slot in self.slots.iter_mut() {
            slot.stall_at = slot.stall_at.saturating_add(forgiven);
            stalled |= slot.has_stalled(now);
            if let Some(rest) = &mut slot.rest {
                rest.tell();
            }
            if !slot.is_due(now, wall) {
                continue;
            }
            if !slot.has_news(now, wall) && slot.comment() {
                slot.heartbeat_at = heartbeat_at(now, &self.shared.config, &mut self.rng);
            } else {
                self.woken.extend(slot.wake(stall_at));
            }
        }
        if stalled {
            self.give_up_stalled();
        }
        let mut idle = Vec::new();
        for (index, channel) in self.channels.iter_mut() {
            channel.tail.forget_joined();
            // Whoever was told may have lost it, as a connection does that crashed: the next stream that writes these
            // pushes tells it again.
            channel.told = Told::default();
            if channel.members.is_empty() && now >= channel.idle_since + LINGER {
                idle.push(index);
            }
        }
        for index in idle {
            self.close(index);
        }
        self.shared.pages.sweep(wall);
        self.tell();
    }

    /// Streams that have something to take and did not ask for so long leave their channels and all lists, and what they
    /// held of the journal is free. Their slots stay until they learn of it.
    fn give_up_stalled(&mut self) {
        let now = self.now;
        let mut emptied = Vec::new();
        for (index, channel) in self.channels.iter_mut() {
            let mut place = 0;
            while let Some(&seat) = channel.members.get(place) {
                let Some(slot) = self.slots.get_mut(seat.slot).filter(|slot| slot.has_stalled(now)) else {
                    place += 1;
                    continue;
                };
                self.shared.roster.leave(&channel.tenant, slot.id);
                channel.members.swap_remove(place);
                if let Some(&moved) = channel.members.get(place)
                    && let Some(slot) = self.slots.get_mut(moved.slot)
                {
                    slot.places.set(moved.nth, place as u32);
                }
                if channel.members.is_empty() {
                    emptied.push(index);
                }
            }
        }
        let mut count = 0;
        for slot in self.slots.iter_mut().filter(|slot| slot.has_stalled(now)) {
            let id = slot.id;
            // Should it wait after all, it learns at once.
            self.woken.extend(slot.waker.take());
            *slot = Slot::new(id, Places::Nowhere);
            count += 1;
            tracing::debug!(stream = id, "a stream took no bytes and was given up");
        }
        self.shared.metrics.stalled.inc_by(count);
        self.shared.metrics.subscribers.dec_by(count.cast_signed());
        for index in emptied {
            self.emptied(index);
        }
    }

    /// All streams are to end within `spread`.
    pub(crate) fn drain(&mut self, spread: Duration) {
        let by = self.now.saturating_add(spread.as_millis() as u64);
        let by = self.drained_by.map_or(by, |before| before.min(by));
        self.drained_by = Some(by);
        for slot in self.slots.iter_mut() {
            if slot.end_at != NEVER && slot.end_at > by {
                slot.end_at = self.rng.u64(self.now..=by);
            }
        }
        self.wake_all();
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.drained_by.is_some()
    }

    /// What a drain asks of a stream.
    pub(crate) fn leaving(&mut self, slot: u32) -> Leaving {
        let (Some(by), now) = (self.drained_by, self.now) else { return Leaving::No };
        let Some(slot) = self.slots.get_mut(slot) else { return Leaving::No };
        match slot.end_at {
            NEVER if now < by => {
                slot.end_at = self.rng.u64(now..=by).max(AT_ONCE + 1);
                Leaving::Told
            }
            NEVER | AT_ONCE => Leaving::ToldAndEnded,
            end_at if end_at <= now => Leaving::Ended,
            _ => Leaving::No,
        }
    }

    /// Wakes all streams that wait.
    pub(crate) fn wake_all(&mut self) {
        let stall_at = self.stall_at();
        for slot in self.slots.iter_mut() {
            self.woken.extend(slot.wake(stall_at));
        }
    }

    /// The stream asks for what comes next. Says no when it was given up.
    pub(crate) fn asks(&mut self, slot: u32) -> bool {
        let Some(slot) = self.slots.get_mut(slot).filter(|slot| !slot.is_given_up()) else { return false };
        slot.stall_at = NEVER;
        true
    }

    /// The stream hands out bytes, or part of them was taken: it is to ask again before it counts as stalled.
    pub(crate) fn handed(&mut self, slot: u32) {
        let stall_at = self.stall_at();
        if let Some(slot) = self.slots.get_mut(slot).filter(|slot| !slot.is_given_up()) {
            slot.stall_at = stall_at;
        }
    }

    /// The stream writes something.
    pub(crate) fn wrote(&mut self, slot: u32) {
        let heartbeat_at = self.heartbeat_at();
        if let Some(slot) = self.slots.get_mut(slot) {
            slot.heartbeat_at = heartbeat_at;
        }
    }

    /// Keeps a waker. The one before is given back, to be dropped when nothing is borrowed.
    pub(crate) fn wait(&mut self, slot: u32, waker: Waker) -> Option<Waker> {
        self.slots.get_mut(slot)?.waker.replace(waker)
    }

    /// Whether so long nothing was written that a heartbeat is due.
    pub(crate) fn heartbeat_due(&mut self, slot: u32) -> bool {
        let now = self.now;
        self.slots.get_mut(slot).is_some_and(|slot| now >= slot.heartbeat_at)
    }

    /// Wakes the stream at `resume_at`, or no longer with [`NEVER`].
    pub(crate) fn pause(&mut self, slot: u32, resume_at: u64) {
        if let Some(slot) = self.slots.get_mut(slot) {
            slot.resume_at = resume_at;
        }
    }

    /// Wakes the stream at `lease_at`, in milliseconds of the wall clock.
    pub(crate) fn look_at_lease(&mut self, slot: u32, lease_at: u64) {
        if let Some(slot) = self.slots.get_mut(slot) {
            slot.lease_at = lease_at;
        }
    }

    pub(super) fn heartbeat_at(&mut self) -> u64 {
        heartbeat_at(self.now, &self.shared.config, &mut self.rng)
    }

    pub(super) fn stall_at(&self) -> u64 {
        self.now.saturating_add(self.shared.config.stall_timeout.as_millis() as u64)
    }
}

/// Between 94 and 103 % of the interval from `now`. A beat of a thirtieth of it, on either side, stays within 10 %.
pub(super) fn heartbeat_at(now: u64, config: &FanoutConfig, rng: &mut fastrand::Rng) -> u64 {
    let millis = config.heartbeat.as_millis() as u64;
    now + (millis * rng.u64(9_400..=10_300) / 10_000).max(1)
}

/// What a drain asks of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Leaving {
    /// Nothing, or nothing yet.
    No,
    /// To say so.
    Told,
    /// To say so and end.
    ToldAndEnded,
    /// To end.
    Ended,
}
