//! What a stream asks of its shard.

use pushgate_model::{Seq, TenantId, TenantStatus};

use super::{
    core::{Core, Notice, Take},
    member::{Member, Members, NOT_OPEN},
    merge,
    time::Leaving,
};
use crate::{replay::Replay, tail::Tail};

impl Core {
    /// What the stream at `cursor` has to say before its next push.
    pub(crate) fn notice(&mut self, slot: u32, members: &mut Members, cursor: Seq) -> Option<Notice> {
        match self.leaving(slot) {
            Leaving::No => {}
            leaving => return Some(Notice::Drain(leaving)),
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

    /// A stream waits for its turn to read a page.
    pub(crate) fn queue_for_page(&mut self, slot: u32) {
        if let Some(slot) = self.slots.get_mut(slot) {
            slot.queued = true;
        }
    }

    /// It is the stream's turn to read a page.
    pub(crate) fn open_page(&mut self, slot: u32) {
        if let Some(slot) = self.slots.get_mut(slot) {
            slot.queued = false;
            slot.page = Some(Box::default());
        }
    }

    /// The page that the stream reads or writes.
    pub(crate) fn page(&mut self, slot: u32) -> Option<&mut Replay> {
        self.slots.get_mut(slot)?.page.as_deref_mut()
    }

    /// It has written the page, or given it up.
    pub(crate) fn close_page(&mut self, slot: u32) {
        let Some(slot) = self.slots.get_mut(slot) else { return };
        slot.queued = false;
        slot.page = None;
    }

    /// How many streams hold a page.
    #[cfg(test)]
    pub(crate) fn pages(&mut self) -> usize {
        self.slots.iter_mut().filter(|slot| slot.page.is_some()).count()
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
