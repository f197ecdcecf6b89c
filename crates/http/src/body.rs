use std::{
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

use actix_web::web::Bytes;
use futures_util::Stream;

use crate::{direct::OpenStream, transport::Traffic};

/// Bytes that are handed to the connection at a time. It copies what it gets into a buffer of its own, and asks for more
/// while that holds less than 32 KiB; so a stream that does not take its bytes holds little more than this, and the
/// rest of a large frame stays shared with all others.
const SLICE: usize = 64 << 10;

/// Looks in vain, in a row, after which the connection is cut. Between two heartbeats a stream is looked at a few times;
/// only a client that sends request after request into its stream makes the connection look without end.
const LOOKS_IN_VAIN: u32 = 10_000;

/// A subscriber's bytes in slices, or just the first of them, when the stream may have the connection for itself.
pub(crate) struct EventBody {
    /// Nothing once it has left.
    stream: Option<Box<OpenStream>>,
    /// The connection that it will have for itself.
    connection: Option<Rc<Traffic>>,
    began: bool,
    rest: Bytes,
    in_vain: u32,
}

/// The client sends into its stream, which no EventSource and no proxy does.
#[derive(Debug, thiserror::Error)]
#[error("the client sends requests into its stream")]
pub(crate) struct SendsIntoStream;

impl EventBody {
    /// The body of the response to a request that came by this connection, if that is known.
    pub(crate) fn new(stream: OpenStream, connection: Option<Rc<Traffic>>) -> Self {
        let connection = connection.filter(|connection| connection.may_leave);
        Self { stream: Some(Box::new(stream)), connection, began: false, rest: Bytes::new(), in_vain: 0 }
    }

    /// There is nothing to write.
    fn in_vain<T>(&mut self) -> Poll<Option<Result<T, SendsIntoStream>>> {
        if self.in_vain >= LOOKS_IN_VAIN {
            return Poll::Ready(Some(Err(SendsIntoStream)));
        }
        self.in_vain += 1;
        Poll::Pending
    }

    /// Leaves the rest to the connection, once the framework has the first bytes.
    fn leave(&mut self) {
        if let Some(connection) = self.connection.take()
            && let Some(stream) = self.stream.take()
        {
            connection.hand_over_to(stream);
        }
    }
}

impl Stream for EventBody {
    type Item = Result<Bytes, SendsIntoStream>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        if this.began && this.rest.is_empty() {
            this.leave();
        }
        // It has left: the framework is to write what it has, and to expect nothing more.
        let Some(stream) = &mut this.stream else { return this.in_vain() };
        if this.rest.is_empty() {
            match Pin::new(&mut stream.subscriber).poll_next(cx) {
                Poll::Pending => return this.in_vain(),
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Ready(Some(bytes)) => this.rest = bytes,
            }
        } else {
            stream.subscriber.keeps_taking();
        }
        (this.in_vain, this.began) = (0, true);
        let slice = this.rest.split_to(SLICE.min(this.rest.len()));
        Poll::Ready(Some(Ok(slice)))
    }
}
