use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use prometheus_client::metrics::gauge::Gauge;
use pushgate_model::TenantId;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::{batch::Waiter, command::Command, lanes::Lanes};
use crate::{Append, AppendOutcome, Limits, Unavailable};

/// One tenant gets at most this part of the queue, in pushes and in bytes: one that floods waits at its own door.
pub(super) const PART: usize = 4;

/// Appends that one batch takes at most. What arrives during a commit waits for the rest of it: this bounds how long,
/// some tens of milliseconds, and yet the cost of an fsync is small beside that of so many pushes.
pub(super) const BATCH: usize = 2048;

/// Appends of one tenant that come into a batch before the next tenant's do: pushes that are stored together are answered
/// in one write, and bring the service to send the next ones together.
pub(super) const TURN: usize = 16;

/// With so many bytes a tenant's turn ends.
pub(super) const LARGE: usize = 16 << 10;

/// Bytes after which a batch takes no more.
const BATCH_BYTES: usize = 8 << 20;

/// Commands that wait for the writer; more wait outside.
const COMMANDS: usize = 64;

/// What waits for the writer. Full, it lets callers wait, first come first served.
///
/// Bounded in pushes and in bytes, for all tenants and for each; a push above the bound in bytes gets in alone. Each
/// tenant has a lane, and the lanes are taken from in turn: what one tenant has queued delays another by one turn
/// of it, and what all have by a queue at most.
/// Room is given back when the writer takes a batch, so that the next one fills while the commit is under way. Commands
/// have a small queue of their own.
pub(super) struct Queue {
    room: Room,
    /// The room of one tenant, in pushes and in bytes.
    part: (usize, usize),
    commands: Semaphore,
    waiting: Mutex<Waiting>,
    arrived: Condvar,
    queued: Gauge,
}

struct Waiting {
    lanes: Lanes<Append>,
    /// Each tenant's lane. A lane stays once it is there, as the tenant's row does.
    by_tenant: HashMap<TenantId, usize>,
    /// The room of each lane.
    rooms: Vec<Arc<Room>>,
    commands: VecDeque<Command>,
    door: Door,
}

/// What the writer takes from the queue.
#[derive(Default)]
pub(super) struct Taken {
    pub(super) appends: Vec<Append>,
    pub(super) commands: Vec<Command>,
}

impl Taken {
    /// Answers that it could not be written, and why.
    pub(super) fn refuse(self, error: &str) {
        for append in &self.appends {
            Waiter::from(append).answer(AppendOutcome::Failed);
        }
        for command in self.commands {
            command.refuse(error);
        }
    }
}

/// Whether the queue lets anything in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Door {
    Open,
    /// Not at the moment: the store can't write.
    Shut,
    /// Never again.
    Closed,
}

/// Room for pushes and bytes.
struct Room {
    pushes: Semaphore,
    bytes: Semaphore,
    max_bytes: usize,
}

/// The right to take up room; given back when dropped.
struct Pass<'a> {
    push: SemaphorePermit<'a>,
    bytes: SemaphorePermit<'a>,
}

impl Room {
    fn new((pushes, bytes): (usize, usize)) -> Self {
        let max_bytes = bytes.clamp(1, u32::MAX as usize);
        let pushes = Semaphore::new(pushes.clamp(1, Semaphore::MAX_PERMITS));
        Self { pushes, bytes: Semaphore::new(max_bytes), max_bytes }
    }

    /// Waits for room. Both are taken in this order by everybody, and whoever has both waits for nobody within this room.
    async fn enter(&self, size: usize) -> Result<Pass<'_>, Unavailable> {
        let push = self.pushes.acquire().await.map_err(|_| Unavailable)?;
        let bytes = self.bytes.acquire_many(self.cost(size) as u32).await.map_err(|_| Unavailable)?;
        Ok(Pass { push, bytes })
    }

    /// The same without waiting; nothing while there is no room, or others wait for it.
    fn try_enter(&self, size: usize) -> Option<Pass<'_>> {
        let push = self.pushes.try_acquire().ok()?;
        let bytes = self.bytes.try_acquire_many(self.cost(size) as u32).ok()?;
        Some(Pass { push, bytes })
    }

    fn leave(&self, size: usize) {
        self.pushes.add_permits(1);
        self.bytes.add_permits(self.cost(size));
    }

    /// What a push takes of the bound in bytes: at least one, so that an empty one can't overtake.
    fn cost(&self, size: usize) -> usize {
        size.clamp(1, self.max_bytes)
    }
}

impl Pass<'_> {
    /// The room is taken until [`Room::leave`].
    fn keep(self) {
        self.push.forget();
        self.bytes.forget();
    }
}

impl Queue {
    pub(super) fn new(limits: &Limits, queued: Gauge) -> Self {
        let waiting = Waiting {
            lanes: Lanes::new(TURN),
            by_tenant: HashMap::new(),
            rooms: Vec::new(),
            commands: VecDeque::new(),
            door: Door::Open,
        };
        Self {
            room: Room::new((limits.queued_pushes, limits.queued_bytes)),
            part: (limits.queued_pushes / PART, limits.queued_bytes / PART),
            commands: Semaphore::new(COMMANDS),
            waiting: Mutex::new(waiting),
            arrived: Condvar::new(),
            queued,
        }
    }

