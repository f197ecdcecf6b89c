use std::{
    collections::VecDeque,
    mem,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::Waker,
};

use pushgate_model::{Seq, TenantId, TenantStatus};

use super::{
    channel::{Channel, Channels, Seat, Touched},
    long::LONG_WRITES,
    member::{Member, Members, NOT_OPEN},
    slot::{AT_ONCE, NEVER, Places, Slot, Slots},
    tally::Tally,
    time::Leaving,
};
use crate::{
    Lease, Peer,
    fanout::Shared,
    message::{ChannelKey, ChannelState, Command, Control, Frame, Message, ShardId},
    record::Record,
    tail::{Keep, Piece, Tail, TailFrame},
};

/// How long a channel without streams is kept, in milliseconds: a browser that reconnects finds its tail.
pub(super) const LINGER: u64 = 5_000;

/// What one worker thread knows: channels with their tails, and whom to wake. It has no clock and calls nobody; wakers
/// are collected, and woken by the shell once nothing is borrowed.
pub(crate) struct Core {
    pub(super) shared: Arc<Shared>,
    id: ShardId,
    queued_bytes: Arc<AtomicUsize>,
    pub(super) channels: Channels,
    pub(super) slots: Slots,
    /// Bytes in all tails, and as much of it as the shared gauge knows.
    tail_bytes: usize,
    tail_bytes_told: usize,
    touched: Vec<u32>,
    /// Slots of streams at rest that have something to take, in the order in which they are served.
    pub(super) due: VecDeque<u32>,
    /// Slots of streams that wait for a long write, in the order in which they asked; at most one entry for each that came.
    pub(super) long: VecDeque<u32>,
    /// Long writes that may still begin before the next turn.
    pub(super) long_left: usize,
    /// What was delivered to streams at rest: of a tenant, above a position, up to and with another.
    pub(super) told: Vec<(TenantId, Seq, Seq)>,
    pub(super) woken: Vec<Waker>,
    pub(super) rng: fastrand::Rng,
    pub(crate) tally: Tally,
    /// The shard's clock at its last beat or message, in milliseconds.
    pub(super) now: u64,
    /// That at its last beat.
    pub(super) beaten_at: u64,
    /// By when all streams have ended, once a drain began.
    pub(super) drained_by: Option<u64>,
}

/// What a stream says before its next push.
#[derive(Debug)]
pub(crate) enum Notice {
    /// The stream is to end, at once or later.
    Drain(Leaving),
    /// A tenant's connection changed.
    Status(TenantId, TenantStatus),
    /// A tenant is gone, and this stream has left it.
    Removed(TenantId),
}

/// What a stream's position gives.
#[derive(Debug)]
pub(crate) enum Take {
    /// These frames.
    Piece(Piece),
    /// It has all there is.
    Nothing,
    /// The tail begins later: read the journal up to here. All pushes up to this position are committed.
    Behind(Seq),
}

impl Core {
    pub(crate) fn new(shared: Arc<Shared>, id: ShardId, queued_bytes: Arc<AtomicUsize>) -> Self {
        Self {
            tally: Tally::new(shared.metrics.clone()),
            shared,
            id,
            queued_bytes,
            channels: Channels::default(),
            slots: Slots::default(),
            tail_bytes: 0,
            tail_bytes_told: 0,
            touched: Vec::new(),
            due: VecDeque::new(),
            long: VecDeque::new(),
            long_left: LONG_WRITES,
            told: Vec::new(),
            woken: Vec::new(),
            rng: fastrand::Rng::new(),
            now: 0,
            beaten_at: 0,
            drained_by: None,
        }
    }

    pub(crate) fn now(&self) -> u64 {
        self.now
    }

    pub(crate) fn set_now(&mut self, now: u64) {
        self.now = now;
    }

    /// The wakers of this round. Give the list back by [`Core::reuse`].
    pub(crate) fn take_woken(&mut self) -> Vec<Waker> {
        mem::take(&mut self.woken)
    }

