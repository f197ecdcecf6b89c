//! The real threads: a dispatch thread, a worker thread's runtime (its clock paused), a journal in memory.

use std::{
    rc::Rc,
    sync::{Arc, mpsc},
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use pushgate_journal::{Append, CommitSink, Entry, Journal, testing::MemoryJournal};
use pushgate_model::{Answer, ConnectionState, Cursor, Push, Seq, StoredPush, TenantId, TenantStatus, Timestamp};
use tokio::task::LocalSet;

use super::{
    events::{Event, parse},
    gate::{Gate, Mode},
    seq, status, tenant,
};
use crate::{
    CommitInlet, DeliverySink, Fanout, FanoutConfig, FanoutInbox, Lease, NoDeliverySink, Peer, Resume, Shard,
    Subscribe, Subscriber,
    message::Message,
    shard::{LONG_PAUSE, LONG_WRITES, run},
};

struct Gateway {
    gate: Arc<Gate>,
    fanout: Fanout,
    shard: Rc<Shard>,
}

struct Events {
    stream: Subscriber,
    waiting: std::vec::IntoIter<Event>,
}

impl Gateway {
    fn start(config: FanoutConfig) -> Self {
        Self::telling(config, Arc::new(NoDeliverySink))
    }

    fn telling(mut config: FanoutConfig, sink: Arc<dyn DeliverySink>) -> Self {
        // The clock jumps whenever the worker waits for dispatch, and these tests leave streams alone meanwhile.
        config.stall_timeout = Duration::from_secs(u64::from(u32::MAX));
        let (inlet, inbox) = Fanout::channel(64);
        let gate = Gate::new(MemoryJournal::new(Box::new(inlet)));
        let fanout = Fanout::start(config, Arc::clone(&gate) as _, inbox, sink);
        let shard = fanout.shard();
        Self { gate, fanout, shard }
    }

    async fn push(&self, id: &str, title: &str) {
        let (reply, mut outcome) = tokio::sync::mpsc::channel(1);
        let push = Push { id: title.into(), created_at: "now".into(), title: title.into(), body: "body".into() };
        let entry = Entry::Push { push, answer: Some(Answer::Ack) };
        let received_at = Timestamp::from_millis(0);
        let append = Append { tenant: tenant(id), entry, received_at, tag: 0, reply };
        self.gate.append(append).await.unwrap();
        outcome.recv().await.unwrap();
    }

    /// Waits until dispatch is done with all commits: whoever comes now finds the older ones in the journal only.
    async fn dispatched(&self) {
        while self.fanout.shared.log.dispatched() < self.gate.head() {
            tokio::task::yield_now().await;
        }
    }

    fn subscribe(&self, tenants: &[&str], resume: Resume) -> Events {
        let tenants = tenants.iter().map(|id| tenant(id)).collect();
        let peer = Peer::default();
        let stream = self.shard.subscribe(Subscribe { tenants, resume, peer, lease: Lease::default() });
        Events { stream, waiting: Vec::new().into_iter() }
    }

    async fn subscribed(&self, tenants: &[&str], resume: Resume) -> Events {
        let mut events = self.subscribe(tenants, resume);
        assert_eq!(events.next().await.name, "open");
        events
    }
}

impl Events {
    async fn piece(&mut self) -> Option<Bytes> {
        self.stream.next().await
    }

    async fn next(&mut self) -> Event {
        self.next_or_end().await.expect("the stream goes on")
    }

    async fn next_or_end(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.waiting.next() {
                return Some(event);
            }
            self.waiting = parse(&self.piece().await?).into_iter();
        }
    }

    async fn titles(&mut self, count: usize) -> Vec<String> {
        let mut titles = Vec::new();
        while titles.len() < count {
            let event = self.next().await;
            assert!(event.is_push(), "{event:?}");
            titles.push(event.data["title"].as_str().unwrap().to_owned());
        }
        titles
    }
}

/// Runs as a worker thread does: one thread, a `LocalSet`. Its clock jumps to the next timer when nothing else is to
/// be done.
fn worker<F: Future<Output = ()>>(test: impl FnOnce() -> F) {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_time().start_paused(true).build().unwrap();
    LocalSet::new().block_on(&runtime, async { test().await });
}

fn is_pending(stream: &mut (impl Stream<Item = Bytes> + Unpin)) -> bool {
    futures_util::FutureExt::now_or_never(stream.next()).is_none()
}

