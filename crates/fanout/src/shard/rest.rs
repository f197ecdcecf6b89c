//! Streams at rest: they have written all there is, and what comes next their shard writes itself.
//!
//! A stream whose bytes go to a [`FrameSink`] need not be woken for each push. When it waits for the next one it leaves
//! its cursor in its slot, and the shard takes from the tail on its behalf as the stream would have done: from the cursor
//! on, everything joined, and the cursor moves to the last that the sink took. Whatever else there is to do (a sink that is
//! full, news of a tenant, a lease that ends, a tail that begins later) wakes the stream, which takes its cursor back.

use std::{fmt, io, mem, rc::Rc, sync::Arc};

use bytes::Bytes;
use pushgate_model::{Seq, TenantId};

use super::{core::Core, slot::Slot, time::heartbeat_at};
use crate::{
    Lease, Revocation, frame,
    record::Record,
    tail::{Look, Tail},
};

/// Streams that are written to, or woken, before everything else on the thread has its turn.
const TURN: usize = 256;

/// Streams whose memory is fetched together. Each has its own somewhere, and a write waits for nothing but that: what is
/// touched in a row comes in the time of one.
const AHEAD: usize = 8;

/// Takes a stream's bytes without anybody being asked, such as a socket that does not block.
pub trait FrameSink {
    /// Takes bytes from the beginning of `bytes`, at least one of them; says how many. It is called while the shard is at
    /// work, and may be dropped then: neither may wait or call the shard.
    ///
    /// # Errors
    /// It takes none now, of the kind `WouldBlock`, or never again. Either way its stream is woken.
    fn write(&self, bytes: &[u8]) -> io::Result<usize>;

    /// It will be written to soon: touches the memory that this takes.
    fn touch(&self) {}
}

/// What a stream leaves with its shard while it rests.
pub(crate) struct Rest {
    pub(crate) sink: Rc<dyn FrameSink>,
    pub(crate) record: Arc<Record>,
    pub(crate) revocation: Revocation,
    /// The channel of its only tenant.
    pub(crate) channel: u32,
    /// All up to here was taken by the sink, or is in `left`.
    pub(crate) cursor: Seq,
    /// All up to here was taken by the sink, and told to be delivered.
    pub(crate) delivered: Seq,
    /// Bytes that the sink took and the record does not know of.
    bytes: usize,
    /// What the sink did not take of a piece. The stream is woken then.
    left: Option<Box<Bytes>>,
}

impl fmt::Debug for Rest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rest").field("cursor", &self.cursor).field("left", &self.left).finish_non_exhaustive()
    }
}

impl Rest {
    /// A stream of this channel has written all up to `cursor`, and told it.
    pub(crate) fn new(sink: Rc<dyn FrameSink>, record: Arc<Record>, lease: &Lease, at: (u32, Seq)) -> Self {
        record.rests(true);
        let ((channel, cursor), revocation) = (at, lease.revocation.clone());
        Self { sink, record, revocation, channel, cursor, delivered: cursor, bytes: 0, left: None }
    }

    /// Tells the record what it does not know yet.
    pub(super) fn tell(&mut self) {
        if self.bytes > 0 {
            self.record.wrote(mem::take(&mut self.bytes));
        }
    }

    /// The stream goes on from here. Gives what the sink did not take.
    pub(crate) fn end(&mut self) -> Option<Bytes> {
        self.tell();
        self.record.moved(self.delivered);
        self.record.rests(false);
        self.left.take().map(|left| *left)
    }

    /// Whether nothing keeps it from being written to, be it with something or with nothing.
    fn is_free(&self) -> bool {
        self.left.is_none() && !self.revocation.is_revoked()
    }

    /// Hands `bytes` to the sink, which end at the position `last`. Says whether it took them all.
    fn write(&mut self, bytes: &Bytes, last: Seq) -> bool {
        let Ok(taken) = self.sink.write(bytes) else { return false };
        self.bytes += taken;
        self.cursor = last;
        if taken < bytes.len() {
            self.left = Some(Box::new(bytes.slice(taken..)));
        }
        self.left.is_none()
    }