    pub(crate) fn reuse(&mut self, list: Vec<Waker>) {
        if self.woken.is_empty() {
            self.woken = list;
        }
    }

    // Subscribers come and go.

    pub(crate) fn join(&mut self, tenants: &[TenantId], peer: Peer, lease: &Lease) -> (u32, Members, Arc<Record>) {
        let id = self.shared.roster.next_id();
        let slot = Slot {
            heartbeat_at: self.heartbeat_at(),
            lease_at: lease.turns_at(self.shared.wall.now()),
            end_at: if self.is_draining() { AT_ONCE } else { NEVER },
            ..Slot::new(id, Places::new(tenants.len()))
        };
        let slot = self.slots.insert(slot);
        let members: Vec<_> = tenants.iter().zip(0..).map(|(tenant, nth)| self.sit(tenant, slot, nth)).collect();
        let channels = members.iter().filter_map(|member| self.channels.get(member.channel));
        let carried = channels.map(|channel| (channel.tenant.clone(), channel.newest.clone()));
        let record = Arc::new(Record::new(id, carried, peer));
        self.shared.roster.join(&record);
        (slot, Members::new(members), record)
    }

    fn sit(&mut self, tenant: &TenantId, slot: u32, nth: u32) -> Member {
        let (index, new) = self.channels.open(tenant);
        if let Some(key) = new {
            self.shared.queue.command(Command::Interest { shard: self.id, key, tenant: tenant.clone() });
        }
        if let Some(channel) = self.channels.get_mut(index) {
            let place = channel.members.len() as u32;
            channel.members.push(Seat { slot, nth });
            if let Some(slot) = self.slots.get_mut(slot) {
                slot.places.set(nth, place);
            }
        }
        Member { channel: index, nth, seen: NOT_OPEN }
    }

    /// Frees a subscriber's slot, which is given back, to be dropped when nothing is borrowed.
    pub(crate) fn leave(&mut self, slot: u32, members: &mut Members) -> Option<Slot> {
        let members = mem::replace(members, Members::Many(Vec::new()));
        if self.slots.get_mut(slot)?.is_given_up() {
            // Its channels may be others by now.
            return self.slots.remove(slot);
        }
        for member in members.as_slice() {
            self.stand_up(slot, *member);
        }
        self.close_page(slot);
        self.shared.metrics.subscribers.dec();
        self.slots.remove(slot)
    }

    pub(super) fn stand_up(&mut self, slot: u32, member: Member) {
        let Some(channel) = self.channels.get_mut(member.channel) else { return };
        let Some((id, place)) = self.slots.get_mut(slot).map(|slot| (slot.id, slot.places.get(member.nth))) else {
            return;
        };
        channel.members.swap_remove(place as usize);
        if let Some(&moved) = channel.members.get(place as usize)
            && let Some(slot) = self.slots.get_mut(moved.slot)
        {
            slot.places.set(moved.nth, place);
        }
        self.shared.roster.leave(&channel.tenant, id);
        if channel.members.is_empty() {
            self.emptied(member.channel);
        }
    }

    /// The last member of a channel has left.
    pub(super) fn emptied(&mut self, index: u32) {
        let Some(channel) = self.channels.get_mut(index) else { return };
        channel.idle_since = self.now;
        if channel.removed {
            self.close(index);
        }
    }

    pub(super) fn close(&mut self, index: u32) {
        if let Some((key, channel)) = self.channels.close(index) {
            self.tail_bytes -= channel.tail.bytes();
            if !channel.removed {
                let Channel { tenant, .. } = channel;
                self.shared.queue.command(Command::NoInterest { shard: self.id, key, tenant });
            }
        }
    }

    // Messages and time.

    /// Takes one message. Call [`Core::end_round`] after the last one.
    pub(crate) fn message(&mut self, message: Message) {
        match message {
            Message::Frames(frames) => self.frames(frames),
            Message::Control(control) => self.control(*control),
        }
    }

