use std::{
    fmt, panic,
    panic::AssertUnwindSafe,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant, SystemTime},
};

use pushgate_journal::{CommitSink, Journal};
use pushgate_model::{ConnectionState, StoredPush, TenantId, TenantStatus};

use crate::{
    DeliverySink, FanoutConfig, FanoutMetrics, Shard, StreamSnapshot,
    dispatch::{self, Dispatcher},
    log::Log,
    message::{Command, ShardId},
    outlet,
    pages::Pages,
    queue::Queue,
    roster::Roster,
    wall::Wall,
};

/// Where the journal puts its commits. Made before the journal, by [`Fanout::channel`].
#[derive(Debug)]
pub struct CommitInlet {
    queue: Arc<Queue>,
    refused: bool,
}

/// The other end of a [`CommitInlet`], to be given to [`Fanout::start`].
#[derive(Debug)]
pub struct FanoutInbox {
    queue: Arc<Queue>,
}

/// A handle on the dispatch thread, which ends with the last handle and the last shard.
#[derive(Clone)]
pub struct Fanout {
    pub(crate) shared: Arc<Shared>,
}

/// What handles, shards and subscribers share.
pub(crate) struct Shared {
    pub(crate) config: FanoutConfig,
    pub(crate) log: Arc<Log>,
    pub(crate) queue: Arc<Queue>,
    pub(crate) sink: Arc<dyn DeliverySink>,
    pub(crate) metrics: FanoutMetrics,
    pub(crate) roster: Roster,
    pub(crate) wall: Wall,
    pub(crate) pages: Arc<Pages>,
    /// What `open` says of a tenant whose connection was never published.
    pub(crate) unpublished: TenantStatus,
    next_shard: AtomicUsize,
    progress: Arc<Progress>,
}

/// When the dispatch loop last went round.
struct Progress {
    base: Instant,
    millis: AtomicU64,
}

impl CommitSink for CommitInlet {
    fn committed(&mut self, batch: &[Arc<StoredPush>]) {
        if !batch.is_empty() && !self.queue.commit(batch) && !self.refused {
            self.refused = true;
            // The pushes are durable; what is lost is only that streams learn of them before they reconnect.
            tracing::error!("the dispatch thread is gone, commits no longer reach subscribers");
        }
    }
}

impl Drop for FanoutInbox {
    /// Nobody takes commits any more: a writer that waits is set free.
    fn drop(&mut self) {
        self.queue.close();
    }
}

impl Fanout {
    /// The way from the journal's writer to the dispatch thread; it holds `capacity` batches and then makes the writer
    /// wait. The dispatch thread itself waits for nobody.
    pub fn channel(capacity: usize) -> (CommitInlet, FanoutInbox) {
        let queue = Arc::new(Queue::new(capacity));
        (CommitInlet { queue: Arc::clone(&queue), refused: false }, FanoutInbox { queue })
    }

    /// Starts the dispatch thread. `journal` must be the one whose commits come by `inbox`; `sink` learns what was written
    /// to streams.
    ///
    /// When the system gives no thread, that is logged and [`Fanout::last_progress`] stands still.
    pub fn start(
        config: FanoutConfig,
        journal: Arc<dyn Journal>,
        inbox: FanoutInbox,
        sink: Arc<dyn DeliverySink>,
    ) -> Self {
        let shared = Arc::new(Shared::new(config, journal, Arc::clone(&inbox.queue), sink));
        let mut dispatcher = Dispatcher::new(Arc::clone(&shared.log), shared.metrics.clone());
        let progress = Arc::clone(&shared.progress);
        let spawned = thread::Builder::new().name("dispatch".into()).spawn(move || {
            // However this ends, dropping the inbox sets the journal's writer free. After a panic the handle's
            // progress stands still, by which the liveness probe notices.
            let looped = AssertUnwindSafe(|| {
                dispatch::run(&mut dispatcher, &inbox.queue, |now| progress.set(now));
            });
            if panic::catch_unwind(looped).is_err() {
                tracing::error!("the dispatch thread panicked, streams get no more pushes");
            }
        });
        if let Err(error) = spawned {
            tracing::error!(%error, "the dispatch thread could not be started");
        }
        Self { shared }
    }

