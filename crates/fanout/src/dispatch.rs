use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use pushgate_model::{Seq, StoredPush, TenantId, TenantStatus};

use crate::{
    FanoutMetrics,
    blips::Blips,
    frame::Encoder,
    log::Log,
    message::{ChannelKey, ChannelState, Command, Control, Frame, ShardId},
    outlet::Outlet,
    queue::{Change, Lanes, Queue},
};

/// The loop goes round at least so often.
const BEAT: Duration = Duration::from_millis(500);
/// How often a shard that is behind is looked at.
const BEHIND: Duration = Duration::from_millis(5);
/// Capacity of the encoder's buffer that is kept; one long push does not hold memory for ever.
const SCRATCH: usize = 256 << 10;

/// What the dispatch thread knows, without thread or clock: which shards want which tenants, and what these have been
/// told of each.
///
/// It waits for nobody. Every shard gets its messages in the order of seq over all tenants, since one batch after the
/// other is posted whole.
pub(crate) struct Dispatcher {
    log: Arc<Log>,
    metrics: FanoutMetrics,
    encoder: Encoder,
    scratch: Vec<u8>,
    tenants: HashMap<TenantId, Entry>,
    blips: Blips,
    /// By [`ShardId`].
    shards: Vec<Option<Outlet>>,
    /// Shards with frames of the batch at hand.
    touched: Vec<ShardId>,
    /// No tenant without an entry has a push above this position.
    floor: Seq,
    /// How long the streams have, once a drain began.
    draining: Option<Duration>,
}

#[derive(Debug)]
struct Entry {
    /// No push of this tenant above this position was dispatched yet; where it is not known, a higher bound.
    last: Seq,
    /// What subscribers were told last of its connection.
    status: Option<TenantStatus>,
    interested: Vec<(ShardId, ChannelKey)>,
}

impl Entry {
    fn state(&self, key: ChannelKey) -> ChannelState {
        ChannelState { key, last: self.last, status: self.status.clone() }
    }
}

/// Goes round until the queue is closed, and tells `progress` each time.
pub(crate) fn run(dispatcher: &mut Dispatcher, queue: &Queue, progress: impl Fn(Instant)) {
    let mut timeout = BEAT;
    while let Some(lanes) = queue.take(timeout) {
        let now = Instant::now();
        progress(now);
        dispatcher.handle(lanes, now);
        timeout = if dispatcher.catch_up() { BEHIND } else { BEAT };
    }
}

impl Dispatcher {
    pub(crate) fn new(log: Arc<Log>, metrics: FanoutMetrics) -> Self {
        Self {
            encoder: Encoder::new(log.epoch.clone()),
            floor: log.dispatched(),
            log,
            metrics,
            scratch: Vec::new(),
            tenants: HashMap::new(),
            blips: Blips::default(),
            shards: Vec::new(),
            touched: Vec::new(),
            draining: None,
        }
    }

    /// Does everything that was waiting. Commands come first: whoever is interested now gets the batches too.
    pub(crate) fn handle(&mut self, lanes: Lanes, now: Instant) {
        for command in lanes.commands {
            self.command(command);
        }
        for (tenant, change) in lanes.changes {
            self.change(&tenant, change, now);
        }
        for (tenant, status) in self.blips.due(now) {
            self.tell(&tenant, status);
        }
        if let Some(spread) = lanes.drain {
            self.drain(spread);
        }
        if lanes.recheck {
            self.shards.iter_mut().flatten().for_each(Outlet::recheck);
        }
        for batch in lanes.commits {
            self.commit(&batch);
        }
    }

    /// Brings shards that are behind up to date, where they made room. Says whether there are still such shards.
    pub(crate) fn catch_up(&mut self) -> bool {
        let mut behind = false;
        for (index, outlet) in self.shards.iter_mut().enumerate() {
            let Some(outlet) = outlet else { continue };
            if outlet.can_catch_up() {
                let states = self.tenants.values().flat_map(|entry| {
                    let keys = entry.interested.iter().filter(|(shard, _)| shard.0 == index);
                    keys.map(|(_, key)| entry.state(*key))
                });
                let now = Control { states: states.collect(), drain: self.draining, ..Control::default() };
                outlet.catch_up(now);
            }
            behind |= outlet.is_behind();
        }
        self.forget_closed();
        behind
    }

    fn command(&mut self, command: Command) {
        match command {
            Command::AddShard { id, outlet } => self.add_shard(id, outlet),
            Command::Interest { shard, key, tenant } => {
                let floor = self.floor;
                let entry = self.tenants.entry(tenant).or_insert_with(|| Entry::at(floor));
                entry.interested.push((shard, key));
                let state = entry.state(key);
                if let Some(outlet) = outlet(&mut self.shards, shard) {
                    outlet.state(state);
                }
            }
            Command::NoInterest { shard, key, tenant } => {
                if let Some(entry) = self.tenants.get_mut(&tenant) {
                    entry.interested.retain(|interest| *interest != (shard, key));
                }
                self.forget_if_idle(&tenant);
            }
        }
    }

