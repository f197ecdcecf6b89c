use std::{
    cell::{Cell, RefCell},
    collections::{HashMap, VecDeque},
    future::Future,
    io, mem,
    pin::{Pin, pin},
    rc::Rc,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_util::Stream;
use pushgate_journal::{Append, CommitSink, Entry, Journal, testing::MemoryJournal};
use pushgate_model::{Answer, ConnectionState, Cursor, Push, Seq, StoredPush, TenantId, TenantStatus, Timestamp};
use tokio::sync::mpsc;

use super::{
    events::{Event, parse},
    gate::{Gate, Mode},
    seq, tenant,
};
use crate::{
    DeliverySink, FanoutConfig, FrameSink, Lease, Peer, Resume, Shard, Subscribe, Subscriber,
    dispatch::Dispatcher,
    fanout::Shared,
    message::{Command, Message},
    outlet,
    queue::{Batch, Lanes, Queue},
    wall::Wall,
};

/// Everything between the journal and the streams, in one thread and without a clock: each step is taken by hand.
pub(super) struct World {
    pub(super) gate: Arc<Gate>,
    pub(super) shared: Arc<Shared>,
    pub(super) streams: Vec<TestStream>,
    pub(super) commits: Vec<(TenantId, Seq)>,
    /// By tenant.
    pub(super) trimmed: HashMap<TenantId, Seq>,
    published: HashMap<TenantId, TenantStatus>,
    sink: Arc<Ranges>,
    dispatcher: Dispatcher,
    /// Taken from the queue, not dispatched yet.
    backlog: VecDeque<Batch>,
    shards: Vec<(Rc<Shard>, mpsc::Receiver<Message>)>,
    base: Instant,
    /// In milliseconds after `base`.
    now: u64,
    /// Whether streams wait for a long write until a test lets the shard serve.
    pub(super) long_by_hand: bool,
    /// What the wall clock shows.
    pub(super) wall: Arc<AtomicU64>,
}

thread_local! {
    /// Whether streams that subscribe are written to by their shard.
    static DIRECT: Cell<bool> = const { Cell::new(false) };
}

/// Runs a test with streams that their shard writes to.
pub(super) fn directly(test: impl FnOnce()) {
    DIRECT.set(true);
    test();
}

/// A range that was told as delivered: of a tenant, above the first position, up to and with the second.
pub(super) type Range = (TenantId, Seq, Seq);

#[derive(Default)]
struct Ranges(Mutex<Vec<Range>>);

impl DeliverySink for Ranges {
    fn delivered(&self, tenant: &TenantId, after: Seq, upto: Seq) {
        self.0.lock().unwrap().push((tenant.clone(), after, upto));
    }
}

/// A stream and what it has written.
pub(super) struct TestStream {
    subscriber: Pin<Box<Subscriber>>,
    flag: Arc<Flag>,
    pub(super) request: Subscribe,
    /// The newest position when it subscribed.
    pub(super) head: Seq,
    /// Each event with the highest position of its tenants that had been trimmed by then.
    pub(super) events: Vec<(Event, Seq)>,
    /// What was told because of this stream, with how many of its events had been written before.
    pub(super) delivered: Vec<(Range, usize)>,
    written: Written,
    /// Yielded so far, comments included.
    bytes: u64,
    pub(super) ended: bool,
}

/// Where a stream's bytes go: whole frames are taken out as events.
#[derive(Clone, Default)]
struct Written(Rc<RefCell<Vec<u8>>>);

impl Written {
    fn add(&self, bytes: &[u8]) {
        self.0.borrow_mut().extend_from_slice(bytes);
    }

    /// Whole events so far.
    fn events(&self) -> Vec<Event> {
        let mut bytes = self.0.borrow_mut();
        let end = bytes.windows(2).rposition(|two| two == b"\n\n").map_or(0, |at| at + 2);
        let whole: Vec<u8> = bytes.drain(..end).collect();
        if whole.is_empty() { Vec::new() } else { parse(&whole) }
    }
}

/// Takes all, a part, or nothing for now.
struct TestSink {
    written: Written,
    dice: RefCell<fastrand::Rng>,
}

impl FrameSink for TestSink {
    fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        let mut dice = self.dice.borrow_mut();
        let taken = match dice.u8(0..4) {
            0 => return Err(io::ErrorKind::WouldBlock.into()),
            1 => dice.usize(1..=bytes.len()),
            _ => bytes.len(),
        };
        self.written.add(&bytes[..taken]);
        Ok(taken)
    }
}

struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

struct Sink(Arc<Queue>);

impl CommitSink for Sink {
    fn committed(&mut self, batch: &[Arc<StoredPush>]) {
        assert!(self.0.commit(batch));
    }
}

impl World {
    /// A gateway that comes up after an earlier life: some pushes are in the journal only, some wait for dispatch.
    pub(super) fn new(config: &FanoutConfig, shards: usize) -> Self {
        let queue = Arc::new(Queue::new(usize::MAX));
        let gate = Gate::new(MemoryJournal::new(Box::new(Sink(Arc::clone(&queue)))));
        let mut commits = commit(&gate, &["a", "b", "c", "a"]);
        queue.take(Duration::ZERO);
        commits.extend(commit(&gate, &["c", "b"]));
        let journal: Arc<dyn Journal> = Arc::clone(&gate) as _;
        let sink = Arc::<Ranges>::default();
        let wall = Arc::<AtomicU64>::default();
        let mut shared = Shared::new(config.clone(), journal, queue, Arc::clone(&sink) as _);
        shared.wall = Wall::Set(Arc::clone(&wall));
        let shared = Arc::new(shared);
        let dispatcher = Dispatcher::new(Arc::clone(&shared.log), shared.metrics.clone());
        let shards = (0..shards)
            .map(|_| {
                let id = shared.next_shard_id();
                let (outlet, inbox) = outlet::channel(id, config);
                shared.queue.command(Command::AddShard { id, outlet });
                (Shard::new(Arc::clone(&shared), id, inbox.queued_bytes), inbox.messages)
            })
            .collect();
        Self {
            gate,
            shared,
            streams: Vec::new(),
            commits,
            trimmed: HashMap::new(),
            published: HashMap::new(),
            sink,
            dispatcher,
            backlog: VecDeque::new(),
            shards,
            long_by_hand: false,
            base: Instant::now(),
            now: 0,
            wall,
        }
    }

    pub(super) fn head(&self) -> Seq {
        self.gate.head()
    }

    /// One commit of one push for each of these tenants.
    pub(super) fn commit(&mut self, tenants: &[&str]) {
        self.commits.extend(commit(&self.gate, tenants));
    }

    pub(super) fn trim(&mut self, id: &str, upto: Seq) {
        let tenant = tenant(id);
        self.gate.journal.trim(&tenant, upto);
        let gone = self.commits.iter().filter(|(of, at)| *of == tenant && *at <= upto).map(|(_, at)| *at).max();
        if let Some(gone) = gone {
            let trimmed = self.trimmed.entry(tenant).or_default();
            *trimmed = (*trimmed).max(gone);
        }
    }

    pub(super) fn purge(&mut self, id: &str) {
        assert!(now_or_never(self.gate.purge(tenant(id))).is_ok());
        self.trimmed.insert(tenant(id), self.head());
    }

    pub(super) fn publish(&mut self, id: &str, state: ConnectionState, reason: &'static str) {
        let status = TenantStatus { state, since: Timestamp::from_millis(self.now), reason: Some(reason.into()) };
        self.shared.queue.publish(&tenant(id), status.clone());
        self.published.insert(tenant(id), status);
    }

    pub(super) fn remove(&mut self, id: &str) {
        self.shared.queue.remove(&tenant(id));
        self.published.remove(&tenant(id));
    }

    /// Lets dispatch do all that waits, but at most so many batches.
    pub(super) fn dispatch(&mut self, batches: usize) {
        let mut lanes = self.shared.queue.take(Duration::ZERO).unwrap();
        self.backlog.append(&mut lanes.commits);
        let count = batches.min(self.backlog.len());
        let now = self.base + Duration::from_millis(self.now);
        self.dispatcher.handle(Lanes { commits: self.backlog.drain(..count).collect(), ..lanes }, now);
        self.dispatcher.catch_up();
    }

    /// Lets dispatch and all shards do what waits, without a beat.
    pub(super) fn pass(&mut self) {
        self.dispatch(usize::MAX);
        for shard in 0..self.shards.len() {
            self.receive(shard, usize::MAX);
        }
    }

