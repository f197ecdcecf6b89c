use std::{
    pin::Pin,
    sync::{Arc, atomic::Ordering::Relaxed},
    task::{Context, Poll},
    time::{Duration, Instant},
};

use actix::{Actor, ActorContext, AsyncContext, StreamHandler};
use actix_http::ws::{Item, OpCode, Parser};
use actix_web_actors::ws::{CloseCode, CloseReason, Message, ProtocolError, WebsocketContext};
use bytes::{Bytes, BytesMut};
use futures_util::Stream;
use pushgate_protocol::{ClientFrame, decode_client};

use crate::{
    account::{Account, Order},
    slot::Ending,
    stats::Stats,
    wire::Wire,
};

/// The largest message of a gateway, in bytes, fragments joined: an answer has some 50. A larger one is cut with 1009.
pub(crate) const MAX_CLIENT_MESSAGE: usize = 64 * 1024;

/// How long an ended socket waits for the gateway's Close before the TCP connection ends.
const CLOSE_GRACE: Duration = Duration::from_millis(500);

/// One open socket: carries the account's orders out and the gateway's answers in, and decides nothing.
///
/// Accepts frames of the gateway and [`Order`]s of its account; ends with either side's Close, the end of the line, or
/// an order to end. Its `Drop` tells the account, so that no way of dying is forgotten.
///
/// It is polled only while the connection's write buffer has room. So a gateway that stops reading stops this actor
/// too; the system then ends the connection by itself, because the listener sets `TCP_USER_TIMEOUT`.
pub(crate) struct Socket {
    account: Arc<Account>,
    stats: Arc<Stats>,
    wire: Wire,
    address: String,
    id: Option<u64>,
    /// The fragments of a message that is still coming.
    partial: Option<BytesMut>,
    ending: bool,
}

impl Socket {
    pub(crate) fn new(account: Arc<Account>, stats: Arc<Stats>, wire: Wire, address: String) -> Self {
        Self { account, stats, wire, address, id: None, partial: None, ending: false }
    }

    fn heard(&self) {
        if let Some(id) = self.id {
            self.account.heard(id, Instant::now());
        }
    }

    fn on_message(&self, bytes: &[u8]) {
        match decode_client(bytes, MAX_CLIENT_MESSAGE) {
            Ok(ClientFrame::Answer { push_id, answer }) => self.account.answer(&push_id, answer),
            Ok(ClientFrame::Unknown) | Err(_) => self.undecodable(),
        }
    }

    fn undecodable(&self) {
        self.stats.undecodable.fetch_add(1, Relaxed);
        tracing::debug!(account = %self.account.id, "frame that is no answer");
    }

    fn on_fragment(&mut self, item: Item, ctx: &mut WebsocketContext<Self>) {
        let (bytes, last) = match item {
            Item::FirstBinary(bytes) => {
                self.partial = Some(BytesMut::new());
                (bytes, false)
            }
            Item::FirstText(_) => return self.undecodable(),
            Item::Continue(bytes) => (bytes, false),
            Item::Last(bytes) => (bytes, true),
        };
        let Some(partial) = &mut self.partial else { return };
        if partial.len() + bytes.len() > MAX_CLIENT_MESSAGE {
            return self.end(Ending::Close(CloseCode::Size, "message too large"), ctx);
        }
        partial.extend_from_slice(&bytes);
        if last && let Some(message) = self.partial.take() {
            self.on_message(&message);
        }
    }

    fn on_close(&mut self, reason: Option<CloseReason>, ctx: &mut WebsocketContext<Self>) {
        if self.ending {
            return ctx.stop();
        }
        let faults = self.account.faults();
        if !faults.silent && !faults.ignore_close {
            self.wire.write(close_frame(reason));
            ctx.stop();
        }
    }

    fn end(&mut self, ending: Ending, ctx: &mut WebsocketContext<Self>) {
        match ending {
            Ending::Drop => ctx.stop(),
            Ending::Close(code, why) if !self.ending => {
                self.ending = true;
                self.wire.write(close_frame(Some(CloseReason { code, description: Some(why.to_owned()) })));
                ctx.run_later(CLOSE_GRACE, |_, ctx| ctx.stop());
            }
            Ending::Close(..) => {}
        }
    }
}

impl Actor for Socket {
    type Context = WebsocketContext<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        let id = self.account.connect(std::mem::take(&mut self.address), Instant::now());
        self.id = Some(id);
        tracing::debug!(account = %self.account.id, socket = id, "socket opened");
        ctx.add_stream(Orders { account: self.account.clone(), socket: id, wire: self.wire.clone(), ended: false });
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if let Some(id) = self.id {
            self.account.disconnect(id);
            tracing::debug!(account = %self.account.id, socket = id, "socket closed");
        }
    }
}

impl StreamHandler<Result<Message, ProtocolError>> for Socket {
    fn handle(&mut self, item: Result<Message, ProtocolError>, ctx: &mut Self::Context) {
        match item {
            Ok(Message::Ping(payload)) => {
                self.heard();
                if !self.account.faults().silent && !self.ending {
                    let mut out = BytesMut::new();
                    Parser::write_message(&mut out, payload, OpCode::Pong, true, false);
                    self.wire.write(out.freeze());
                }
            }
            Ok(Message::Pong(_)) => self.heard(),
            Ok(Message::Binary(bytes)) => self.on_message(&bytes),
            Ok(Message::Text(_)) => self.undecodable(),
            Ok(Message::Continuation(item)) => self.on_fragment(item, ctx),
            Ok(Message::Close(reason)) => self.on_close(reason, ctx),
            Ok(Message::Nop) => {}
            Err(ProtocolError::Overflow) => self.end(Ending::Close(CloseCode::Size, "message too large"), ctx),
            Err(_) => self.end(Ending::Close(CloseCode::Protocol, "not a frame"), ctx),
        }
    }

    fn finished(&mut self, ctx: &mut Self::Context) {
        ctx.stop();
    }
}

impl StreamHandler<Order> for Socket {
    fn handle(&mut self, order: Order, ctx: &mut Self::Context) {
        match order {
            Order::Write(bytes) => self.wire.write(bytes),
            Order::End(ending) => self.end(ending, ctx),
        }
    }

    // The end of orders is not the end of the socket: it may still wait for the gateway's Close.
    fn finished(&mut self, _: &mut Self::Context) {}
}

/// The orders of one socket, as its account gives them.
struct Orders {
    account: Arc<Account>,
    socket: u64,
    wire: Wire,
    ended: bool,
}

impl Stream for Orders {
    type Item = Order;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Order>> {
        if self.ended {
            return Poll::Ready(None);
        }
        if !self.wire.is_empty() {
            // One thing after the other: the body polls again once all of it was taken.
            return Poll::Pending;
        }
        let order = self.account.poll_order(self.socket, cx);
        self.ended = matches!(order, Poll::Ready(Some(Order::End(_)) | None));
        order
    }
}

fn close_frame(reason: Option<CloseReason>) -> Bytes {
    let mut out = BytesMut::new();
    Parser::write_close(&mut out, reason, false);
    out.freeze()
}
