use std::{
    cell::RefCell,
    collections::VecDeque,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

use actix_web::Error;
use bytes::Bytes;
use futures_util::Stream;

/// What one socket still has to write: its actor puts frames in, the body of its response takes them out.
///
/// The actor encodes by itself instead of handing messages to its context, whose encoder knows only proper frames.
#[derive(Clone, Default)]
pub(crate) struct Wire(Rc<RefCell<VecDeque<Bytes>>>);

impl Wire {
    /// Writes whole frames, or what is to look like them.
    pub(crate) fn write(&self, bytes: Bytes) {
        if !bytes.is_empty() {
            self.0.borrow_mut().push_back(bytes);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.borrow().is_empty()
    }

    fn take(&self) -> Option<Bytes> {
        let mut waiting = self.0.borrow_mut();
        let next = waiting.pop_front();
        if waiting.is_empty() {
            // Ten thousand idle sockets keep no empty queue each.
            *waiting = VecDeque::new();
        }
        next
    }
}

/// The body of an upgraded response: polling it runs the actor, which is alive as long as the body is.
///
/// The actor runs again only when all that it wrote was taken, so a gateway that stops reading stops its actor.
pub(crate) struct Body<S> {
    actor: Option<S>,
    wire: Wire,
}

impl<S> Body<S> {
    pub(crate) fn new(actor: S, wire: Wire) -> Self {
        Self { actor: Some(actor), wire }
    }
}

impl<S: Stream<Item = Result<Bytes, Error>> + Unpin> Stream for Body<S> {
    type Item = Result<Bytes, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(bytes) = self.wire.take() {
            return Poll::Ready(Some(Ok(bytes)));
        }
        let Some(actor) = &mut self.actor else { return Poll::Ready(None) };
        let polled = Pin::new(actor).poll_next(cx);
        if matches!(polled, Poll::Ready(None)) {
            self.actor = None;
        }
        match (polled, self.wire.take()) {
            (Poll::Ready(None) | Poll::Pending, Some(bytes)) => Poll::Ready(Some(Ok(bytes))),
            (polled, None) => polled,
            (Poll::Ready(Some(item)), Some(bytes)) => {
                self.wire.0.borrow_mut().push_front(bytes);
                Poll::Ready(Some(item))
            }
        }
    }
}
