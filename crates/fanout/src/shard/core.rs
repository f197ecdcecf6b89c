use std::{
    mem,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::Waker,
};

use pushgate_model::{Seq, TenantId, TenantStatus};

use super::{
    channel::{Channel, Channels, Seat},
    member::{Member, Members, NOT_OPEN},
    merge,
    slot::{Places, Slot, Slots},
    tally::Tally,
    told::Told,
};
use crate::{
    Peer,
    fanout::Shared,
    message::{ChannelKey, ChannelState, Command, Control, Frame, Message, ShardId},
    record::Record,
    tail::{Keep, Piece, Tail, TailFrame},
};

/// The least that a stream reads from the journal at a time, in bytes.
const LEAST_PAGE: usize = 4 << 10;
/// How long a channel without streams is kept, in milliseconds: a browser that reconnects finds its tail.
const LINGER: u64 = 5_000;

/// What one worker thread knows: channels with their tails, and whom to wake. It has no clock and calls nobody; wakers
/// are collected, and woken by the shell once nothing is borrowed.
pub(crate) struct Core {
    shared: Arc<Shared>,
    id: ShardId,
    queued_bytes: Arc<AtomicUsize>,
    channels: Channels,
    slots: Slots,
    /// Bytes in all tails, and as much of it as the shared gauge knows.
    tail_bytes: usize,
    tail_bytes_told: usize,
    /// Streams that read or hold a page of the journal.
    pages: usize,
    touched: Vec<u32>,
    woken: Vec<Waker>,
    rng: fastrand::Rng,
    pub(crate) tally: Tally,
    /// The shard's clock at its last beat or message, in milliseconds.
    now: u64,
    draining: bool,
}

/// What a stream says before its next push.
#[derive(Debug)]
pub(crate) enum Notice {
    /// The stream is to end.
    Drain,
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
            pages: 0,
            touched: Vec::new(),
            woken: Vec::new(),
            rng: fastrand::Rng::new(),
            now: 0,
            draining: false,
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

    pub(crate) fn join(&mut self, tenants: &[TenantId], peer: Peer) -> (u32, Members, Arc<Record>) {
        let id = self.shared.roster.next_id();
        let heartbeat_at = self.heartbeat_at();
        let places = Places::new(tenants.len());
        let slot = self.slots.insert(Slot { id, waker: None, heartbeat_at, resume_at: u64::MAX, places });
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

    /// Frees a subscriber's slot. Its waker is given back, to be dropped when nothing is borrowed.
    pub(crate) fn leave(&mut self, slot: u32, members: &mut Members) -> Option<Waker> {
        for member in members.as_slice() {
            self.stand_up(slot, *member);
        }
        *members = Members::Many(Vec::new());
        self.slots.remove(slot)?.waker
    }

    fn stand_up(&mut self, slot: u32, member: Member) {
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
            channel.idle_since = self.now;
            if channel.removed {
                self.close(member.channel);
            }
        }
    }