    fn frames(&mut self, frames: Vec<Frame>) {
        let mut queued = 0;
        for Frame { key, seq, bytes, received_at } in frames {
            queued += bytes.len();
            let Some(channel) = self.channels.by_key(key) else { continue };
            let before = channel.tail.bytes();
            if channel.registered && channel.tail.append(TailFrame { seq, bytes, received_at }) {
                channel.newest.set(seq);
                channel.tail.shrink(self.shared.config.tail_bytes_per_tenant, Keep::Newest);
                self.tail_bytes = self.tail_bytes - before + channel.tail.bytes();
                touch(&mut self.touched, key, channel, Touched::Pushes);
            }
        }
        self.queued_bytes.fetch_sub(queued, Ordering::Relaxed);
        self.shrink();
    }

    /// Keeps all tails together within their bound: the largest gives up its older half.
    fn shrink(&mut self) {
        while self.tail_bytes > self.shared.config.tail_bytes {
            let largest = self.channels.iter_mut().max_by_key(|(_, channel)| channel.tail.bytes());
            let Some((_, channel)) = largest else { break };
            let before = channel.tail.bytes();
            channel.tail.shrink(before / 2, Keep::Nothing);
            self.tail_bytes = self.tail_bytes - before + channel.tail.bytes();
        }
    }

    fn control(&mut self, control: Control) {
        for key in control.removed {
            if let Some(channel) = self.channels.by_key(key) {
                touch(&mut self.touched, key, channel, Touched::News);
                let empty = channel.members.is_empty();
                self.channels.detach(key.index);
                if empty {
                    self.close(key.index);
                }
            }
        }
        for state in control.states {
            self.state(state);
        }
        if let Some(spread) = control.drain {
            self.drain(spread);
        }
        if control.recheck {
            self.wake_all();
        }
    }

    /// The tail is complete from `state.last` on. Where it reaches that far it stays; where it does not, there is a
    /// hole (or it never began), and it starts anew behind the hole.
    fn state(&mut self, state: ChannelState) {
        let Some(channel) = self.channels.by_key(state.key) else { return };
        if !channel.registered || channel.tail.last() < state.last {
            self.tail_bytes -= channel.tail.bytes();
            channel.tail = Tail::new(state.last);
            channel.newest.set(state.last);
            channel.registered = true;
        }
        if state.status.is_some() && channel.status != state.status {
            channel.status = state.status;
            channel.version += 1;
        }
        touch(&mut self.touched, state.key, channel, Touched::News);
    }

    /// Collects the wakers of all whom this round's messages concern; streams at rest that have pushes to take, and nothing
    /// else, wait for their turn to be written to. Pushes are no concern of a stream that waits for the
    /// journal or for its rate: thousands may, and each would look in vain once a round.
    pub(crate) fn end_round(&mut self) {
        let stall_at = self.stall_at();
        for index in self.touched.drain(..) {
            let Some(channel) = self.channels.get_mut(index) else { continue };
            let news = channel.touched.take() == Some(Touched::News);
            for seat in &channel.members {
                let Some(slot) = self.slots.get_mut(seat.slot) else { continue };
                if news || slot.rest.is_none() && !slot.is_behind() {
                    self.woken.extend(slot.wake(stall_at));
                } else if slot.rest.is_some() && !mem::replace(&mut slot.due, true) {
                    self.due.push_back(seat.slot);
                }
            }
        }
    }

    /// Brings the shared counters up to date.
    pub(crate) fn tell(&mut self) {
        let gauge = &self.shared.metrics.tail_bytes;
        gauge.inc_by(self.tail_bytes.cast_signed() as i64 - self.tail_bytes_told.cast_signed() as i64);
        self.tail_bytes_told = self.tail_bytes;
        self.tally.tell();
    }

    pub(crate) fn give_up_tails(&mut self) {
        self.tail_bytes = 0;
        self.tell();
    }
}

fn touch(touched: &mut Vec<u32>, key: ChannelKey, channel: &mut Channel, by: Touched) {
    if channel.touched.is_none() {
        touched.push(key.index);
    }
    channel.touched = channel.touched.max(Some(by));
}
