use std::{
    future::{Future, poll_fn},
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use awc::ws::{CloseCode, CloseReason, Message};
use futures_util::{FutureExt, SinkExt, Stream, StreamExt};
use pushgate_journal::{Append, AppendOutcome, Appended, BoxFuture, Entry, Journal, Unavailable};
use pushgate_model::PushId;
use pushgate_session::{Effect, Ending, Frame, Room};
use tokio::{task::coop::consume_budget, time::timeout};

use super::{Leave, Line, vigil::Vigil};
use crate::{budget::Budget, codec::CodecError, dial::Socket};

/// How long our Close may take to be flushed and echoed; then the socket is dropped.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);
/// Commits that are taken at a time, so that their answers leave in one write.
const COMMITS_AT_ONCE: usize = 64;

/// What happened on a held socket.
pub(super) enum Event {
    Frame(Frame),
    Ended(Ending),
    /// The journal's words are in [`Vigil::appended`].
    Appended,
    Accepted(Result<(), Unavailable>),
    Unsettled(PushId),
    News,
    Room,
    Tick,
    Desired,
    Health,
}

/// An append that waits for room in the journal's queue.
struct Waiting<'a> {
    future: BoxFuture<'a, Result<(), Unavailable>>,
    /// What the session is told when the journal refuses it.
    failed: Appended,
}

impl<'a> Waiting<'a> {
    fn new(append: Append, journal: &'a dyn Journal) -> Self {
        let failed = failed(&append);
        Self { future: journal.append(append), failed }
    }
}

impl Line {
    /// Holds one socket until it ends.
    pub(super) async fn hold(&mut self, mut socket: Socket) {
        let journal = Arc::clone(&self.journal);
        let mut waiting: Option<Waiting<'_>> = None;
        self.report.opened();
        self.on_health();
        self.armed = None;
        self.step(|session, now, effects| session.on_upgraded(now, effects));
        self.converse(&mut socket, &*journal, &mut waiting).await;
        self.unfinished.hold(0);
        self.offer_rest(&*journal, waiting);
    }