    /// Queues if there is room and the door is open; else it gives the append back.
    pub(super) fn try_push(&self, append: Append) -> Option<Append> {
        let size = append.size();
        let mut waiting = self.lock();
        let lane = waiting.lane(&append.tenant, self.part);
        let passes = waiting.rooms[lane].try_enter(size).zip(self.room.try_enter(size));
        let Some((own, common)) = passes.filter(|_| waiting.door == Door::Open) else { return Some(append) };
        own.keep();
        common.keep();
        self.put(waiting, lane, append);
        None
    }

    /// Waits for room and queues. Given up while it waits, it leaves nothing behind.
    pub(super) async fn push(&self, append: Append) -> Result<(), Unavailable> {
        let (lane, room) = {
            let mut waiting = self.lock();
            let lane = waiting.lane(&append.tenant, self.part);
            (lane, Arc::clone(&waiting.rooms[lane]))
        };
        let size = append.size();
        // The tenant's own door first: whoever stands at the common one keeps only its own tenant waiting.
        let own = room.enter(size).await?;
        let common = self.room.enter(size).await?;
        let waiting = self.lock();
        if waiting.door != Door::Open {
            return Err(Unavailable);
        }
        own.keep();
        common.keep();
        self.put(waiting, lane, append);
        Ok(())
    }

    /// Puts an append into its lane, and wakes the writer if it was idle.
    fn put(&self, mut waiting: MutexGuard<'_, Waiting>, lane: usize, append: Append) {
        let idle = waiting.is_empty();
        waiting.lanes.push(lane, append);
        self.queued.inc();
        drop(waiting);
        if idle {
            self.arrived.notify_one();
        }
    }

    /// Waits for room and queues a command.
    pub(super) async fn command(&self, command: Command) -> Result<(), Unavailable> {
        let room = self.commands.acquire().await.map_err(|_| Unavailable)?;
        let mut waiting = self.lock();
        if waiting.door != Door::Open {
            return Err(Unavailable);
        }
        room.forget();
        waiting.commands.push_back(command);
        self.arrived.notify_one();
        Ok(())
    }

    /// Moves the next batch into `taken`, after at most `patience` when nothing waits.
    pub(super) fn take(&self, taken: &mut Taken, patience: Duration) -> Door {
        let idle = |waiting: &mut Waiting| waiting.is_empty() && waiting.door != Door::Closed;
        let (mut waiting, _) =
            self.arrived.wait_timeout_while(self.lock(), patience, idle).unwrap_or_else(PoisonError::into_inner);
        self.drain(&mut waiting, taken, (BATCH, BATCH_BYTES));
        waiting.door
    }

    /// Sets the door, unless it was closed for good, and moves all that waits into `taken`: once shut, nothing is in.
    pub(super) fn set(&self, door: Door, taken: &mut Taken) {
        let mut waiting = self.lock();
        if waiting.door != Door::Closed {
            waiting.door = door;
        }
        self.drain(&mut waiting, taken, (usize::MAX, usize::MAX));
    }

    /// Lets nothing in any more; what waits stays for the writer.
    pub(super) fn close(&self) {
        self.lock().door = Door::Closed;
        self.arrived.notify_all();
    }

    pub(super) fn door(&self) -> Door {
        self.lock().door
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    /// Appends that wait for the writer.
    pub(super) fn len(&self) -> usize {
        self.lock().lanes.len()
    }

    /// Takes from the lanes in turn until `taken` has so many appends or so many bytes, and all commands.
    fn drain(&self, waiting: &mut Waiting, taken: &mut Taken, (pushes, bytes): (usize, usize)) {
        let mut sum: usize = 0;
        // Whose turn it is, and how many bytes it had.
        let mut turn = (usize::MAX, 0_usize);
        taken.appends.reserve(waiting.lanes.len().min(pushes));
        while taken.appends.len() < pushes && sum < bytes {
            let Some((lane, append)) = waiting.lanes.pop() else { break };
            let size = append.size();
            sum = sum.saturating_add(size);
            turn = (lane, if turn.0 == lane { turn.1.saturating_add(size) } else { size });
            if turn.1 >= LARGE {
                waiting.lanes.pass(lane);
                turn.1 = 0;
            }
            waiting.rooms[lane].leave(size);
            self.room.leave(size);
            self.queued.dec();
            taken.appends.push(append);
        }
        self.commands.add_permits(waiting.commands.len());
        taken.commands.extend(waiting.commands.drain(..));
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    /// A tenant's lane; a new tenant gets one, with room for this part.
    fn lane(&mut self, tenant: &TenantId, part: (usize, usize)) -> usize {
        if let Some(&lane) = self.by_tenant.get(tenant) {
            return lane;
        }
        let lane = self.lanes.open();
        self.by_tenant.insert(tenant.clone(), lane);
        self.rooms.push(Arc::new(Room::new(part)));
        lane
    }

    fn is_empty(&self) -> bool {
        self.lanes.len() == 0 && self.commands.is_empty()
    }
}
