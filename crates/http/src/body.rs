use std::{
    pin::Pin,
    task::{Context, Poll},
};

use actix_web::web::Bytes;
use futures_util::Stream;
use pushgate_fanout::Subscriber;

use crate::limits::Permit;

/// Bytes that are handed to the connection at a time. It copies what it gets into a buffer of its own, and asks for more
/// while that holds less than 32 KiB; so a stream that does not take its bytes holds little more than this, and the
/// rest of a large frame stays shared with all others.
const SLICE: usize = 64 << 10;

/// Looks in vain, in a row, after which the connection is cut. Between two heartbeats a stream is looked at a few times;
/// only a client that sends request after request into its stream makes the connection look without end.
const LOOKS_IN_VAIN: u32 = 10_000;

/// A subscriber's bytes in slices.
#[derive(Debug)]
pub(crate) struct EventBody {
    subscriber: Subscriber,
    /// Gives the stream's place back when it ends.
    _permit: Permit,
    rest: Bytes,
    in_vain: u32,
}

/// The client sends into its stream, which no EventSource and no proxy does.
#[derive(Debug, thiserror::Error)]
#[error("the client sends requests into its stream")]
pub(crate) struct SendsIntoStream;

impl EventBody {
    pub(crate) fn new(subscriber: Subscriber, permit: Permit) -> Self {
        Self { subscriber, _permit: permit, rest: Bytes::new(), in_vain: 0 }
    }
}

impl Stream for EventBody {
    type Item = Result<Bytes, SendsIntoStream>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        if this.rest.is_empty() {
            match Pin::new(&mut this.subscriber).poll_next(cx) {
                Poll::Pending if this.in_vain >= LOOKS_IN_VAIN => return Poll::Ready(Some(Err(SendsIntoStream))),
                Poll::Pending => {
                    this.in_vain += 1;
                    return Poll::Pending;
                }
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Ready(Some(bytes)) => this.rest = bytes,
            }
        } else {
            this.subscriber.keeps_taking();
        }
        this.in_vain = 0;
        let slice = this.rest.split_to(SLICE.min(this.rest.len()));
        Poll::Ready(Some(Ok(slice)))
    }
}