    /// Whatever ended the socket, what came before counts, as far as the journal's queue takes it at once. The rest stays
    /// unanswered and is in flight no longer: the service sends it again.
    fn offer_rest<'j>(&mut self, journal: &'j dyn Journal, mut waiting: Option<Waiting<'j>>) {
        let mut refused = false;
        while let Some(mut next) = waiting.take().or_else(|| self.next_append(journal)) {
            // Dropping the future takes the append back: it is queued at its very end, or not at all.
            refused = refused || !matches!((&mut next.future).now_or_never(), Some(Ok(())));
            if refused {
                self.on_appended(next.failed);
            }
        }
    }

    fn next_append<'j>(&mut self, journal: &'j dyn Journal) -> Option<Waiting<'j>> {
        self.appends.pop_front().map(|append| Waiting::new(append, journal))
    }

    /// Hands the journal what is to be stored, until one has to wait for room.
    fn offer<'j>(&mut self, journal: &'j dyn Journal) -> Option<Waiting<'j>> {
        while let Some(append) = self.appends.pop_front() {
            if let Some(append) = journal.try_append(append) {
                return Some(Waiting::new(append, journal));
            }
        }
        None
    }

    async fn converse<'j>(&mut self, socket: &mut Socket, journal: &'j dyn Journal, waiting: &mut Option<Waiting<'j>>) {
        let mut vigil = Vigil::new();
        loop {
            if let Some(leave) = self.apply_on(socket) {
                if let Leave::Close(code) = leave {
                    // A peer that does not take our Close in time is dropped; it gets no further word.
                    let _ = timeout(CLOSE_TIMEOUT, close(socket, code)).await;
                }
                return;
            }
            if waiting.is_none() {
                *waiting = self.offer(journal);
            }
            let event = self.next_event(socket, waiting, &mut vigil).await;
            match event {
                Event::Frame(frame) => {
                    self.step(|session, now, effects| session.on_frame(frame, now, effects));
                    // A flood of frames that were read at once must not keep this thread from its other tenants.
                    consume_budget().await;
                }
                Event::Appended => {
                    for appended in vigil.appended.drain(..) {
                        self.on_appended(appended);
                    }
                }
                Event::Accepted(result) => {
                    if let (Err(Unavailable), Some(refused)) = (result, waiting.take()) {
                        self.on_appended(refused.failed);
                    }
                }
                Event::Unsettled(push_id) => self.on_settled(&push_id, None),
                Event::News => self.on_news(),
                // Looked at before each reading.
                Event::Room => {}
                Event::Tick => self.on_tick(),
                Event::Desired => self.on_desired(),
                Event::Health => self.on_health(),
                Event::Ended(ending) => {
                    self.tell_protocol_error(socket, &ending).await;
                    self.step(|session, now, effects| session.on_ended(&ending, now, effects));
                    return;
                }
            }
        }
    }

    async fn next_event(&mut self, socket: &mut Socket, waiting: &mut Option<Waiting<'_>>, vigil: &mut Vigil) -> Event {
        // Looked at once: whoever rests for want of room must wait for it too.
        let room = self.share.room();
        let wants_read = self.wants_read(room);
        let short = room == Room::Short;
        // The beginnings of messages have room of their own: whoever holds one while there is none left reads no further,
        // and nobody else is concerned. If it stays so, the silence ends the socket.
        let stuck = self.unfinished.is_stuck();
        let reading = wants_read && !stuck;
        vigil.prepare(self);
        let mut freed = pin!(freed(short.then(|| self.share.watch()), stuck.then(|| self.unfinished.watch())));
        poll_fn(|cx| {
            let rare_first = vigil.takes_turn();
            if rare_first && let Poll::Ready(event) = vigil.poll_rare(cx) {
                return Poll::Ready(event);
            }
            if self.commits.poll_recv_many(cx, &mut vigil.appended, COMMITS_AT_ONCE).is_ready() {
                return Poll::Ready(Event::Appended);
            }
            if !socket.is_write_buf_empty() {
                // Whoever has got an answer finds it counted.
                self.flush_report();
            }
            let event = poll_socket(socket, reading, cx);
            self.unfinished.hold(socket.codec_ref().held());
            if event.is_ready() {
                return event;
            }
            if !stuck && self.unfinished.is_stuck() {
                return Poll::Ready(Event::Room);
            }
            if let Some(waiting) = waiting
                && let Poll::Ready(result) = waiting.future.as_mut().poll(cx)
            {
                return Poll::Ready(Event::Accepted(result));
            }
            if let Poll::Ready(push_id) = self.settler.poll_refused(cx) {
                return Poll::Ready(Event::Unsettled(push_id));
            }
            if (short || stuck) && freed.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Event::Room);
            }
            if vigil.poll_write_timeout(!socket.is_write_buf_empty(), cx).is_ready() {
                return Poll::Ready(Event::Ended(Ending::WriteTimeout));
            }
            let event = if rare_first { Poll::Pending } else { vigil.poll_rare(cx) };
            if event.is_pending() {
                // Shown once for all that came together.
                self.flush_report();
            }
            event
        })
        .await
    }

    /// Whether to read, and a count of the times when that turned to no.
    fn wants_read(&mut self, room: Room) -> bool {
        let wants = self.step(|session, now, effects| {
            session.set_room(room, now, effects);
            session.wants_read(now)
        });
        if !self.effects.is_empty() {
            // Before anything is waited for: the end of a hold is a time that was asked for just now.
            self.apply_apart();
        }
        if self.reading && !wants {
            self.report.held();
        }
        self.reading = wants;
        wants
    }

    /// Carries effects out; those for the socket only go to its write buffer. Says how the socket is to be left, if it is.
    fn apply_on(&mut self, socket: &mut Socket) -> Option<Leave> {
        let mut leave = None;
        let mut effects = std::mem::take(&mut self.effects);
        for effect in effects.drain(..) {
            let message = match effect {
                Effect::Close(code) => {
                    leave = Some(Leave::Close(code));
                    continue;
                }
                Effect::Drop => {
                    leave = Some(Leave::Drop);
                    continue;
                }
                Effect::Answer { answer, frame, .. } => {
                    self.report.answered(answer);
                    Message::Binary(frame)
                }
                Effect::Ping => Message::Ping(bytes::Bytes::new()),
                Effect::Pong(payload) => Message::Pong(payload),
                other => {
                    self.apply(other);
                    continue;
                }
            };
            if let Err(error) = Pin::new(&mut *socket).write(message) {
                // Only a message that is no WebSocket frame fails here, and these all are.
                tracing::error!(tenant = %self.wanted.config.id, %error, "frame could not be encoded");
            }
        }
        // The room of the list is used again, unless it has become a new one meanwhile.
        if self.effects.capacity() == 0 {
            self.effects = effects;
        }
        leave
    }

    /// Tells the service what it did wrong, before its socket is dropped.
    async fn tell_protocol_error(&mut self, socket: &mut Socket, ending: &Ending) {
        if let Ending::Protocol { code, error } = ending {
            tracing::warn!(tenant = %self.wanted.config.id, %error, code, "the service broke the websocket protocol");
            let farewell = async {
                let _ = socket.send(Message::Close(Some(CloseReason::from(CloseCode::from(*code))))).await;
            };
            let _ = timeout(CLOSE_TIMEOUT, farewell).await;
        }
    }
}

