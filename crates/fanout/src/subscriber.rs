//! One stream as a cursor.
//!
//! Why there is neither a gap nor a duplicate where replay meets live. The cursor `c` says: every push of the stream's
//! tenants up to `c`, from where the stream started, was written (or a `gap` told that it can't be had), and none above.
//!
//! * A tail holds every push of its tenant with `start < seq <= last`. So for `c >= start` of all its tenants, the
//!   frames above `c` in the tails, merged by seq, are what comes next. The shard gets frames in the order of seq over
//!   all tenants, so that none can come later below one that was taken. `c` becomes the last seq taken.
//! * For `c < start` of some tenant the stream reads the journal from `c` up to the highest `start`. Each `start` is a
//!   position that dispatch had come to, so that all pushes up to it were committed before the read began, and no
//!   later commit can fall into the range. A page that is not cut short covers the range: `c` becomes its end.
//! * Then the tails are asked again. A `start` that moved on meanwhile only means another page; frames up to `c` that
//!   the tail has as well are skipped, since only those above `c` are taken.
//! * A `start` moves on when frames are evicted, and when a state from dispatch says that pushes were not posted; never
//!   back. Both leave `c` alone, so that a stream with `c` before it finds in the journal what it has not yet written.
//!
//! When a push counts as delivered. Bytes that were handed out are on their way once the stream is asked for more, for the
//! response asks right after it has put them into its buffer, and not while the subscriber takes none. A response that is
//! dropped with the last bytes in its hands never asks again, and nobody is told of them. So each poll begins with telling
//! the [`DeliverySink`](crate::DeliverySink) how far `c` has come since: by the above all kept pushes in between were
//! written. The jump to where a stream starts is no such way, and not told.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use futures_util::Stream;
use pushgate_journal::{Bounds, JournalError, Page, ReadQuery};
use pushgate_model::{Cursor, Seq, TenantId, Timestamp};

use crate::{
    Lease, Peer, Shard,
    event::{self, Gap, GapReason, Open},
    frame,
    record::Record,
    replay::Replay,
    shard::{Members, Notice, Take},
    start::{Start, start},
};

/// How long a stream waits when the journal can't be read, in milliseconds.
const PAUSE: u64 = 1_000;

/// What a subscriber asks for.
#[derive(Clone, Debug)]
pub struct Subscribe {
    /// Whose pushes; at least one. A tenant that is named twice counts once.
    pub tenants: Vec<TenantId>,
    /// From where on.
    pub resume: Resume,
    /// Who asks.
    pub peer: Peer,
    /// How long it may go on.
    pub lease: Lease,
}

/// Where a stream starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resume {
    /// With the next commit.
    Live,
    /// With the oldest kept push.
    Earliest,
    /// After this position.
    After(Cursor),
    /// With the oldest kept push that was received at this time or later; live when there is none.
    Since(Timestamp),
    /// Live, after a `gap` event that says that this text is no cursor (its first 128 characters).
    Malformed(String),
}

/// One live stream of Server-Sent Events: yields pieces of `text/event-stream`, whole events joined up to a limit.
/// It ends after a drain or when its tenants are gone. Dropping it unsubscribes.
///
/// When the journal can't be read it waits, with heartbeats, and goes on where it stood.
pub struct Subscriber {
    shard: Rc<Shard>,
    slot: u32,
    members: Members,
    record: Arc<Record>,
    /// All up to here was written, or is in the bytes that were handed out last.
    cursor: Seq,
    /// All up to here was told to be delivered, or lies before the stream's start.
    delivered: Seq,
    /// Bytes that were handed out last.
    handed: usize,
    /// What was trimmed up to here was told by a `gap`.
    told: Seq,
    source: Source,
    phase: Phase,
}

/// Where the stream's pushes come from at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    Tail,
    Journal,
}

type Query<T> = Pin<Box<dyn Future<Output = Result<T, JournalError>>>>;

