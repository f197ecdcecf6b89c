use std::{
    cell::{RefCell, RefMut},
    fmt, future,
    rc::{Rc, Weak},
    sync::{Arc, atomic::AtomicUsize},
    task::Waker,
    time::Duration,
};

use pushgate_model::TenantId;
use tokio::{
    select,
    sync::{Notify, Semaphore, mpsc},
    task::yield_now,
    time::{Instant, Interval, MissedTickBehavior, interval, sleep_until},
};

use crate::{
    Subscribe, Subscriber,
    fanout::Shared,
    message::{Control, Message, ShardId},
};

mod ask;
mod channel;
mod core;
mod long;
mod member;
mod merge;
mod rest;
mod slot;
mod tally;
mod time;
mod told;

use self::core::Core;
pub(crate) use self::long::LONG_PAUSE;
#[cfg(test)]
pub(crate) use self::long::LONG_WRITES;
pub use self::rest::FrameSink;
pub(crate) use self::{
    core::{Notice, Take},
    member::Members,
    rest::Rest,
    slot::NEVER,
    time::Leaving,
};

/// Pages that a worker thread's streams read at a time; further streams wait in order. Thousands that come back would else
/// all be awake at once, and a stream that is live have its turn on the thread after all of them.
pub(crate) const READS: usize = 8;
/// So many messages are taken before their subscribers are woken: under load a stream writes them together.
const ROUND: usize = 64;
/// The shard's clock beats thirty times in a heartbeat, within these bounds.
const BEATS: u32 = 30;
const BEAT_MIN: Duration = Duration::from_millis(10);
const BEAT_MAX: Duration = Duration::from_millis(500);
/// During a drain it beats faster, so that streams end one after the other and not in bursts.
const BEAT_DRAIN: Duration = Duration::from_millis(20);

/// The tails and subscribers of one worker thread.
///
/// It stays on its thread and needs no lock. No subscriber's code but a [`FrameSink`] runs while it is borrowed.
pub struct Shard {
    shared: Arc<Shared>,
    core: RefCell<Core>,
    /// Who may read a page of the journal at the moment.
    turns: Semaphore,
    /// Wakes the shard's own task, when streams wait for a long write.
    long: Rc<Notify>,
    born: Instant,
}

/// Takes what dispatch posts, and keeps the time, until the shard is gone.
pub(crate) async fn run(shard: Weak<Shard>, mut inbox: mpsc::Receiver<Message>, beat: Duration) {
    let mut beats = every(beat);
    let mut round = Vec::with_capacity(ROUND);
    let Some(long) = shard.upgrade().map(|shard| Rc::clone(&shard.long)) else { return };
    let (mut more, mut long_wait, mut long_at) = (false, false, Instant::now());
    loop {
        let step = select! {
            biased;
            // Noted first, so that no stream of news keeps it away.
            () = long.notified(), if !long_wait => {
                long_wait = true;
                continue;
            }
            _ = beats.tick() => Step::Beat,
            taken = inbox.recv_many(&mut round, ROUND) => if taken == 0 { break } else { Step::Round },
            () = sleep_until(long_at), if long_wait => Step::Turn,
            () = future::ready(()), if more => Step::Turn,
        };
        let Some(strong) = shard.upgrade() else { return };
        let now = strong.now();
        match step {
            Step::Beat => strong.beat_at(now),
            Step::Round => strong.receive_at(round.drain(..), now),
            Step::Turn => {}
        }
        // Those that are live first: what they miss is in their sockets before long writes begin.
        more = strong.serve();
        if long_wait && Instant::now() >= long_at {
            long_wait = strong.next_long();
            long_at = Instant::now() + LONG_PAUSE;
        }
        if strong.core().is_draining() && beats.period() > BEAT_DRAIN {
            beats = every(BEAT_DRAIN);
        }
        drop(strong);
        if more {
            yield_now().await;
        }
    }
    // Dispatch ended, and with it all news. A stream that goes on in silence would be the worst answer.
    if let Some(shard) = shard.upgrade() {
        let end = Control { drain: Some(Duration::ZERO), ..Control::default() };
        shard.receive_at([Message::Control(Box::new(end))].into_iter(), shard.now());
    }
    loop {
        beats.tick().await;
        let Some(shard) = shard.upgrade() else { return };
        shard.beat_at(shard.now());
    }
}

