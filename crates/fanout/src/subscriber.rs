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
//!   Another stream may have read the page: what it has above the range is left, and it is given out only while a read would
//!   still say the same ([`pages`](crate::pages)).
//! * Then the tails are asked again. A `start` that moved on meanwhile only means another page; frames up to `c` that
//!   the tail has as well are skipped, since only those above `c` are taken.
//! * A `start` moves on when frames are evicted, and when a state from dispatch says that pushes were not posted; never
//!   back. Both leave `c` alone, so that a stream with `c` before it finds in the journal what it has not yet written.
//!
//! When a push counts as delivered. Bytes that were handed out are on their way once the stream is asked for more, for the
//! response asks right after it has put them into its buffer, and not while the subscriber takes none. A response that is
//! dropped with the last bytes in its hands never asks again, and nobody is told of them. So each poll begins with telling
//! the [`DeliverySink`](crate::DeliverySink) how far `c` has come since: by the above all kept pushes in between were
//! written. The jump to where a stream starts is no such way, and not told. What the shard writes for a stream at rest is
//! delivered once its sink took all of it, and told by the shard.

use std::{
    fmt,
    future::Future,
    mem,
    pin::Pin,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use futures_util::Stream;
use pushgate_journal::JournalError;
use pushgate_model::Seq;

use self::opening::Opening;
use crate::{
    FrameSink, Lease, Resume, Shard, event, frame,
    lease::Standing,
    meter::Meter,
    pages::{Reading, Wanted},
    record::Record,
    shard::{Leaving, Members, NEVER, Notice, Rest, Take},
};

mod opening;
mod paging;

/// How long a stream waits when the journal can't be read, in milliseconds.
const PAUSE: u64 = 1_000;

/// One live stream of Server-Sent Events: yields pieces of `text/event-stream`, whole events joined up to a limit.
/// It ends after a drain, with its lease, or when its tenants are gone. Dropping it unsubscribes.
///
/// When the journal can't be read it waits, with heartbeats, and goes on where it stood. When nobody asks it for more
/// though it has more, for `stall_timeout`, it is given up: it is off all lists, and ends when it is asked again.
pub struct Subscriber {
    shard: Rc<Shard>,
    slot: u32,
    members: Members,
    record: Arc<Record>,
    /// Where its bytes go, if its shard may write there; with the shard while it rests.
    sink: Option<Rc<dyn FrameSink>>,
    lease: Lease,
    /// Whether it said that its lease ends soon.
    warned: bool,
    /// All up to here was written, or is in the bytes that were handed out last.
    cursor: Seq,
    /// All up to here was told to be delivered, or lies before the stream's start.
    delivered: Seq,
    /// Bytes that were handed out last.
    handed: usize,
    /// What was trimmed up to here was told by a `gap`.
    told: Seq,
    source: Source,
    /// Whether the tail has more for it than it took last, or something to begin with.
    far: bool,
    meter: Meter,
    phase: Phase,
}

/// Where the stream's pushes come from at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    Tail,
    Journal,
}

type Query<T> = Pin<Box<dyn Future<Output = Result<T, JournalError>>>>;
type PageQuery = Pin<Box<dyn Future<Output = Reading>>>;

/// What the stream does next. The rare ones are boxed: ten thousand idle streams are all `Tail`.
enum Phase {
    /// Writes its first bytes.
    Hello(Box<Opening>),
    /// Finds out where it starts.
    Opening(Box<Opening>),
    /// Takes from the tails.
    Tail,
    /// Waits for a page of the journal up to a position.
    Reading(PageQuery, Seq),
    /// Writes that page, which its slot holds.
    Writing,
    /// Waits before it reads the journal again, until this time of the shard's clock.
    Pausing(u64),
    /// Has ended.
    Done,
}

impl Phase {
    fn has_page(&self) -> bool {
        matches!(self, Self::Reading(..) | Self::Writing)
    }

    /// Whether `open` was written.
    fn is_open(&self) -> bool {
        !matches!(self, Self::Hello(_) | Self::Opening(_))
    }
}

enum Step {
    Write(Bytes),
    Again,
    End,
}