/// What the stream does next. The rare ones are boxed: ten thousand idle streams are all `Tail`.
enum Phase {
    /// Writes its first bytes.
    Hello(Box<Opening>),
    /// Finds out where it starts.
    Opening(Box<Opening>),
    /// Takes from the tails.
    Tail,
    /// Waits for a page of the journal up to a position.
    Reading(Query<Page>, Seq),
    /// Writes that page.
    Writing(Box<Replay>),
    /// Waits before it reads the journal again, until this time of the shard's clock.
    Pausing(u64),
    /// Has ended.
    Done,
}

struct Opening {
    resume: Resume,
    /// The newest position when the stream was asked for.
    head: Seq,
    step: OpeningStep,
}

enum OpeningStep {
    Asking(Query<Bounds>),
    Pausing(u64),
    /// Known; waits for dispatch to answer for all tenants.
    Known(Start, Bounds),
}

impl Phase {
    fn has_page(&self) -> bool {
        matches!(self, Self::Reading(..) | Self::Writing(_))
    }
}

enum Step {
    Write(Bytes),
    Again,
    End,
}

impl Subscriber {
    pub(crate) fn new(shard: Rc<Shard>, (slot, members, record): (u32, Members, Arc<Record>), resume: Resume) -> Self {
        let head = shard.shared().log.head();
        let tenants = shard.core().tenants(&members);
        let step = OpeningStep::Asking(bounds(&shard, tenants));
        let phase = Phase::Hello(Box::new(Opening { resume, head, step }));
        record.moved(head);
        Self {
            shard,
            slot,
            members,
            record,
            cursor: head,
            delivered: head,
            handed: 0,
            told: Seq::ZERO,
            source: Source::Tail,
            phase,
        }
    }

    /// Where the stream stands: all its pushes up to here were yielded.
    pub fn position(&self) -> Seq {
        self.cursor
    }

    /// What was handed out by the last poll is on its way.
    fn taken(&mut self) {
        let handed = std::mem::take(&mut self.handed);
        if handed == 0 {
            return;
        }
        self.record.wrote(handed);
        self.record.moved(self.cursor);
        if self.delivered < self.cursor {
            for member in self.members.as_slice() {
                let news = self.shard.core().delivered(*member, self.delivered, self.cursor);
                // A stranger's code: nothing is borrowed while it runs.
                if let Some((tenant, upto)) = news {
                    self.shard.shared().sink.delivered(&tenant, self.delivered, upto);
                }
            }
            self.delivered = self.cursor;
        }
    }

    /// Hands bytes out.
    fn hand(&mut self, bytes: Bytes) -> Poll<Option<Bytes>> {
        self.shard.core().wrote(self.slot);
        self.handed = bytes.len();
        Poll::Ready(Some(bytes))
    }

    /// The next thing to do. Pending only when whoever ends the waiting has the waker, or is the shard.
    fn step(&mut self, cx: &mut Context<'_>) -> Poll<Step> {
        if let Phase::Hello(_) | Phase::Done = self.phase {
            return Poll::Ready(self.begin_or_end());
        }
        let notice = self.shard.core().notice(self.slot, &mut self.members, self.cursor);
        if let Some(notice) = notice {
            return Poll::Ready(self.announce(notice));
        }
        match &mut self.phase {
            Phase::Tail => self.tail(),
            Phase::Reading(..) => self.read(cx),
            Phase::Writing(_) => Poll::Ready(self.write()),
            Phase::Opening(_) => self.open(cx),
            Phase::Pausing(until) => {
                let until = *until;
                ready!(self.resumed(until));
                self.phase = Phase::Tail;
                Poll::Ready(Step::Again)
            }
            Phase::Hello(_) | Phase::Done => Poll::Ready(Step::End),
        }
    }

    fn begin_or_end(&mut self) -> Step {
        match std::mem::replace(&mut self.phase, Phase::Done) {
            Phase::Hello(opening) => {
                self.phase = Phase::Opening(opening);
                Step::Write(written(|buffer| event::hello(buffer, fastrand::u32(event::RETRY))))
            }
            _ => Step::End,
        }
    }