    fn close(&mut self, index: u32) {
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
                touch(&mut self.touched, key, channel);
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
                touch(&mut self.touched, key, channel);
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
        if control.drain {
            self.draining = true;
            for slot in self.slots.iter_mut() {
                self.woken.extend(slot.waker.take());
            }
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
        touch(&mut self.touched, state.key, channel);
    }

    /// Collects the wakers of all whom this round's messages concern.
    pub(crate) fn end_round(&mut self) {
        for index in self.touched.drain(..) {
            let Some(channel) = self.channels.get_mut(index) else { continue };
            channel.touched = false;
            for seat in &channel.members {
                if let Some(slot) = self.slots.get_mut(seat.slot) {
                    self.woken.extend(slot.waker.take());
                }
            }
        }
    }

    /// A beat of the shard's clock: wakes who has to send a heartbeat or to end a pause, gives up what nobody wants,
    /// and brings the shared counters up to date.
    pub(crate) fn beat(&mut self) {
        let now = self.now;
        for slot in self.slots.iter_mut() {
            if now >= slot.heartbeat_at.min(slot.resume_at) {
                self.woken.extend(slot.waker.take());
            }
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
        self.tell();
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

    // What a subscriber asks.

    /// Keeps a waker. The one before is given back, to be dropped when nothing is borrowed.
    pub(crate) fn wait(&mut self, slot: u32, waker: Waker) -> Option<Waker> {
        self.slots.get_mut(slot)?.waker.replace(waker)
    }

    /// Whether so long nothing was written that a heartbeat is due.
    pub(crate) fn heartbeat_due(&mut self, slot: u32) -> bool {
        let now = self.now;
        self.slots.get_mut(slot).is_some_and(|slot| now >= slot.heartbeat_at)
    }

    /// The stream writes something.
    pub(crate) fn wrote(&mut self, slot: u32) {
        let heartbeat_at = self.heartbeat_at();
        if let Some(slot) = self.slots.get_mut(slot) {
            slot.heartbeat_at = heartbeat_at;
        }
    }

    /// Wakes the stream at `resume_at`, or no longer with `u64::MAX`.
    pub(crate) fn pause(&mut self, slot: u32, resume_at: u64) {
        if let Some(slot) = self.slots.get_mut(slot) {
            slot.resume_at = resume_at;
        }
    }

    /// Between 94 and 103 % of the interval from now. A beat of a thirtieth of it, on either side, stays within 10 %.
    fn heartbeat_at(&mut self) -> u64 {
        let millis = self.shared.config.heartbeat.as_millis() as u64;
        self.now + (millis * self.rng.u64(9_400..=10_300) / 10_000).max(1)
    }

    /// What the stream at `cursor` has to say before its next push.
    pub(crate) fn notice(&mut self, slot: u32, members: &mut Members, cursor: Seq) -> Option<Notice> {
        if self.draining {
            return Some(Notice::Drain);
        }
        for member in members.as_mut_slice() {
            let Some(channel) = self.channels.get(member.channel) else { continue };
            if member.seen != channel.version
                && member.seen != NOT_OPEN
                && let Some(status) = &channel.status
            {
                member.seen = channel.version;
                return Some(Notice::Status(channel.tenant.clone(), status.clone()));
            }
            // Pushes that are in the tail already are written before the farewell.
            let served = member.seen == NOT_OPEN || cursor < channel.tail.start() || cursor >= channel.tail.last();
            if channel.removed && served {
                let tenant = channel.tenant.clone();
                let member = *member;
                members.remove(member.nth);
                self.stand_up(slot, member);
                return Some(Notice::Removed(tenant));
            }
        }
        None
    }

    /// What comes after `cursor`.
    pub(crate) fn take(&mut self, members: &Members, cursor: Seq) -> Take {
        let limit = self.shared.config.joined_write;
        let piece = if let Members::One(member) = members {
            let Some(channel) = self.channels.get_mut(member.channel) else { return Take::Nothing };
            if cursor < channel.tail.start() {
                return Take::Behind(channel.tail.start());
            }
            channel.tail.take(cursor, limit)
        } else {
            let channels = &self.channels;
            let tails = || {
                let members = members.as_slice().iter();
                members.filter_map(|member| channels.get(member.channel)).map(|channel| &channel.tail)
            };
            let start = tails().map(Tail::start).max().unwrap_or_default();
            if cursor < start {
                return Take::Behind(start);
            }
            merge::take(tails(), cursor, limit)
        };
        piece.map_or(Take::Nothing, Take::Piece)
    }

    /// A stream wrote all pushes of one of its tenants in this range. Says whose and up to where, when that is news.
    ///
    /// The tail of a tenant that is gone ends with it, while the stream may have written later pushes of others. Should the
    /// name have returned, its new pushes are none that this stream wrote.
    pub(crate) fn delivered(&mut self, member: Member, after: Seq, upto: Seq) -> Option<(TenantId, Seq)> {
        let channel = self.channels.get_mut(member.channel)?;
        let upto = if channel.removed { upto.min(channel.tail.last()) } else { upto };
        (after < upto && channel.told.add(after, upto)).then(|| (channel.tenant.clone(), upto))
    }

    /// A stream begins to read a page; says how many bytes it may have. Pages share the bound of the tails: the more
    /// streams hold one, the smaller they get, so that a thousand that are behind neither fill the memory nor wait for
    /// each other.
    pub(crate) fn open_page(&mut self) -> usize {
        self.pages += 1;
        let share = self.shared.config.tail_bytes / self.pages;
        share.max(LEAST_PAGE).min(self.shared.config.replay_page_bytes)
    }

    /// It has written the page, or given it up.
    pub(crate) fn close_page(&mut self) {
        self.pages -= 1;
    }

    /// Whether dispatch has answered for all of these.
    pub(crate) fn is_registered(&self, members: &Members) -> bool {
        let mut channels = members.as_slice().iter().filter_map(|member| self.channels.get(member.channel));
        channels.all(|channel| channel.registered)
    }

    /// The tenants with their states, which the stream knows from now on.
    pub(crate) fn open(&self, members: &mut Members) -> Vec<(TenantId, Option<TenantStatus>)> {
        let mut states = Vec::with_capacity(members.as_slice().len());
        for member in members.as_mut_slice() {
            if let Some(channel) = self.channels.get(member.channel) {
                member.seen = channel.version;
                states.push((channel.tenant.clone(), channel.status.clone()));
            }
        }
        states
    }

    pub(crate) fn tenants(&self, members: &Members) -> Vec<TenantId> {
        let channels = members.as_slice().iter().filter_map(|member| self.channels.get(member.channel));
        channels.map(|channel| channel.tenant.clone()).collect()
    }
}

fn touch(touched: &mut Vec<u32>, key: ChannelKey, channel: &mut Channel) {
    if !channel.touched {
        channel.touched = true;
        touched.push(key.index);
    }
}