impl Subscriber {
    pub(crate) fn new(
        shard: Rc<Shard>,
        (slot, members, record): (u32, Members, Arc<Record>),
        resume: Resume,
        lease: Lease,
    ) -> Self {
        let head = shard.shared().log.head();
        let phase = Phase::Hello(Box::new(Opening::new(&shard, &members, resume, head)));
        record.moved(head);
        Self {
            shard,
            slot,
            members,
            record,
            sink: None,
            lease,
            warned: false,
            cursor: head,
            delivered: head,
            handed: 0,
            told: Seq::ZERO,
            source: Source::Tail,
            far: false,
            meter: Meter::default(),
            phase,
        }
    }

    /// Where the stream stands: all its pushes up to here were yielded.
    pub fn position(&self) -> Seq {
        self.cursor
    }

    /// From now on the shard writes to `sink` itself when there is nothing to do but that, and whoever polls this stream is
    /// woken for all the rest: for the end, for news, and for bytes that `sink` did not take at once. All that this stream
    /// yields has to go the same way, and be written before it is polled again.
    ///
    /// Only streams of one tenant are written to by the shard.
    pub fn attach(&mut self, sink: Rc<dyn FrameSink>) {
        self.sink = Some(sink);
    }

    /// Part of the bytes that were yielded last was taken. Whoever hands a long piece on in slices says so by this, and
    /// the stream does not count as one that takes nothing.
    pub fn keeps_taking(&self) {
        if !matches!(self.phase, Phase::Done) {
            self.shard.core().handed(self.slot);
        }
    }

    /// What was handed out by the last poll is on its way.
    fn taken(&mut self) {
        let handed = mem::take(&mut self.handed);
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
        if !matches!(self.phase, Phase::Done) {
            let mut core = self.shard.core();
            core.wrote(self.slot);
            core.handed(self.slot);
        }
        self.handed = bytes.len();
        Poll::Ready(Some(bytes))
    }