    /// Lets a shard take at most so many messages, and serve streams at rest and long writes until nobody waits.
    pub(super) fn receive(&mut self, shard: usize, messages: usize) {
        let mut more = self.receive_and_serve(shard, messages);
        while more {
            more = self.shards[shard].0.serve() | self.shards[shard].0.next_long();
        }
        self.collect();
    }

    /// Lets a shard take at most so many messages, and serve streams at rest and long writes for one turn. Says whether
    /// there are more.
    pub(super) fn receive_and_serve(&mut self, shard: usize, messages: usize) -> bool {
        let (shard, inbox) = &mut self.shards[shard];
        let taken: Vec<_> = std::iter::from_fn(|| inbox.try_recv().ok()).take(messages).collect();
        shard.receive_at(taken.into_iter(), self.now);
        shard.serve() | shard.next_long()
    }

    /// What was told as delivered and not noted with a stream.
    pub(super) fn take_told(&mut self) -> Vec<Range> {
        mem::take(&mut *self.sink.0.lock().unwrap())
    }

    /// Notes what shards wrote by themselves. What they told because of it must have been written to some stream.
    fn collect(&mut self) {
        for index in 0..self.streams.len() {
            let trimmed = self.trimmed_of(index);
            let stream = &mut self.streams[index];
            stream.events.extend(stream.written.events().into_iter().map(|event| (event, trimmed)));
        }
        if !DIRECT.get() {
            return;
        }
        for range in self.take_told() {
            let (tenant, after, upto) = &range;
            let kept = |at: Seq| at > *after && at <= *upto && self.trimmed.get(tenant).is_none_or(|upto| at > *upto);
            let all: Vec<_> = self.commits.iter().filter(|(of, at)| of == tenant && kept(*at)).collect();
            let has = |stream: &TestStream, at: Seq| {
                let mut pushes = stream.events.iter().filter(|(event, _)| event.is_push());
                pushes.any(|(event, _)| event.seq() == at.get())
            };
            let stream = self.streams.iter_mut().find(|stream| all.iter().all(|(_, at)| has(stream, *at)));
            let stream = stream.unwrap_or_else(|| panic!("{range:?} was told and not written"));
            let written = stream.events.len();
            stream.delivered.push((range, written));
        }
    }

    fn trimmed_of(&self, index: usize) -> Seq {
        let tenants = self.streams[index].request.tenants.iter();
        tenants.filter_map(|tenant| self.trimmed.get(tenant)).max().copied().unwrap_or_default()
    }

    pub(super) fn beat(&mut self, millis: u64) {
        self.now += millis;
        for (shard, _) in &self.shards {
            shard.beat_at(self.now);
            while shard.serve() | shard.next_long() {}
        }
        self.collect();
    }

    pub(super) fn subscribe(&mut self, shard: usize, tenants: &[&str], resume: Resume) {
        self.subscribe_for(shard, tenants, resume, Lease::default());
    }

    pub(super) fn subscribe_for(&mut self, shard: usize, tenants: &[&str], resume: Resume, lease: Lease) {
        self.subscribe_to(shard, (tenants, resume), lease, None);
    }

    /// A stream whose shard writes to this sink; without one as [`directly`] has it.
    pub(super) fn subscribe_to(
        &mut self,
        shard: usize,
        (tenants, resume): (&[&str], Resume),
        lease: Lease,
        sink: Option<Rc<dyn FrameSink>>,
    ) {
        let tenants = tenants.iter().map(|id| tenant(id)).collect();
        let request = Subscribe { tenants, resume, peer: Peer::default(), lease };
        let mut subscriber = self.shards[shard].0.subscribe(request.clone());
        let written = Written::default();
        let dice = RefCell::new(fastrand::Rng::with_seed(self.streams.len() as u64));
        let test = || DIRECT.get().then(|| Rc::new(TestSink { written: written.clone(), dice }) as Rc<dyn FrameSink>);
        if let Some(sink) = sink.or_else(test) {
            subscriber.attach(sink);
        }
        self.streams.push(TestStream {
            subscriber: Box::pin(subscriber),
            flag: Arc::new(Flag(AtomicBool::new(true))),
            request,
            head: self.head(),
            events: Vec::new(),
            delivered: Vec::new(),
            written,
            bytes: 0,
            ended: false,
        });
    }

    pub(super) fn cursor(&self, at: Seq) -> Cursor {
        Cursor { epoch: self.gate.epoch(), seq: at }
    }

