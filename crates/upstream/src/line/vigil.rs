//! What a line that holds a socket listens to beside it, once for many frames and commits.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use futures_util::{FutureExt, StreamExt, future::LocalBoxFuture, stream::FuturesUnordered};
use pushgate_journal::Appended;
use tokio::time::{Sleep, sleep, sleep_until};

use super::{Line, changed, hold::Event};

/// A flush that takes longer than this ends the socket.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);
/// After so many looks at the socket and the commits the rest is looked at first: a socket that always has something does
/// not keep its line from its orders and its heartbeat.
const TURN: u8 = 8;

/// Listens to what happens rarely, and keeps listening while frames and commits come: to begin anew with each of those
/// would cost more than they do.
pub(super) struct Vigil {
    /// What the journal said last; the room is used again.
    pub(super) appended: Vec<Appended>,
    /// Orders, words of subscribers and the journal's health. In a set of one, so that it is looked at only when one of
    /// these woke it.
    rare: FuturesUnordered<LocalBoxFuture<'static, Event>>,
    /// The session's timer, and the time for which it is set.
    alarm: Option<(Pin<Box<Sleep>>, Instant)>,
    armed: bool,
    /// Since something waits to be written.
    write: Option<Pin<Box<Sleep>>>,
    turn: u8,
}

impl Vigil {
    pub(super) fn new() -> Self {
        Self { appended: Vec::new(), rare: FuturesUnordered::new(), alarm: None, armed: false, write: None, turn: 0 }
    }

    /// Listens to what the line wants now.
    pub(super) fn prepare(&mut self, line: &Line) {
        if self.rare.is_empty() {
            self.rare.push(listen(line));
        }
        self.armed = line.armed.is_some();
        match (&mut self.alarm, line.armed) {
            (Some((alarm, set)), Some(at)) if *set != at => {
                alarm.as_mut().reset(at.into());
                *set = at;
            }
            (None, Some(at)) => self.alarm = Some((Box::pin(sleep_until(at.into())), at)),
            _ => {}
        }
    }

    /// Whether what is rare is to be looked at first.
    pub(super) fn takes_turn(&mut self) -> bool {
        self.turn = (self.turn + 1) % TURN;
        self.turn == 0
    }

    pub(super) fn poll_rare(&mut self, cx: &mut Context<'_>) -> Poll<Event> {
        if self.armed
            && let Some((alarm, _)) = &mut self.alarm
            && alarm.as_mut().poll_unpin(cx).is_ready()
        {
            self.alarm = None;
            return Poll::Ready(Event::Tick);
        }
        match self.rare.poll_next_unpin(cx) {
            Poll::Ready(Some(event)) => Poll::Ready(event),
            _ => Poll::Pending,
        }
    }

    /// Ready when something waits to be written for too long.
    pub(super) fn poll_write_timeout(&mut self, waits: bool, cx: &mut Context<'_>) -> Poll<()> {
        if !waits {
            self.write = None;
            return Poll::Pending;
        }
        self.write.get_or_insert_with(|| Box::pin(sleep(WRITE_TIMEOUT))).poll_unpin(cx)
    }
}

fn listen(line: &Line) -> LocalBoxFuture<'static, Event> {
    let (mut desired, end, mut health) = (line.desired.clone(), line.wanted.end, line.health.clone());
    let mailbox = Arc::clone(&line.mailbox);
    Box::pin(async move {
        tokio::select! {
            () = changed(&mut desired, end) => Event::Desired,
            () = mailbox.filled() => Event::News,
            Ok(()) = health.changed() => Event::Health,
        }
    })
}