    /// The next thing to do. Pending only when whoever ends the waiting has the waker, or is the shard.
    fn step(&mut self, cx: &mut Context<'_>) -> Poll<Step> {
        // First of all, so that nothing is written once the lease has ended.
        if let Some(step) = self.look_at_lease() {
            return Poll::Ready(step);
        }
        if let Phase::Hello(_) = self.phase {
            return Poll::Ready(self.hello());
        }
        let notice = self.shard.core().notice(self.slot, &mut self.members, self.cursor);
        if let Some(notice) = notice {
            return Poll::Ready(self.announce(notice));
        }
        match &mut self.phase {
            Phase::Tail => self.tail(),
            Phase::Reading(..) => self.read(cx),
            Phase::Writing => {
                ready!(self.long());
                Poll::Ready(self.write())
            }
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

    fn look_at_lease(&mut self) -> Option<Step> {
        let shared = self.shard.shared();
        let expired_at = match self.lease.standing(|| shared.wall.now()) {
            Standing::Good => return None,
            Standing::Expiring(_) if self.warned => return None,
            Standing::Expiring(end) => {
                self.shard.core().look_at_lease(self.slot, end.as_millis());
                self.warned = self.phase.is_open();
                return self.warned.then(|| Step::Write(written(|buffer| event::auth_expiring(buffer, end))));
            }
            Standing::Expired(end) => {
                shared.metrics.leases_expired.inc();
                Some(end)
            }
            Standing::Revoked => {
                shared.metrics.leases_revoked.inc();
                None
            }
        };
        self.end();
        Some(Step::Write(written(|buffer| event::auth_expired(buffer, expired_at))))
    }

    fn hello(&mut self) -> Step {
        if let Phase::Hello(opening) = mem::replace(&mut self.phase, Phase::Done) {
            self.phase = Phase::Opening(opening);
        }
        Step::Write(written(|buffer| event::hello(buffer, fastrand::u32(event::RETRY))))
    }

    fn announce(&mut self, notice: Notice) -> Step {
        match notice {
            Notice::Status(tenant, status) => Step::Write(written(|buffer| event::upstream(buffer, &tenant, &status))),
            Notice::Removed(tenant) => {
                if self.members.as_slice().is_empty() {
                    self.end();
                } else if self.phase.has_page() {
                    // It may hold pushes of the tenant that is gone: read again without it.
                    self.close_page(Phase::Tail);
                }
                Step::Write(written(|buffer| event::tenant_removed(buffer, &tenant)))
            }
            Notice::Drain(leaving) => {
                if leaving != Leaving::Told {
                    self.end();
                }
                if leaving == Leaving::Ended {
                    return Step::End;
                }
                Step::Write(written(|buffer| event::shutdown(buffer, fastrand::u32(event::RETRY_DRAIN))))
            }
        }
    }

    /// Waits until it may do a long write.
    fn long(&self) -> Poll<()> {
        if self.shard.may_write_long(self.slot) { Poll::Ready(()) } else { Poll::Pending }
    }

    fn tail(&mut self) -> Poll<Step> {
        if self.far {
            ready!(self.long());
        }
        let mut core = self.shard.core();
        match core.take(&self.members, self.cursor) {
            Take::Piece(piece) => {
                self.cursor = piece.last;
                self.source = Source::Tail;
                self.far = core.has_more(&self.members, self.cursor);
                let wall = self.shard.shared().wall.now().as_millis();
                core.tally.wrote(&piece.look(), wall);
                Poll::Ready(Step::Write(piece.bytes))
            }
            Take::Nothing => {
                self.source = Source::Tail;
                self.far = false;
                Poll::Pending
            }
            Take::Behind(upto) => {
                self.far = false;
                if let Some(until) = self.meter.wait(core.now()) {
                    core.pause(self.slot, until);
                    self.phase = Phase::Pausing(until);
                    return Poll::Ready(Step::Again);
                }
                let mut tenants = core.tenants(&self.members);
                tenants.sort_unstable();
                let wanted = Wanted { tenants, after: self.cursor, upto };
                core.queue_for_page(self.slot);
                drop(core);
                if self.source == Source::Tail {
                    self.source = Source::Journal;
                    self.shard.shared().metrics.replays.inc();
                }
                self.phase = Phase::Reading(paging::query(&self.shard, self.slot, wanted), upto);
                Poll::Ready(Step::Again)
            }
        }
    }

    /// The journal can't be read: waits a little. The stream neither ends nor skips anything.
    fn pause(&mut self, error: &dyn fmt::Display) {
        let mut core = self.shard.core();
        core.tally.journal_failed(error);
        let until = core.now() + PAUSE;
        core.pause(self.slot, until);
        drop(core);
        if let Phase::Opening(opening) = &mut self.phase {
            opening.pause(until);
        } else {
            self.close_page(Phase::Pausing(until));
        }
    }

    fn resumed(&mut self, until: u64) -> Poll<()> {
        let mut core = self.shard.core();
        if core.now() < until {
            return Poll::Pending;
        }
        core.pause(self.slot, NEVER);
        Poll::Ready(())
    }

    /// Leaves it to the shard to write what comes next.
    fn rest(&mut self) {
        if let (Phase::Tail, Members::One(member), false) = (&self.phase, &self.members, self.far)
            && let Some(sink) = self.sink.take()
        {
            let rest = Rest::new(sink, Arc::clone(&self.record), &self.lease, (member.channel, self.cursor));
            self.shard.core().rest(self.slot, rest);
        }
    }

    /// Takes back what the shard did meanwhile. Gives what the sink did not take of it.
    fn rise(&mut self) -> Option<Bytes> {
        let mut rest = self.shard.core().rise(self.slot)?;
        let left = rest.end();
        (self.cursor, self.delivered, self.sink) = (rest.cursor, rest.delivered, Some(rest.sink));
        left
    }

    /// Unsubscribes; nothing more will come.
    fn end(&mut self) {
        if !matches!(mem::replace(&mut self.phase, Phase::Done), Phase::Done) {
            self.shard.leave(self.slot, &mut self.members);
        }
    }
}

impl Stream for Subscriber {
    type Item = Bytes;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let this = self.get_mut();
        if matches!(this.phase, Phase::Done) {
            return Poll::Ready(None);
        }
        if !this.shard.core().asks(this.slot) {
            // It was given up. Its channels may be others by now.
            this.end();
            return Poll::Ready(None);
        }
        if let Some(left) = this.rise() {
            return this.hand(left);
        }
        this.taken();
        loop {
            match this.step(cx) {
                Poll::Ready(Step::Again) => {}
                Poll::Ready(Step::End) => return Poll::Ready(None),
                Poll::Ready(Step::Write(bytes)) => return this.hand(bytes),
                Poll::Pending if this.shard.core().heartbeat_due(this.slot) => return this.hand(frame::COMMENT),
                Poll::Pending => {
                    this.rest();
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
