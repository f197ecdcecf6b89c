use std::task::Waker;

use super::{long::Long, rest::Rest};
use crate::replay::Replay;

/// A time that never comes.
pub(crate) const NEVER: u64 = u64::MAX;
/// [`Slot::end_at`] of a stream that came during a drain: it ends as soon as it was told.
pub(crate) const AT_ONCE: u64 = 0;

/// What a shard keeps of one subscriber, so that it can wake it, or do without it. Times are in milliseconds of the
/// shard's clock.
#[derive(Debug)]
pub(crate) struct Slot {
    /// The stream's id in the roster.
    pub(crate) id: u64,
    /// Set while the subscriber waits; taken when it is woken, so that nobody is woken twice.
    pub(crate) waker: Option<Waker>,
    /// When a heartbeat is due.
    pub(crate) heartbeat_at: u64,
    /// When a pause ends that the subscriber asked for.
    pub(crate) resume_at: u64,
    /// When its lease is to be looked at, in milliseconds of the wall clock.
    pub(crate) lease_at: u64,
    /// When it ends because of a drain.
    pub(crate) end_at: u64,
    /// When it counts as stalled; set while it has something to take and does not ask.
    pub(crate) stall_at: u64,
    /// What it left with its shard, which writes to it meanwhile.
    pub(crate) rest: Option<Rest>,
    /// Waits for its turn to be written to.
    pub(crate) due: bool,
    /// How it stands to its next long write.
    pub(crate) long: Long,
    /// Waits for its turn to read a page.
    pub(crate) queued: bool,
    /// The page of the journal that it waits for or writes. It is here so that it can be taken from a stream that never
    /// asks again.
    pub(crate) page: Option<Box<Replay>>,
    /// For each of its tenants, the place in the channel's list of members.
    pub(crate) places: Places,
}

impl Slot {
    pub(crate) fn new(id: u64, places: Places) -> Self {
        Self {
            id,
            waker: None,
            heartbeat_at: NEVER,
            resume_at: NEVER,
            lease_at: NEVER,
            end_at: NEVER,
            stall_at: NEVER,
            rest: None,
            due: false,
            long: Long::No,
            queued: false,
            page: None,
            places,
        }
    }

    /// Its waker, if it waits. Woken, it is expected to ask before `stall_at`.
    pub(crate) fn wake(&mut self, stall_at: u64) -> Option<Waker> {
        let waker = self.waker.take()?;
        self.stall_at = self.stall_at.min(stall_at);
        Some(waker)
    }

    /// Whether something is to be done about it, at `now` and at `wall`.
    pub(crate) fn is_due(&self, now: u64, wall: u64) -> bool {
        now >= self.heartbeat_at || self.has_news(now, wall)
    }

    /// Whether it is something else than a heartbeat.
    pub(crate) fn has_news(&self, now: u64, wall: u64) -> bool {
        now >= self.resume_at.min(self.end_at) || wall >= self.lease_at
    }

    /// Whether it waits for something else than pushes: for its page of the journal, for its turn to read one or to do
    /// a long write, or for a pause to end. Each wakes it.
    pub(crate) fn is_behind(&self) -> bool {
        self.queued || self.page.is_some() || self.long == Long::Waits || self.resume_at != NEVER
    }

    pub(crate) fn has_stalled(&self, now: u64) -> bool {
        now >= self.stall_at
    }

    /// It was given up: its subscriber has still to learn of it, and then to free the slot.
    pub(crate) fn is_given_up(&self) -> bool {
        matches!(self.places, Places::Nowhere)
    }
}

/// Most subscribers have one tenant, which needs no allocation.
#[derive(Debug)]
pub(crate) enum Places {
    One(u32),
    Many(Box<[u32]>),
    /// The stream was given up.
    Nowhere,
}

impl Places {
    pub(crate) fn new(count: usize) -> Self {
        if count == 1 { Self::One(0) } else { Self::Many(vec![0; count].into()) }
    }

    pub(crate) fn get(&self, nth: u32) -> u32 {
        match self {
            Self::One(place) => *place,
            Self::Many(places) => places[nth as usize],
            Self::Nowhere => 0,
        }
    }

    pub(crate) fn set(&mut self, nth: u32, to: u32) {
        match self {
            Self::One(place) => *place = to,
            Self::Many(places) => places[nth as usize] = to,
            Self::Nowhere => {}
        }
    }
}

/// Slots with stable indexes; a freed one is used again. Grows to the largest number of streams at one time.
#[derive(Debug, Default)]
pub(crate) struct Slots {
    slots: Vec<Option<Slot>>,
    free: Vec<u32>,
}

impl Slots {
    pub(crate) fn insert(&mut self, slot: Slot) -> u32 {
        if let Some(index) = self.free.pop() {
            self.slots[index as usize] = Some(slot);
            return index;
        }
        self.slots.push(Some(slot));
        (self.slots.len() - 1) as u32
    }

    pub(crate) fn remove(&mut self, index: u32) -> Option<Slot> {
        let slot = self.slots.get_mut(index as usize)?.take()?;
        self.free.push(index);
        Some(slot)
    }

    pub(crate) fn get(&self, index: u32) -> Option<&Slot> {
        self.slots.get(index as usize)?.as_ref()
    }

    pub(crate) fn get_mut(&mut self, index: u32) -> Option<&mut Slot> {
        self.slots.get_mut(index as usize)?.as_mut()
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Slot> {
        self.slots.iter_mut().flatten()
    }
}