#[test]
fn the_first_bytes_come_before_the_journal_was_read() {
    worker(|| async {
        let gateway = Gateway::start(FanoutConfig::default());
        gateway.gate.set(Mode::HeldBefore);
        let mut events = gateway.subscribe(&["a"], Resume::Earliest);
        let first = futures_util::FutureExt::now_or_never(events.piece()).unwrap().unwrap();
        let text = std::str::from_utf8(&first).unwrap();
        let retry = text.strip_prefix(":ok\nretry: ").and_then(|rest| rest.strip_suffix("\n\n")).unwrap();
        assert!((1_000..=5_000).contains(&retry.parse::<u32>().unwrap()));
        assert!(is_pending(&mut events.stream));
    });
}

#[test]
fn replay_meets_live() {
    worker(|| async {
        let gateway = Gateway::start(FanoutConfig::default());
        for title in ["1", "2", "3"] {
            gateway.push("a", title).await;
            gateway.push("b", title).await;
        }
        gateway.dispatched().await;
        let mut events = gateway.subscribe(&["a"], Resume::After("memory-1".parse().unwrap()));
        let open = events.next().await;
        assert_eq!((open.name.as_str(), open.id.as_deref()), ("open", Some("memory-1")));
        assert_eq!(open.data["epoch"], "memory");
        assert_eq!((&open.data["oldest"], &open.data["newest"]), (&"memory-1".into(), &"memory-5".into()));
        assert_eq!(open.data["tenants"]["a"]["state"], "waiting");
        assert_eq!(events.titles(2).await, ["2", "3"]);
        gateway.push("a", "4").await;
        assert_eq!(events.titles(1).await, ["4"]);
        assert_eq!(gateway.fanout.metrics().replays.get(), 1);
    });
}

#[test]
fn long_writes_leave_time_between_their_turns() {
    worker(|| async {
        // Each event is a write of its own.
        let gateway = Gateway::start(FanoutConfig { joined_write: 1, ..FanoutConfig::default() });
        let turns = 3;
        for number in 0..=turns * LONG_WRITES {
            gateway.push("a", &number.to_string()).await;
        }
        gateway.dispatched().await;
        let begun = tokio::time::Instant::now();
        let mut events = gateway.subscribe(&["a"], Resume::Earliest);
        assert_eq!(events.next().await.name, "open");
        events.titles(turns * LONG_WRITES + 1).await;
        // Nothing precedes the first turn.
        assert!(begun.elapsed() >= LONG_PAUSE * (turns as u32 - 1), "{:?}", begun.elapsed());
    });
}

#[test]
fn long_writes_get_their_turns_beside_news_without_end() {
    worker(|| async {
        let gateway = Gateway::start(FanoutConfig::default());
        let fanout = Arc::clone(&gateway.fanout.shared);
        // More than the shard takes before it lets others run.
        let (news, inbox) = tokio::sync::mpsc::channel(1 << 15);
        let shard = Shard::new(Arc::clone(&fanout), fanout.next_shard_id(), Arc::default());
        tokio::task::spawn_local(run(Rc::downgrade(&shard), inbox, Duration::from_secs(1)));
        let (slot, ..) = shard.core().join(&[tenant("a")], Peer::default(), &Lease::default());
        let mut written = 0;
        for _ in 0..10 * LONG_WRITES {
            while news.try_send(Message::Frames(Vec::new())).is_ok() {}
            written += usize::from(shard.may_write_long(slot));
            tokio::time::advance(LONG_PAUSE).await;
        }
        assert!(written > 5 * LONG_WRITES, "{written}");
    });
}

#[test]
fn a_stream_of_many_tenants_keeps_the_order_of_commits() {
    worker(|| async {
        let gateway = Gateway::start(FanoutConfig::default());
        gateway.push("a", "1").await;
        let mut events = gateway.subscribed(&["a", "b"], Resume::Earliest).await;
        for title in ["2", "3", "4", "5"] {
            gateway.push(if title < "4" { "b" } else { "a" }, title).await;
        }
        assert_eq!(events.titles(5).await, ["1", "2", "3", "4", "5"]);
    });
}