    fn announce(&mut self, notice: Notice) -> Step {
        Step::Write(match notice {
            Notice::Status(tenant, status) => written(|buffer| event::upstream(buffer, &tenant, &status)),
            Notice::Removed(tenant) => {
                if self.members.as_slice().is_empty() {
                    self.end();
                } else if self.phase.has_page() {
                    // It may hold pushes of the tenant that is gone: read again without it.
                    self.close_page(Phase::Tail);
                }
                written(|buffer| event::tenant_removed(buffer, &tenant))
            }
            Notice::Drain => {
                self.end();
                written(|buffer| event::shutdown(buffer, fastrand::u32(event::RETRY_DRAIN)))
            }
        })
    }

    fn tail(&mut self) -> Poll<Step> {
        let mut core = self.shard.core();
        match core.take(&self.members, self.cursor) {
            Take::Piece(piece) => {
                self.cursor = piece.last;
                self.source = Source::Tail;
                core.tally.live(piece.count, piece.received_at);
                Poll::Ready(Step::Write(piece.bytes))
            }
            Take::Nothing => {
                self.source = Source::Tail;
                Poll::Pending
            }
            Take::Behind(upto) => {
                let query = ReadQuery {
                    tenants: core.tenants(&self.members),
                    after: self.cursor,
                    upto,
                    limit: self.shard.shared().config.replay_page,
                    max_bytes: core.open_page(),
                };
                drop(core);
                if self.source == Source::Tail {
                    self.source = Source::Journal;
                    self.shard.shared().metrics.replays.inc();
                }
                self.phase = Phase::Reading(read(&self.shard, query), upto);
                Poll::Ready(Step::Again)
            }
        }
    }

    fn read(&mut self, cx: &mut Context<'_>) -> Poll<Step> {
        let Phase::Reading(query, upto) = &mut self.phase else { return Poll::Ready(Step::Again) };
        let upto = *upto;
        match ready!(query.as_mut().poll(cx)) {
            Ok(page) if page.more && page.pushes.is_empty() => {
                self.pause(&"a page without pushes says that there are more");
            }
            Ok(page) => {
                self.shard.core().tally.journal_read();
                let gap = self.trimmed(page.trimmed, page.oldest);
                self.phase = Phase::Writing(Box::new(Replay::new(page, upto, gap)));
            }
            Err(error) => self.pause(&error),
        }
        Poll::Ready(Step::Again)
    }

    /// Retention can overtake a slow stream at any page.
    fn trimmed(&mut self, trimmed: Seq, oldest: Option<Seq>) -> Option<Gap> {
        if trimmed <= self.cursor.max(self.told) {
            return None;
        }
        self.told = trimmed;
        GapReason::Expired.count(&self.shard.shared().metrics);
        let cursor = |seq| Cursor { epoch: self.shard.shared().log.epoch.clone(), seq };
        let requested = cursor(self.cursor).to_string();
        Some(Gap { reason: GapReason::Expired, requested, oldest: oldest.map(cursor) })
    }

    fn write(&mut self) -> Step {
        let Phase::Writing(replay) = &mut self.phase else { return Step::Again };
        let piece = replay.piece(self.shard.encoder(), self.shard.shared().config.joined_write);
        if let Some(position) = piece.as_ref().and_then(|piece| piece.position) {
            self.cursor = position;
        }
        if replay.is_done() {
            self.cursor = self.cursor.max(replay.end());
            self.close_page(Phase::Tail);
        }
        let Some(piece) = piece else {
            self.record.moved(self.cursor);
            return Step::Again;
        };
        self.shard.core().tally.replayed(piece.count);
        Step::Write(piece.bytes)
    }

    fn open(&mut self, cx: &mut Context<'_>) -> Poll<Step> {
        let Phase::Opening(opening) = &mut self.phase else { return Poll::Ready(Step::Again) };
        match &mut opening.step {
            OpeningStep::Asking(query) => {
                match ready!(query.as_mut().poll(cx)) {
                    Ok(bounds) => {
                        let epoch = &self.shard.shared().log.epoch;
                        let start = start(&opening.resume, epoch, opening.head, &bounds);
                        opening.step = OpeningStep::Known(start, bounds);
                        self.shard.core().tally.journal_read();
                    }
                    Err(error) => self.pause(&error),
                }
                Poll::Ready(Step::Again)
            }
            OpeningStep::Pausing(until) => {
                let until = *until;
                ready!(self.resumed(until));
                let tenants = self.shard.core().tenants(&self.members);
                let query = bounds(&self.shard, tenants);
                if let Phase::Opening(opening) = &mut self.phase {
                    opening.step = OpeningStep::Asking(query);
                }
                Poll::Ready(Step::Again)
            }
            OpeningStep::Known(start, bounds) => {
                if !self.shard.core().is_registered(&self.members) {
                    return Poll::Pending;
                }
                let (start, bounds) = (start.clone(), *bounds);
                Poll::Ready(Step::Write(self.opened(&start, &bounds)))
            }
        }
    }