    /// Polls a stream at most so many times, and only when it was woken. Says how many events it wrote.
    pub(super) fn poll(&mut self, index: usize, times: usize) -> usize {
        if index >= self.streams.len() {
            return 0;
        }
        let trimmed = self.trimmed_of(index);
        let stream = &mut self.streams[index];
        let waker = Waker::from(Arc::clone(&stream.flag));
        let before = stream.events.len();
        for _ in 0..times {
            if stream.ended || !stream.flag.0.load(Ordering::Relaxed) {
                break;
            }
            let written = stream.events.len();
            let polled = stream.subscriber.as_mut().poll_next(&mut Context::from_waker(&waker));
            stream.delivered.extend(self.sink.0.lock().unwrap().drain(..).map(|range| (range, written)));
            match polled {
                Poll::Ready(Some(piece)) => {
                    stream.bytes += piece.len() as u64;
                    // What a sink did not take of a piece begins anywhere.
                    assert!(DIRECT.get() || stream.written.0.borrow().is_empty(), "only whole events are yielded");
                    stream.written.add(&piece);
                    stream.events.extend(stream.written.events().into_iter().map(|event| (event, trimmed)));
                }
                Poll::Ready(None) => stream.ended = true,
                // It may be woken again from now on. A wake-up during the poll would be seen by the next one anyway.
                Poll::Pending => {
                    stream.flag.0.store(false, Ordering::Relaxed);
                    for (shard, _) in self.shards.iter().filter(|_| !self.long_by_hand) {
                        shard.next_long();
                    }
                }
            }
        }
        stream.events.len() - before
    }

    /// Whether a stream that waits was woken.
    pub(super) fn is_woken(&self, index: usize) -> bool {
        self.streams[index].flag.0.load(Ordering::Relaxed)
    }

    /// The names of what a stream has written.
    pub(super) fn names(&self, index: usize) -> Vec<&str> {
        self.streams[index].events.iter().map(|(event, _)| event.name.as_str()).collect()
    }

    /// Bytes that were written to a stream.
    pub(super) fn bytes(&self, index: usize) -> u64 {
        self.streams[index].bytes
    }

    /// Part of what a stream wrote was taken.
    pub(super) fn keeps_taking(&self, index: usize) {
        self.streams[index].subscriber.keeps_taking();
    }

    /// Pages of the journal that a shard's streams hold.
    pub(super) fn pages(&self, shard: usize) -> usize {
        self.shards[shard].0.core().pages()
    }

    /// What a stream writes next, which it must.
    pub(super) fn piece(&mut self, index: usize) -> Bytes {
        match self.streams[index].subscriber.as_mut().poll_next(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Some(piece)) => piece,
            other => panic!("nothing to write: {other:?}"),
        }
    }

    /// Lets everything go on until nothing happens any more.
    pub(super) fn settle(&mut self) {
        self.gate.set(Mode::Open);
        let mut quiet = 0;
        while quiet < 3 {
            self.dispatch(usize::MAX);
            for shard in 0..self.shards.len() {
                self.receive(shard, usize::MAX);
            }
            self.beat(600);
            let written: usize = (0..self.streams.len()).map(|index| self.poll(index, usize::MAX)).sum();
            quiet = if written == 0 { quiet + 1 } else { 0 };
        }
    }

    pub(super) fn published(&self, tenant: &TenantId) -> Option<&TenantStatus> {
        self.published.get(tenant)
    }
}

fn commit(gate: &Gate, tenants: &[&str]) -> Vec<(TenantId, Seq)> {
    let (reply, _outcomes) = mpsc::channel(1);
    let mut commits = Vec::new();
    gate.journal.hold();
    for (id, offset) in tenants.iter().zip(1..) {
        let at = gate.head().get() + offset;
        let push = Push {
            id: format!("p{at}").into(),
            created_at: "now".into(),
            title: "title".into(),
            body: "x".repeat((at as usize * 37) % 150),
        };
        let append = Append {
            tenant: tenant(id),
            entry: Entry::Push { push, answer: Some(Answer::Ack) },
            received_at: Timestamp::from_millis(at),
            tag: 0,
            reply: reply.clone(),
        };
        assert!(now_or_never(gate.append(append)).is_ok());
        commits.push((tenant(id), seq(at)));
    }
    gate.journal.release();
    commits
}

fn now_or_never<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("the future was not ready"),
    }
}