#[test]
fn a_gap_is_told_before_open() {
    worker(|| async {
        let gateway = Gateway::start(FanoutConfig::default());
        for title in ["1", "2", "3"] {
            gateway.push("a", title).await;
        }
        gateway.gate.journal.trim(&tenant("a"), seq(2));
        let foreign = Cursor { epoch: "old".parse().unwrap(), seq: seq(7) };
        let table = [
            (Resume::After(foreign), "unknown", "old-7", "memory-2", 1),
            (Resume::After("memory-1".parse().unwrap()), "expired", "memory-1", "memory-2", 1),
            (Resume::After("memory-9".parse().unwrap()), "ahead", "memory-9", "memory-3", 0),
            (Resume::Malformed("?".into()), "malformed", "?", "memory-3", 0),
        ];
        for (resume, reason, requested, position, replayed) in table {
            let mut events = gateway.subscribe(&["a"], resume);
            let gap = events.next().await;
            assert_eq!((gap.name.as_str(), gap.id), ("gap", None));
            assert_eq!(gap.data, serde_json::json!({"reason": reason, "requested": requested, "oldest": "memory-3"}));
            let open = events.next().await;
            assert_eq!((open.name.as_str(), open.id.as_deref()), ("open", Some(position)));
            assert_eq!(events.titles(replayed).await.len(), replayed);
        }
        let metrics = gateway.fanout.metrics();
        let counts = [&metrics.gaps_unknown, &metrics.gaps_expired, &metrics.gaps_ahead, &metrics.gaps_malformed];
        assert_eq!(counts.map(|counter| counter.get()), [1, 1, 1, 1]);
    });
}

#[test]
fn an_idle_stream_gets_comments_at_the_heartbeat() {
    worker(|| async {
        let gateway = Gateway::start(FanoutConfig::default());
        let mut events = gateway.subscribed(&["a"], Resume::Live).await;
        let mut last = tokio::time::Instant::now();
        for _ in 0..50 {
            assert_eq!(events.piece().await.unwrap(), ":\n\n");
            let idle = last.elapsed();
            assert!((Duration::from_millis(13_500)..=Duration::from_millis(16_500)).contains(&idle), "{idle:?}");
            last = tokio::time::Instant::now();
        }
    });
}

#[test]
fn a_drain_ends_all_streams_and_later_ones() {
    worker(|| async {
        let gateway = Gateway::start(FanoutConfig::default());
        let mut early = gateway.subscribed(&["a"], Resume::Live).await;
        gateway.fanout.drain(Duration::ZERO);
        assert_eq!(early.next().await.name, "shutdown");
        assert!(early.next_or_end().await.is_none());
        let mut late = gateway.subscribe(&["a"], Resume::Live);
        assert_eq!(late.next().await.name, "shutdown");
        assert!(late.next_or_end().await.is_none());
        assert_eq!(gateway.fanout.subscribers(&tenant("a")), 0);
        assert_eq!(gateway.fanout.metrics().subscribers.get(), 0);
    });
}

#[test]
fn a_spread_drain_ends_streams_in_their_own_time() {
    worker(|| async {
        let gateway = Gateway::start(FanoutConfig::default());
        let mut streams = Vec::new();
        for _ in 0..50 {
            streams.push(gateway.subscribed(&["a"], Resume::Live).await);
        }
        gateway.fanout.drain(Duration::from_secs(3));
        for stream in &mut streams {
            assert_eq!(stream.next().await.name, "shutdown");
        }
        let told = tokio::time::Instant::now();
        let ends = streams.into_iter().map(|mut stream| async move {
            while stream.next_or_end().await.is_some() {}
            told.elapsed().as_millis()
        });
        let mut ends = futures_util::future::join_all(ends).await;
        ends.sort_unstable();
        ends.dedup();
        assert!(ends.last().is_some_and(|last| *last <= 3_100), "{ends:?}");
        assert!(ends.len() > 20, "they end at many times: {ends:?}");
    });
}

#[test]
fn a_recheck_ends_an_idle_stream_whose_lease_was_revoked() {
    worker(|| async {
        let gateway = Gateway::start(FanoutConfig::default());
        let lease = Lease::default();
        let request =
            Subscribe { tenants: vec![tenant("a")], resume: Resume::Live, peer: Peer::default(), lease: lease.clone() };
        let mut events = Events { stream: gateway.shard.subscribe(request), waiting: Vec::new().into_iter() };
        assert_eq!(events.next().await.name, "open");
        lease.revocation.revoke();
        gateway.fanout.recheck();
        assert_eq!(events.next().await.name, "auth-expired");
        assert!(events.next_or_end().await.is_none());
    });
}