    /// Makes this thread's shard. Call once per worker thread, inside its runtime and its `LocalSet`.
    pub fn shard(&self) -> Rc<Shard> {
        let id = self.shared.next_shard_id();
        let (outlet, inbox) = outlet::channel(id, &self.shared.config);
        let queued_bytes = Arc::clone(&inbox.queued_bytes);
        self.shared.queue.command(Command::AddShard { id, outlet });
        let shard = Shard::new(Arc::clone(&self.shared), id, queued_bytes);
        tokio::task::spawn_local(crate::shard::run(Rc::downgrade(&shard), inbox.messages, shard.beat()));
        shard
    }

    /// A tenant's connection changed: its subscribers learn of it by an `upstream` event within two seconds, new ones by
    /// `open`, which says what was told last. Until the first call for a tenant that is `waiting`.
    ///
    /// The first status, and a change to `connected`, are told at once. Any other change is told once it has lasted for a
    /// second, and then with the latest state and reason; one that is undone by then, so that state and reason are again
    /// what was told last, is not told at all, and neither is the return: `since` stays what it was.
    pub fn publish(&self, tenant: &TenantId, status: TenantStatus) {
        self.shared.queue.publish(tenant, status);
    }

    /// The tenant is gone: its streams end with `tenant-removed`; streams of several tenants go on without it.
    ///
    /// A stream that subscribes after this call waits for a tenant of the same name: whoever knows which tenants exist
    /// asks again after [`Shard::subscribe`]. Should the name return, streams that subscribe then carry it; those of several
    /// tenants that stayed go on without it until they come again. One that subscribes while the news is still on its way
    /// to the worker threads may be told of the removal all the same, and finds the tenant when it comes again.
    pub fn remove(&self, tenant: &TenantId) {
        self.shared.queue.remove(tenant);
    }

    /// Streams that carry this tenant, over all threads.
    pub fn subscribers(&self, tenant: &TenantId) -> usize {
        self.shared.roster.count(tenant)
    }

    /// The streams that carry this tenant, over all threads, by id.
    pub fn streams(&self, tenant: &TenantId) -> Vec<StreamSnapshot> {
        let records = self.shared.roster.records(tenant);
        records.iter().map(|record| record.snapshot(&self.shared.log.epoch)).collect()
    }

    /// Tells all streams `shutdown` with a jittered `retry:`, at once, and ends each at a time of its own within `spread`,
    /// so that not all come back together. Until then a stream goes on as before. Later streams are told and end at
    /// once. A second call with a shorter `spread` makes them hurry.
    pub fn drain(&self, spread: Duration) {
        self.shared.queue.drain(spread);
    }

    /// Has all streams look whether their lease was revoked, so that idle ones end as well. Returns at once.
    pub fn recheck(&self) {
        self.shared.queue.recheck();
    }

    /// Counters, shared.
    pub fn metrics(&self) -> FanoutMetrics {
        self.shared.metrics.clone()
    }

    /// When the dispatch loop last went round; it does at least once a second.
    pub fn last_progress(&self) -> Instant {
        self.shared.progress.get()
    }
}

impl fmt::Debug for Fanout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fanout").finish_non_exhaustive()
    }
}

impl Shared {
    pub(crate) fn new(
        config: FanoutConfig,
        journal: Arc<dyn Journal>,
        queue: Arc<Queue>,
        sink: Arc<dyn DeliverySink>,
    ) -> Self {
        let log = Arc::new(Log::new(journal));
        Self {
            pages: Pages::new(Arc::clone(&log), &config),
            config,
            log,
            queue,
            sink,
            metrics: FanoutMetrics::default(),
            roster: Roster::default(),
            wall: Wall::default(),
            unpublished: TenantStatus {
                state: ConnectionState::Waiting,
                since: SystemTime::now().into(),
                reason: None,
            },
            next_shard: AtomicUsize::new(0),
            progress: Arc::new(Progress { base: Instant::now(), millis: AtomicU64::new(0) }),
        }
    }

    pub(crate) fn next_shard_id(&self) -> ShardId {
        ShardId(self.next_shard.fetch_add(1, Ordering::Relaxed))
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.queue.close();
    }
}

impl Progress {
    fn set(&self, now: Instant) {
        let millis = now.saturating_duration_since(self.base).as_millis() as u64;
        self.millis.store(millis, Ordering::Relaxed);
    }

    fn get(&self) -> Instant {
        self.base + Duration::from_millis(self.millis.load(Ordering::Relaxed))
    }
}