    /// Writes the piece that comes after the cursor, if there is one. Says whether that was possible.
    fn write_next(&mut self, tail: &mut Tail, limit: usize, wrote: impl FnOnce(&Look<'_>)) -> bool {
        let Some(piece) = tail.look(self.cursor, limit) else { return true };
        let all = self.write(piece.bytes, piece.last);
        if self.cursor == piece.last {
            wrote(&piece);
        }
        all
    }

    /// What was delivered and not told yet.
    fn deliver(&mut self) -> Option<(Seq, Seq)> {
        if self.left.is_some() || self.delivered == self.cursor {
            return None;
        }
        Some((mem::replace(&mut self.delivered, self.cursor), self.cursor))
    }
}

impl Core {
    /// The stream leaves this until it asks again.
    pub(crate) fn rest(&mut self, slot: u32, rest: Rest) {
        if let Some(slot) = self.slots.get_mut(slot).filter(|slot| !slot.is_given_up()) {
            slot.rest = Some(rest);
        }
    }

    /// The stream asks, and takes back what it left.
    pub(crate) fn rise(&mut self, slot: u32) -> Option<Rest> {
        self.slots.get_mut(slot)?.rest.take()
    }

    /// Serves streams that are due, as many as fit a turn. Says whether there are more.
    pub(crate) fn serve(&mut self) -> bool {
        let wall = self.shared.wall.now().as_millis();
        for _ in 0..TURN / AHEAD {
            let next = self.due.len().min(AHEAD);
            for slot in self.due.iter().take(next) {
                if let Some(rest) = self.slots.get(*slot).and_then(|slot| slot.rest.as_ref()) {
                    rest.sink.touch();
                }
            }
            for _ in 0..next {
                let Some(slot) = self.due.pop_front() else { break };
                self.serve_one(slot, wall);
            }
        }
        !self.due.is_empty()
    }

    /// One piece at most: streams that are several behind take each together, so that it is joined once for all of them.
    fn serve_one(&mut self, index: u32, wall: u64) {
        let stall_at = self.stall_at();
        let Self { slots, channels, shared, tally, due, told, rng, now, woken, .. } = self;
        // Its stream may have left, and another one have the slot: that one is served as well.
        let Some(slot) = slots.get_mut(index) else { return };
        slot.due = false;
        if let Some(rest) = &mut slot.rest
            && let Some(channel) = channels.get_mut(rest.channel)
            && rest.is_free()
            && wall < slot.lease_at
            && channel.tail.start() <= rest.cursor
        {
            let before = rest.cursor;
            let all = rest.write_next(&mut channel.tail, shared.config.joined_write, |piece| tally.wrote(piece, wall));
            if rest.cursor > before {
                slot.heartbeat_at = heartbeat_at(*now, &shared.config, rng);
            }
            if let Some((after, upto)) = rest.deliver()
                && channel.told.add(after, upto)
            {
                told.push((channel.tenant.clone(), after, upto));
            }
            if all {
                if rest.cursor < channel.tail.last() {
                    slot.due = true;
                    due.push_back(index);
                }
                return;
            }
        }
        woken.extend(slot.wake(stall_at));
    }

    /// What was delivered since this was asked last, for whoever wants to know.
    pub(crate) fn take_told(&mut self) -> Vec<(TenantId, Seq, Seq)> {
        mem::take(&mut self.told)
    }
}

impl Slot {
    /// Writes a heartbeat for a stream at rest. Says no when the stream has to look after it.
    pub(super) fn comment(&mut self) -> bool {
        let rest = self.rest.as_mut().filter(|rest| rest.is_free());
        rest.is_some_and(|rest| rest.write(&frame::COMMENT, rest.cursor))
    }
}
