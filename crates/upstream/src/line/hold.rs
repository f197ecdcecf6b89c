use std::{
    future::poll_fn,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use awc::ws::{CloseCode, CloseReason, Message};
use futures_util::{SinkExt, Stream, StreamExt};
use pushgate_journal::{Append, AppendOutcome, Appended, BoxFuture, Entry, Journal, Unavailable};
use pushgate_session::{Effect, Ending, Frame};
use tokio::{
    task::coop::consume_budget,
    time::{sleep_until, timeout},
};

use super::{Leave, Line};
use crate::{codec::CodecError, dial::Socket};

/// A flush that takes longer than this ends the socket.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long our Close may take to be flushed and echoed; then the socket is dropped.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);
/// Commits that are taken at a time, so that their answers leave in one write.
const COMMITS_AT_ONCE: usize = 64;

/// What happened on a held socket.
enum Event {
    /// A frame came; everything written before is on its way, if `flushed`.
    Frame {
        frame: Frame,
        flushed: bool,
    },
    Flushed,
    Ended(Ending),
    Appended(Vec<Appended>),
    Accepted(Result<(), Unavailable>),
    Tick,
    Draining,
}

/// An append that waits for room in the journal's queue.
struct Waiting<'a> {
    future: BoxFuture<'a, Result<(), Unavailable>>,
    /// What the session is told when the journal refuses it.
    failed: Appended,
}

impl Line {
    /// Holds one socket until it ends. Pushes that the journal's queue has not taken by then stay unanswered, and are in
    /// flight no longer: the service sends them again.
    pub(super) async fn hold(&mut self, mut socket: Socket) {
        let journal = Arc::clone(&self.journal);
        let mut waiting: Option<Waiting<'_>> = None;
        self.armed = None;
        self.step(|session, now, effects| session.on_upgraded(now, effects));
        self.converse(&mut socket, &*journal, &mut waiting).await;
        // Dropping the future takes the append back: it is queued at its very end, or not at all.
        let not_taken = waiting.map(|waiting| waiting.failed);
        let not_offered: Vec<_> = self.appends.drain(..).map(|append| failed(&append)).collect();
        for appended in not_taken.into_iter().chain(not_offered) {
            self.on_appended(appended);
        }
    }