#[test]
fn a_change_of_the_connection_is_told_once_with_its_latest_state() {
    worker(|| async {
        let gateway = Gateway::start(FanoutConfig::default());
        gateway.fanout.publish(&tenant("a"), status("before"));
        let mut events = gateway.subscribe(&["a", "b"], Resume::Live);
        let open = events.next().await;
        assert_eq!(open.data["tenants"]["a"]["reason"], "before");
        let connected = TenantStatus { state: ConnectionState::Connected, ..status("after") };
        gateway.fanout.publish(&tenant("a"), connected.clone());
        let change = events.next().await;
        assert_eq!((change.name.as_str(), change.id), ("upstream", None));
        assert_eq!((&change.data["tenant"], &change.data["reason"]), (&"a".into(), &"after".into()));
        gateway.fanout.publish(&tenant("a"), connected);
        gateway.push("b", "1").await;
        assert_eq!(events.titles(1).await, ["1"], "the same state is no news");
    });
}

#[test]
fn a_removed_tenant_ends_its_streams_and_leaves_the_others() {
    worker(|| async {
        let gateway = Gateway::start(FanoutConfig::default());
        let mut one = gateway.subscribed(&["a"], Resume::Live).await;
        let mut both = gateway.subscribed(&["a", "b"], Resume::Live).await;
        assert_eq!(gateway.fanout.subscribers(&tenant("a")), 2);
        gateway.fanout.remove(&tenant("a"));
        let farewell = one.next().await;
        assert_eq!((farewell.name.as_str(), &farewell.data["tenant"]), ("tenant-removed", &"a".into()));
        assert!(one.next_or_end().await.is_none());
        assert_eq!(both.next().await.name, "tenant-removed");
        gateway.push("b", "1").await;
        assert_eq!(both.titles(1).await, ["1"]);
        assert_eq!(gateway.fanout.subscribers(&tenant("a")), 0);
        assert_eq!(gateway.fanout.subscribers(&tenant("b")), 1);

        // The name may return.
        let mut again = gateway.subscribed(&["a"], Resume::Live).await;
        gateway.push("a", "2").await;
        assert_eq!(again.titles(1).await, ["2"]);
    });
}

#[test]
fn a_slow_reader_falls_back_to_the_journal_and_catches_up() {
    worker(|| async {
        let config = FanoutConfig { tail_bytes_per_tenant: 1_000, replay_page: 7, ..FanoutConfig::default() };
        let gateway = Gateway::start(config);
        let mut slow = gateway.subscribed(&["a"], Resume::Live).await;
        let mut fast = gateway.subscribed(&["a"], Resume::Live).await;
        let titles: Vec<_> = (0..200).map(|n| n.to_string()).collect();
        for title in &titles {
            gateway.push("a", title).await;
            assert_eq!(fast.titles(1).await, [title.as_str()]);
        }
        assert_eq!(gateway.fanout.metrics().replays.get(), 0, "nobody was behind so far");
        assert_eq!(slow.titles(200).await, titles);
        assert_eq!(gateway.fanout.metrics().replays.get(), 1);
        gateway.push("a", "live").await;
        assert_eq!(slow.titles(1).await, ["live"]);
    });
}

#[test]
fn a_reader_that_retention_overtook_is_told() {
    worker(|| async {
        let gateway = Gateway::start(FanoutConfig { replay_page: 2, joined_write: 1, ..FanoutConfig::default() });
        for title in ["1", "2", "3", "4", "5", "6"] {
            gateway.push("a", title).await;
        }
        gateway.dispatched().await;
        let mut events = gateway.subscribed(&["a"], Resume::Earliest).await;
        assert_eq!(events.titles(2).await, ["1", "2"]);
        gateway.gate.journal.trim(&tenant("a"), seq(4));
        let gap = events.next().await;
        assert_eq!(gap.name, "gap");
        let expected = serde_json::json!({"reason": "expired", "requested": "memory-2", "oldest": "memory-5"});
        assert_eq!(gap.data, expected);
        assert_eq!(events.titles(2).await, ["5", "6"]);
    });
}