/// Completes once there is room again in one of these.
async fn freed(share: Option<Arc<Budget>>, beginnings: Option<Arc<Budget>>) {
    tokio::select! {
        () = async { share.as_deref().expect("looked at").freed().await }, if share.is_some() => {}
        () = async { beginnings.as_deref().expect("looked at").freed().await }, if beginnings.is_some() => {}
        else => {}
    }
}

/// The journal's word that this could not be written.
fn failed(append: &Append) -> Appended {
    let push_id = match &append.entry {
        Entry::Push { push, .. } => Some(push.id.clone()),
        Entry::Quarantine(entry) => entry.push_id.clone(),
        Entry::Answer { push_id, .. } => Some(push_id.clone()),
    };
    Appended { tag: append.tag, push_id, size: append.size(), outcome: AppendOutcome::Failed }
}

/// Writes what waits, and reads a frame when `reading`. Nothing is read while the write buffer is full (8 KiB), since
/// what is read makes us write.
fn poll_socket(socket: &mut Socket, reading: bool, cx: &mut Context<'_>) -> Poll<Event> {
    let mut socket = Pin::new(socket);
    if !socket.is_write_buf_empty()
        && let Poll::Ready(Err(error)) = socket.as_mut().flush::<Message>(cx)
    {
        return Poll::Ready(Event::Ended(ending_of(&error)));
    }
    if reading
        && socket.is_write_ready()
        && let Poll::Ready(read) = socket.as_mut().poll_next(cx)
    {
        return Poll::Ready(match read {
            Some(Ok(frame)) => Event::Frame(frame),
            Some(Err(error)) => Event::Ended(ending_of(&error)),
            None => Event::Ended(Ending::Eof),
        });
    }
    Poll::Pending
}

fn ending_of(error: &CodecError) -> Ending {
    match error {
        CodecError::Io(error) => Ending::Io(error.to_string()),
        CodecError::Protocol(error) => Ending::Protocol { error: error.clone(), code: 1002 },
        CodecError::NotUtf8 => Ending::Protocol { error: error.to_string(), code: 1007 },
        CodecError::TooBig(_) => Ending::Protocol { error: error.to_string(), code: 1009 },
    }
}

/// Says Close and waits for the service to end the stream.
async fn close(socket: &mut Socket, code: u16) -> Result<(), CodecError> {
    socket.send(Message::Close(Some(CloseReason::from(CloseCode::from(code))))).await?;
    while let Some(frame) = socket.next().await {
        if matches!(frame?, Frame::Close(_)) {
            break;
        }
        // What comes meanwhile is for nobody, and its flood must not keep this thread from its other tenants.
        consume_budget().await;
    }
    Ok(())
}
