use std::time::{Duration, Instant};

use crate::{InFlightConfig, Room};

/// The part of `heartbeat.every` for which nothing is read while too much waits for the journal.
const HOLD: u32 = 3;

/// What waits for the journal.
#[derive(Debug)]
pub(crate) struct InFlight {
    limit: InFlightConfig,
    hold: Duration,
    pushes: usize,
    bytes: usize,
    room: Room,
    full_since: Option<Instant>,
}

impl InFlight {
    pub(crate) fn new(limit: InFlightConfig, every: Duration) -> Self {
        // With a limit of nothing the session would be full for ever.
        let limit = InFlightConfig { pushes: limit.pushes.max(1), bytes: limit.bytes.max(1) };
        Self { limit, hold: every / HOLD, pushes: 0, bytes: 0, room: Room::Ample, full_since: None }
    }

    pub(crate) fn pushes(&self) -> usize {
        self.pushes
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// From when a limit is met until there is room again: less than half of it.
    pub(crate) fn is_full(&self) -> bool {
        self.full_since.is_some()
    }

    /// While full: reading rests until then, at most.
    pub(crate) fn holds_until(&self) -> Option<Instant> {
        self.full_since.map(|since| since + self.hold)
    }

    /// Whether the hold is over and there is no room yet.
    pub(crate) fn sheds(&self, now: Instant) -> bool {
        self.holds_until().is_some_and(|until| now >= until)
    }

    pub(crate) fn add(&mut self, bytes: usize, now: Instant) {
        self.pushes += 1;
        self.bytes += bytes;
        self.judge(now);
    }

    pub(crate) fn remove(&mut self, bytes: usize, now: Instant) {
        self.pushes = self.pushes.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(bytes);
        self.judge(now);
    }

    pub(crate) fn set_room(&mut self, room: Room, now: Instant) {
        self.room = room;
        self.judge(now);
    }

    /// Full begins at the limit and ends below half of it: else each freed slot would end the hold and begin another.
    fn judge(&mut self, now: Instant) {
        let over = self.pushes >= self.limit.pushes || self.bytes >= self.limit.bytes;
        let ample = self.pushes < self.limit.pushes.div_ceil(2) && self.bytes < self.limit.bytes.div_ceil(2);
        if over || self.room == Room::Short {
            self.full_since.get_or_insert(now);
        } else if ample {
            self.full_since = None;
        }
    }
}