#[test]
fn a_journal_that_cannot_be_read_delays_and_loses_nothing() {
    worker(|| async {
        let gateway = Gateway::start(FanoutConfig::default());
        gateway.push("a", "1").await;
        gateway.gate.set(Mode::Failing);
        let mut events = gateway.subscribe(&["a"], Resume::Earliest);
        let _hello = events.piece().await;
        assert_eq!(events.piece().await.unwrap(), ":\n\n", "it stays alive by heartbeats");
        gateway.gate.set(Mode::Open);
        assert_eq!(events.next().await.name, "open");
        assert_eq!(events.titles(1).await, ["1"]);
    });
}

#[test]
fn a_stream_that_is_dropped_is_off_all_lists() {
    worker(|| async {
        let gateway = Gateway::start(FanoutConfig::default());
        let streams: Vec<_> = (0..5).map(|_| gateway.subscribe(&["a", "b"], Resume::Live)).collect();
        assert_eq!(gateway.fanout.subscribers(&tenant("b")), 5);
        assert_eq!(gateway.fanout.metrics().subscribers.get(), 5);
        drop(streams);
        assert_eq!(gateway.fanout.subscribers(&tenant("b")), 0);
        assert_eq!(gateway.fanout.metrics().subscribers.get(), 0);
    });
}

#[test]
fn deliveries_are_counted() {
    worker(|| async {
        let gateway = Gateway::start(FanoutConfig::default());
        gateway.push("a", "1").await;
        gateway.dispatched().await;
        let mut events = gateway.subscribed(&["a"], Resume::Earliest).await;
        assert_eq!(events.titles(1).await, ["1"]);
        gateway.push("a", "2").await;
        assert_eq!(events.titles(1).await, ["2"]);
        // The counters are told at the next beat, before a heartbeat.
        assert_eq!(events.piece().await.unwrap(), ":\n\n");
        let metrics = gateway.fanout.metrics();
        assert_eq!((metrics.deliveries.get(), metrics.replayed.get()), (2, 1));
        assert!(metrics.tail_bytes.get() > 0);
    });
}

#[test]
fn a_written_push_is_told() {
    worker(|| async {
        let (told, ranges) = mpsc::channel();
        let gateway = Gateway::telling(FanoutConfig::default(), Arc::new(Told(told)));
        let mut events = gateway.subscribed(&["a"], Resume::Live).await;
        gateway.push("a", "1").await;
        assert_eq!(events.titles(1).await, ["1"]);
        assert!(ranges.try_recv().is_err());
        assert!(is_pending(&mut events.stream));
        assert_eq!(ranges.try_recv().unwrap(), (tenant("a"), seq(0), seq(1)));
    });
}

#[test]
fn the_loop_shows_progress_and_ends_with_the_last_handle() {
    let (mut inlet, inbox) = Fanout::channel(1);
    let gate = Gate::new(MemoryJournal::new(Box::new(Nowhere)));
    let fanout = Fanout::start(FanoutConfig::default(), gate, inbox, Arc::new(NoDeliverySink));
    let begun = fanout.last_progress();
    let deadline = Instant::now() + Duration::from_secs(30);
    while fanout.last_progress() == begun {
        assert!(Instant::now() < deadline, "the loop goes round though nothing happens");
        std::thread::yield_now();
    }
    drop(fanout);
    for _ in 0..10 {
        inlet.committed(&[super::push("a", 1)]);
    }
}

#[test]
fn an_inbox_that_is_never_started_sets_the_writer_free() {
    let (mut inlet, inbox): (CommitInlet, FanoutInbox) = Fanout::channel(1);
    let (done, finished) = mpsc::channel();
    let writer = std::thread::spawn(move || {
        for _ in 0..10 {
            inlet.committed(&[super::push("a", 1)]);
        }
        done.send(()).unwrap();
    });
    drop(inbox);
    finished.recv_timeout(Duration::from_secs(30)).unwrap();
    writer.join().unwrap();
}

struct Told(mpsc::Sender<(TenantId, Seq, Seq)>);

impl DeliverySink for Told {
    fn delivered(&self, tenant: &TenantId, after: Seq, upto: Seq) {
        self.0.send((tenant.clone(), after, upto)).unwrap();
    }
}

struct Nowhere;

impl CommitSink for Nowhere {
    fn committed(&mut self, _batch: &[Arc<StoredPush>]) {}
}