    fn add_shard(&mut self, id: ShardId, mut outlet: Outlet) {
        if let Some(spread) = self.draining {
            outlet.drain(spread);
        }
        if self.shards.len() <= id.0 {
            self.shards.resize_with(id.0 + 1, || None);
        }
        self.shards[id.0] = Some(outlet);
    }

    fn change(&mut self, tenant: &TenantId, change: Change, now: Instant) {
        if change.removed {
            self.remove(tenant);
        }
        if let Some(status) = change.status {
            let told = self.tenants.get(tenant).and_then(|entry| entry.status.as_ref());
            if let Some(status) = self.blips.change(tenant, told, status, now) {
                self.tell(tenant, status);
            }
        }
    }

    /// What was known of the tenant goes. Should its name return, that is another tenant.
    fn remove(&mut self, tenant: &TenantId) {
        self.blips.forget(tenant);
        let Some(entry) = self.tenants.remove(tenant) else { return };
        self.floor = self.floor.max(entry.last);
        for (shard, key) in entry.interested {
            if let Some(outlet) = outlet(&mut self.shards, shard) {
                outlet.removed(key);
            }
        }
    }

    fn tell(&mut self, tenant: &TenantId, status: TenantStatus) {
        let floor = self.floor;
        let entry = self.tenants.entry(tenant.clone()).or_insert_with(|| Entry::at(floor));
        entry.status = Some(status);
        for &(shard, key) in &entry.interested {
            if let Some(outlet) = outlet(&mut self.shards, shard) {
                outlet.state(entry.state(key));
            }
        }
    }

    fn drain(&mut self, spread: Duration) {
        self.draining = Some(spread);
        for outlet in self.shards.iter_mut().flatten() {
            outlet.drain(spread);
        }
    }

    fn commit(&mut self, batch: &[Arc<StoredPush>]) {
        let Some(last) = batch.last() else { return };
        self.log.set_dispatched(last.seq);
        for push in batch {
            self.dispatch(push);
        }
        for shard in self.touched.drain(..) {
            if let Some(outlet) = outlet(&mut self.shards, shard) {
                outlet.flush(&self.metrics);
            }
        }
    }

    fn dispatch(&mut self, push: &StoredPush) {
        if !self.tenants.contains_key(&push.tenant) {
            self.tenants.insert(push.tenant.clone(), Entry::at(self.floor));
        }
        let Some(entry) = self.tenants.get_mut(&push.tenant) else { return };
        entry.last = entry.last.max(push.seq);
        if entry.interested.is_empty() {
            return;
        }
        let bytes = encode(&self.encoder, &mut self.scratch, push);
        for &(shard, key) in &entry.interested {
            let frame = Frame { key, seq: push.seq, bytes: bytes.clone(), received_at: push.received_at };
            if let Some(outlet) = outlet(&mut self.shards, shard)
                && outlet.push(frame)
            {
                self.touched.push(shard);
            }
        }
    }

    /// An entry that says no more than the floor does is dropped.
    fn forget_if_idle(&mut self, tenant: &TenantId) {
        let idle = |entry: &Entry| entry.interested.is_empty() && entry.status.is_none() && entry.last <= self.floor;
        if self.tenants.get(tenant).is_some_and(idle) {
            self.tenants.remove(tenant);
        }
    }

    fn forget_closed(&mut self) {
        for index in 0..self.shards.len() {
            if self.shards[index].as_ref().is_some_and(Outlet::is_closed) {
                self.shards[index] = None;
                for entry in self.tenants.values_mut() {
                    entry.interested.retain(|(shard, _)| shard.0 != index);
                }
            }
        }
    }
}

impl Entry {
    fn at(last: Seq) -> Self {
        Self { last, status: None, interested: Vec::new() }
    }
}

fn outlet(shards: &mut [Option<Outlet>], shard: ShardId) -> Option<&mut Outlet> {
    shards.get_mut(shard.0).and_then(Option::as_mut)
}

/// Encodes into a buffer that is used again, then copies: so the shared bytes are exactly as long as the frame.
fn encode(encoder: &Encoder, scratch: &mut Vec<u8>, push: &StoredPush) -> Bytes {
    scratch.clear();
    encoder.push(scratch, push);
    let bytes = Bytes::copy_from_slice(scratch);
    scratch.truncate(0);
    scratch.shrink_to(SCRATCH);
    bytes
}
