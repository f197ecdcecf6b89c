use std::time::{Duration, Instant};

/// A socket counts as proven after so long alive, also when the service has said nothing yet.
const PROVEN_AFTER: Duration = Duration::from_secs(2);
/// A tick that comes so much later than armed says that this process stood still, not the peer.
const STALLED: Duration = Duration::from_secs(2);

/// What time does to one open socket.
#[derive(Debug)]
pub(crate) struct Heartbeat {
    opened: Instant,
    /// The next own ping.
    pub(crate) ping_at: Instant,
    /// Silence until then means death.
    pub(crate) dead_at: Instant,
    /// At least one inbound frame came.
    heard: bool,
    /// The first inbound frame came, or the socket lived for a while.
    proven: bool,
}

impl Heartbeat {
    /// A socket was opened: silence is counted from now on.
    pub(crate) fn begin(now: Instant, ping_at: Instant, dead_after: Duration) -> Self {
        Self { opened: now, ping_at, dead_at: now + dead_after, heard: false, proven: false }
    }

    /// A complete frame came. Whether it is the one that proves the socket.
    pub(crate) fn heard(&mut self, now: Instant, dead_after: Duration) -> bool {
        self.dead_at = now + dead_after;
        self.heard = true;
        !std::mem::replace(&mut self.proven, true)
    }

    /// Whether the time has proven the socket just now.
    pub(crate) fn proves_by_age(&mut self, now: Instant) -> bool {
        let old = now >= self.opened + PROVEN_AFTER;
        old && !std::mem::replace(&mut self.proven, true)
    }

    /// If this process stood still since the tick was due, the peer gets one more `every` to be heard.
    pub(crate) fn forgive_stall(&mut self, armed: Option<Instant>, now: Instant, every: Duration) {
        if armed.is_some_and(|armed| now.saturating_duration_since(armed) > STALLED) {
            self.dead_at = self.dead_at.max(now + every);
        }
    }

    /// How long the socket has been open.
    pub(crate) fn age(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.opened)
    }

    /// Whether a frame ever came. Age alone proves a socket, but makes it no good one.
    pub(crate) fn was_heard(&self) -> bool {
        self.heard
    }

    /// When something of this is due next.
    pub(crate) fn next(&self) -> Instant {
        let due = self.ping_at.min(self.dead_at);
        if self.proven { due } else { due.min(self.opened + PROVEN_AFTER) }
    }
}