    /// The prelude. `gap` goes before `open`, whose id the browser keeps: cut in between, it asks as before and is
    /// told again.
    fn opened(&mut self, start: &Start, bounds: &Bounds) -> Bytes {
        let shared = self.shard.shared();
        let states = self.shard.core().open(&mut self.members);
        let known = |(tenant, status): (_, Option<_>)| (tenant, status.unwrap_or_else(|| shared.unpublished.clone()));
        let tenants: Vec<_> = states.into_iter().map(known).collect();
        let open = Open {
            epoch: &shared.log.epoch,
            position: start.position,
            oldest: bounds.oldest,
            newest: bounds.newest,
            tenants: &tenants,
        };
        let bytes = written(|buffer| {
            if let Some(gap) = &start.gap {
                gap.reason.count(&shared.metrics);
                event::gap(buffer, gap);
            }
            event::open(buffer, &open);
        });
        self.cursor = start.position;
        self.delivered = start.position;
        self.told = start.told;
        self.phase = Phase::Tail;
        bytes
    }

    /// The journal can't be read: waits a little. The stream neither ends nor skips anything.
    fn pause(&mut self, error: &dyn fmt::Display) {
        let mut core = self.shard.core();
        core.tally.journal_failed(error);
        let until = core.now() + PAUSE;
        core.pause(self.slot, until);
        drop(core);
        if let Phase::Opening(opening) = &mut self.phase {
            opening.step = OpeningStep::Pausing(until);
        } else {
            self.close_page(Phase::Pausing(until));
        }
    }

    fn resumed(&mut self, until: u64) -> Poll<()> {
        let mut core = self.shard.core();
        if core.now() < until {
            return Poll::Pending;
        }
        core.pause(self.slot, u64::MAX);
        Poll::Ready(())
    }

    /// Ends the reading of a page.
    fn close_page(&mut self, next: Phase) {
        self.phase = next;
        self.shard.core().close_page();
    }

    /// Unsubscribes; nothing more will come.
    fn end(&mut self) {
        if !matches!(self.phase, Phase::Done) {
            if self.phase.has_page() {
                self.close_page(Phase::Done);
            }
            self.phase = Phase::Done;
            self.shard.leave(self.slot, &mut self.members);
        }
    }
}

impl Stream for Subscriber {
    type Item = Bytes;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let this = self.get_mut();
        this.taken();
        loop {
            match this.step(cx) {
                Poll::Ready(Step::Again) => {}
                Poll::Ready(Step::End) => return Poll::Ready(None),
                Poll::Ready(Step::Write(bytes)) => return this.hand(bytes),
                Poll::Pending if this.shard.core().heartbeat_due(this.slot) => return this.hand(frame::COMMENT),
                Poll::Pending => {
                    this.shard.wait(this.slot, cx.waker());
                    return Poll::Pending;
                }
            }
        }
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        self.end();
    }
}

impl fmt::Debug for Subscriber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscriber").field("cursor", &self.cursor).finish_non_exhaustive()
    }
}

fn written(write: impl FnOnce(&mut Vec<u8>)) -> Bytes {
    let mut buffer = Vec::new();
    write(&mut buffer);
    buffer.into()
}

fn bounds(shard: &Shard, tenants: Vec<TenantId>) -> Query<Bounds> {
    let journal = Arc::clone(&shard.shared().log.journal);
    Box::pin(async move { journal.bounds(tenants).await })
}

fn read(shard: &Shard, query: ReadQuery) -> Query<Page> {
    let journal = Arc::clone(&shard.shared().log.journal);
    Box::pin(async move { journal.read(query).await })
}
