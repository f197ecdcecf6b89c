use std::collections::HashMap;

use pushgate_model::{Seq, TenantId, TenantStatus};

use super::told::Told;
use crate::{message::ChannelKey, record::Newest, tail::Tail};

/// One tenant on one worker thread.
#[derive(Debug)]
pub(crate) struct Channel {
    pub(crate) tenant: TenantId,
    generation: u32,
    /// The dispatch thread has answered: from here on the tail is complete.
    pub(crate) registered: bool,
    /// The tenant is gone. No new stream joins; the last one to leave frees the channel.
    pub(crate) removed: bool,
    pub(crate) tail: Tail,
    /// The tail's last position, for other threads.
    pub(crate) newest: Newest,
    pub(crate) told: Told,
    pub(crate) status: Option<TenantStatus>,
    /// Counts changes of `status`.
    pub(crate) version: u32,
    pub(crate) members: Vec<Seat>,
    /// When the last member left, in milliseconds of the shard's clock.
    pub(crate) idle_since: u64,
    /// For what its members are to be woken at the end of this round.
    pub(crate) touched: Option<Touched>,
}

/// What a round of messages brought a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Touched {
    /// Pushes alone.
    Pushes,
    /// A state, or its end.
    News,
}

/// One subscriber in a channel.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seat {
    /// The subscriber's slot.
    pub(crate) slot: u32,
    /// Which of its tenants this is.
    pub(crate) nth: u32,
}

impl Channel {
    fn new(tenant: TenantId, generation: u32) -> Self {
        Self {
            tenant,
            generation,
            registered: false,
            removed: false,
            tail: Tail::new(Seq::ZERO),
            newest: Newest::default(),
            told: Told::default(),
            status: None,
            version: 0,
            members: Vec::new(),
            idle_since: 0,
            touched: None,
        }
    }
}

/// The channels of one worker thread, by tenant and by place.
#[derive(Debug, Default)]
pub(crate) struct Channels {
    places: Vec<Place>,
    free: Vec<u32>,
    by_tenant: HashMap<TenantId, u32>,
}

#[derive(Debug, Default)]
struct Place {
    /// Grows each time that the place is given up, so that messages for an earlier channel are known as such.
    generation: u32,
    channel: Option<Channel>,
}

impl Channels {
    /// The channel of a tenant; says its key when it is new.
    pub(crate) fn open(&mut self, tenant: &TenantId) -> (u32, Option<ChannelKey>) {
        if let Some(&index) = self.by_tenant.get(tenant) {
            return (index, None);
        }
        let index = self.free.pop().unwrap_or_else(|| {
            self.places.push(Place::default());
            (self.places.len() - 1) as u32
        });
        let place = &mut self.places[index as usize];
        let generation = place.generation;
        place.channel = Some(Channel::new(tenant.clone(), generation));
        self.by_tenant.insert(tenant.clone(), index);
        (index, Some(ChannelKey { index, generation }))
    }

    /// No new stream finds this channel any more.
    pub(crate) fn detach(&mut self, index: u32) {
        if let Some(channel) = self.get_mut(index) {
            channel.removed = true;
            let tenant = channel.tenant.clone();
            self.by_tenant.remove(&tenant);
        }
    }

    /// Frees the place.
    pub(crate) fn close(&mut self, index: u32) -> Option<(ChannelKey, Channel)> {
        let place = self.places.get_mut(index as usize)?;
        let channel = place.channel.take()?;
        place.generation = place.generation.wrapping_add(1);
        self.free.push(index);
        if !channel.removed {
            self.by_tenant.remove(&channel.tenant);
        }
        Some((ChannelKey { index, generation: channel.generation }, channel))
    }

    pub(crate) fn get(&self, index: u32) -> Option<&Channel> {
        self.places.get(index as usize)?.channel.as_ref()
    }

    pub(crate) fn get_mut(&mut self, index: u32) -> Option<&mut Channel> {
        self.places.get_mut(index as usize)?.channel.as_mut()
    }

    /// The channel that a message is for, unless it has been closed since.
    pub(crate) fn by_key(&mut self, key: ChannelKey) -> Option<&mut Channel> {
        self.get_mut(key.index).filter(|channel| channel.generation == key.generation)
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (u32, &mut Channel)> {
        let places = self.places.iter_mut().enumerate();
        places.filter_map(|(index, place)| Some((index as u32, place.channel.as_mut()?)))
    }
}