/// What the shard's task does next.
enum Step {
    /// The clock beats.
    Beat,
    /// Messages came.
    Round,
    /// Streams at rest have something to take, or others wait for a long write and it is time for some.
    Turn,
}

fn every(beat: Duration) -> Interval {
    let mut beats = interval(beat);
    beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
    beats
}

impl Shard {
    pub(crate) fn new(shared: Arc<Shared>, id: ShardId, queued_bytes: Arc<AtomicUsize>) -> Rc<Self> {
        let core = RefCell::new(Core::new(Arc::clone(&shared), id, queued_bytes));
        Rc::new(Self { shared, core, turns: Semaphore::new(READS), long: Rc::default(), born: Instant::now() })
    }

    /// A new stream. It yields its first bytes at once, without waiting for the journal.
    pub fn subscribe(self: &Rc<Self>, request: Subscribe) -> Subscriber {
        let mut tenants: Vec<TenantId> = Vec::with_capacity(request.tenants.len());
        for tenant in request.tenants {
            if !tenants.contains(&tenant) {
                tenants.push(tenant);
            }
        }
        let seat = self.core().join(&tenants, request.peer, &request.lease);
        self.shared.metrics.subscribers.inc();
        Subscriber::new(Rc::clone(self), seat, request.resume, request.lease)
    }

    /// How often [`Shard::beat_at`] has to be called.
    pub(crate) fn beat(&self) -> Duration {
        (self.shared.config.heartbeat / BEATS).clamp(BEAT_MIN, BEAT_MAX)
    }

    pub(crate) fn turns(&self) -> &Semaphore {
        &self.turns
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.shared
    }

    /// Takes messages, then wakes all whom they concern. `now` is the shard's clock, in milliseconds.
    pub(crate) fn receive_at(&self, messages: impl Iterator<Item = Message>, now: u64) {
        let mut core = self.core();
        core.set_now(now);
        for message in messages {
            core.message(message);
        }
        core.end_round();
        self.wake(core);
    }

    /// One beat of the clock, which is at `now` milliseconds.
    pub(crate) fn beat_at(&self, now: u64) {
        let mut core = self.core();
        core.set_now(now);
        core.beat();
        self.wake(core);
    }

    /// Whether a stream may do a long write now. Else it is woken when it may.
    pub(crate) fn may_write_long(&self, slot: u32) -> bool {
        let may = self.core().may_write_long(slot);
        if !may {
            self.long.notify_one();
        }
        may
    }

    /// Serves streams at rest that have something to take, a turn of them. Says whether there are more.
    pub(crate) fn serve(&self) -> bool {
        let mut core = self.core();
        let more = core.serve();
        let told = core.take_told();
        self.wake(core);
        for (tenant, after, upto) in told {
            self.shared.sink.delivered(&tenant, after, upto);
        }
        more
    }

    /// Gives turns to long writes. Says whether more wait.
    pub(crate) fn next_long(&self) -> bool {
        let mut core = self.core();
        let more = core.next_long();
        self.wake(core);
        more
    }

    pub(crate) fn leave(&self, slot: u32, members: &mut Members) {
        let slot = self.core().leave(slot, members);
        drop(slot);
    }

    pub(crate) fn wait(&self, slot: u32, waker: &Waker) {
        let waker = waker.clone();
        let before = self.core().wait(slot, waker);
        drop(before);
    }

    pub(crate) fn core(&self) -> RefMut<'_, Core> {
        self.core.borrow_mut()
    }

    fn now(&self) -> u64 {
        self.born.elapsed().as_millis() as u64
    }

    /// A waker is a stranger's code, which may subscribe or unsubscribe: the borrow ends before it runs.
    fn wake(&self, mut core: RefMut<'_, Core>) {
        let mut woken = core.take_woken();
        drop(core);
        for waker in woken.drain(..) {
            waker.wake();
        }
        self.core().reuse(woken);
    }
}

impl Drop for Shard {
    fn drop(&mut self) {
        self.core.get_mut().give_up_tails();
    }
}

impl fmt::Debug for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shard").finish_non_exhaustive()
    }
}