    async fn converse<'j>(&mut self, socket: &mut Socket, journal: &'j dyn Journal, waiting: &mut Option<Waiting<'j>>) {
        let mut write_since: Option<Instant> = None;
        loop {
            if let Some(leave) = self.apply_on(socket) {
                if let Leave::Close(code) = leave {
                    // A peer that does not take our Close in time is dropped; it gets no further word.
                    let _ = timeout(CLOSE_TIMEOUT, close(socket, code)).await;
                }
                return;
            }
            if waiting.is_none() {
                *waiting = self.appends.pop_front().map(|append| {
                    let failed = failed(&append);
                    Waiting { future: journal.append(append), failed }
                });
            }
            let now = tokio::time::Instant::now().into_std();
            write_since = if socket.is_write_buf_empty() { None } else { write_since.or(Some(now)) };
            let event = self.next_event(socket, waiting, write_since).await;
            match event {
                Event::Frame { frame, flushed } => {
                    write_since = write_since.filter(|_| !flushed);
                    self.step(|session, now, effects| session.on_frame(frame, now, effects));
                    // A flood of frames that were read at once must not keep this thread from its other tenants.
                    consume_budget().await;
                }
                Event::Flushed => write_since = None,
                Event::Appended(batch) => batch.into_iter().for_each(|appended| self.on_appended(appended)),
                Event::Accepted(result) => {
                    if let (Err(Unavailable), Some(refused)) = (result, waiting.take()) {
                        self.on_appended(refused.failed);
                    }
                }
                Event::Tick => {
                    self.armed = None;
                    self.step(|session, now, effects| session.on_tick(now, effects));
                }
                Event::Draining => self.step(|session, _, effects| session.drain(effects)),
                Event::Ended(ending) => {
                    self.tell_protocol_error(socket, &ending).await;
                    self.step(|session, now, effects| session.on_ended(&ending, now, effects));
                    return;
                }
            }
        }
    }

    async fn next_event(
        &mut self,
        socket: &mut Socket,
        waiting: &mut Option<Waiting<'_>>,
        write_since: Option<Instant>,
    ) -> Event {
        let reading = self.wants_read();
        let mut batch = Vec::new();
        let far = Instant::now() + Duration::from_secs(3600);
        tokio::select! {
            count = self.commits.recv_many(&mut batch, COMMITS_AT_ONCE) => {
                debug_assert!(count > 0, "this line holds a sender itself");
                Event::Appended(batch)
            }
            event = poll_fn(|cx| poll_socket(socket, reading, cx)) => event,
            result = poll_fn(|cx| match waiting {
                Some(waiting) => waiting.future.as_mut().poll(cx),
                None => Poll::Pending,
            }) => Event::Accepted(result),
            () = sleep_until(self.armed.unwrap_or(far).into()), if self.armed.is_some() => Event::Tick,
            () = sleep_until(write_since.map_or(far, |since| since + WRITE_TIMEOUT).into()), if write_since.is_some() => {
                Event::Ended(Ending::WriteTimeout)
            }
            _ = self.draining.changed() => Event::Draining,
        }
    }

    /// Whether to read, and a count of the times when that turned to no.
    fn wants_read(&mut self) -> bool {
        let wants = self.step(|session, now, _| session.wants_read(now));
        if self.reading && !wants {
            self.report.in_flight_full();
        }
        self.reading = wants;
        wants
    }

    /// Carries effects out; those for the socket only go to its write buffer. What comes after leaving stays for later.
    fn apply_on(&mut self, socket: &mut Socket) -> Option<Leave> {
        let mut leave = None;
        for effect in std::mem::take(&mut self.effects) {
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
                tracing::error!(tenant = %self.tenant.id, %error, "frame could not be encoded");
            }
        }
        self.flush_report();
        leave
    }

    /// Tells the service what it did wrong, before its socket is dropped.
    async fn tell_protocol_error(&mut self, socket: &mut Socket, ending: &Ending) {
        if let Ending::Protocol { code, error } = ending {
            tracing::warn!(tenant = %self.tenant.id, %error, code, "the service broke the websocket protocol");
            let farewell = async {
                let _ = socket.send(Message::Close(Some(CloseReason::from(CloseCode::from(*code))))).await;
            };
            let _ = timeout(CLOSE_TIMEOUT, farewell).await;
        }
    }
}

/// The journal's word that this could not be written.
fn failed(append: &Append) -> Appended {
    let push_id = match &append.entry {
        Entry::Push { push, .. } => Some(push.id.clone()),
        Entry::Quarantine(entry) => entry.push_id.clone(),
    };
    Appended { tag: append.tag, push_id, size: append.size(), outcome: AppendOutcome::Failed }
}

/// Writes what waits, and reads a frame when `reading`. Nothing is read while the write buffer is full (8 KiB), since
/// what is read makes us write.
fn poll_socket(socket: &mut Socket, reading: bool, cx: &mut Context<'_>) -> Poll<Event> {
    let mut socket = Pin::new(socket);
    let mut flushed = false;
    if !socket.is_write_buf_empty() {
        match socket.as_mut().flush::<Message>(cx) {
            Poll::Ready(Ok(())) => flushed = true,
            Poll::Ready(Err(error)) => return Poll::Ready(Event::Ended(ending_of(&error))),
            Poll::Pending => {}
        }
    }
    if reading
        && socket.is_write_ready()
        && let Poll::Ready(read) = socket.as_mut().poll_next(cx)
    {
        return Poll::Ready(match read {
            Some(Ok(frame)) => Event::Frame { frame, flushed },
            Some(Err(error)) => Event::Ended(ending_of(&error)),
            None => Event::Ended(Ending::Eof),
        });
    }
    if flushed { Poll::Ready(Event::Flushed) } else { Poll::Pending }
}

fn ending_of(error: &CodecError) -> Ending {
    match error {
        CodecError::Io(error) => Ending::Io(error.to_string()),
        CodecError::Protocol(error) => Ending::Protocol { error: error.clone(), code: 1002 },
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
    }
    Ok(())
}
