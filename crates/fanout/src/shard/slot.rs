use std::task::Waker;

/// What a shard keeps of one subscriber, so that it can wake it.
#[derive(Debug, Default)]
pub(crate) struct Slot {
    /// The stream's id in the roster.
    pub(crate) id: u64,
    /// Set while the subscriber waits; taken when it is woken, so that nobody is woken twice.
    pub(crate) waker: Option<Waker>,
    /// When a heartbeat is due, in milliseconds of the shard's clock.
    pub(crate) heartbeat_at: u64,
    /// When a pause ends that the subscriber asked for; `u64::MAX` without one.
    pub(crate) resume_at: u64,
    /// For each of its tenants, the place in the channel's list of members.
    pub(crate) places: Places,
}

/// Most subscribers have one tenant, which needs no allocation.
#[derive(Debug)]
pub(crate) enum Places {
    One(u32),
    Many(Box<[u32]>),
}

impl Default for Places {
    fn default() -> Self {
        Self::One(0)
    }
}

impl Places {
    pub(crate) fn new(count: usize) -> Self {
        if count == 1 { Self::One(0) } else { Self::Many(vec![0; count].into()) }
    }

    pub(crate) fn get(&self, nth: u32) -> u32 {
        match self {
            Self::One(place) => *place,
            Self::Many(places) => places[nth as usize],
        }
    }

    pub(crate) fn set(&mut self, nth: u32, to: u32) {
        match self {
            Self::One(place) => *place = to,
            Self::Many(places) => places[nth as usize] = to,
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

    pub(crate) fn get_mut(&mut self, index: u32) -> Option<&mut Slot> {
        self.slots.get_mut(index as usize)?.as_mut()
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Slot> {
        self.slots.iter_mut().flatten()
    }
}
