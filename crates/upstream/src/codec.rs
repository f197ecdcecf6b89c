//! WebSocket frames of the service to whole messages, in bounded memory. Begin reading at [`GuardCodec`].

use std::cmp::min;

use actix_codec::{Decoder, Encoder};
use actix_http::ws::{self, Message};
use bytes::{Buf, Bytes, BytesMut};
use futures_util::FutureExt;
use pushgate_session::Frame;
use tokio::task::coop::consume_budget;

use self::{
    buffer::ReadBuffer,
    close::close_frame,
    header::{Header, Opcode},
    message::Partial,
};

mod buffer;
mod close;
mod error;
mod header;
mod message;

pub(crate) use error::CodecError;

/// Bytes that are kept of a message over the limit.
const HEAD: usize = 64 << 10;
/// A message that declares or sends more than so many times the limit cuts the connection (close code 1009).
const CUT_FACTOR: u64 = 16;
/// Fragments that end no message are no event for anybody, so a flood of them would be read for as long as it lasts. So many
/// cost the task as much of its turn as one read of the socket.
const FRAGMENTS_A_READ: u8 = 250;

/// WebSocket frames of the service to whole messages, in bounded memory.
///
/// The library's decoder buffers a frame whole before it looks at its size, lets one small payload hold the whole buffer
/// that it came in, and leaves fragments to us. So frames are read here, and only written by the library: each header is
/// judged as soon as it is there, and payloads are taken out of the read buffer as they come. A message within
/// `max_message` is joined from its fragments, of which there may be any number; a longer one is read past, and only its
/// first 64 KiB are kept; of a text nothing is. Held are at most the larger of `max_message` and 64 KiB, and what
/// [`ReadBuffer`] says.
///
/// A failed stream stays failed: what was wrong is not taken out of the buffer.
#[derive(Debug)]
pub(crate) struct GuardCodec {
    writer: ws::Codec,
    max_message: usize,
    /// The data message of which not all fragments came yet.
    message: Option<Partial>,
    /// The data frame, a fragment of that message, of which not all payload came yet.
    payload: Option<Payload>,
    /// Fragments without a message since the task's turn was last charged for them.
    uncharged: u8,
    buffer: ReadBuffer,
}

/// What is still to come of a data frame.
#[derive(Debug)]
struct Payload {
    left: u64,
    ends_message: bool,
}

impl GuardCodec {
    pub(crate) fn new(max_message: usize) -> Self {
        Self {
            writer: ws::Codec::new().client_mode(),
            max_message,
            message: None,
            payload: None,
            uncharged: 0,
            buffer: ReadBuffer::default(),
        }
    }

    /// The next whole message or control frame; nothing when more bytes are needed.
    fn read(&mut self, src: &mut BytesMut) -> Result<Option<Frame>, CodecError> {
        loop {
            if self.payload.is_some() {
                let frame = self.take_payload(src);
                if frame.is_some() || self.payload.is_some() {
                    return Ok(frame);
                }
            }
            let Some(header) = Header::read(src)? else { return Ok(None) };
            if header.opcode.is_control() {
                return read_control(&header, src);
            }
            self.begin(&header)?;
            src.advance(header.len);
            if self.uncharged >= FRAGMENTS_A_READ {
                self.uncharged = 0;
                // Nothing to wait for: once the turn is over, the socket has nothing to read until the next one.
                let _ = consume_budget().now_or_never();
            }
        }
    }

    /// A data frame begins: its place among fragments and the size of its message are judged.
    fn begin(&mut self, header: &Header) -> Result<(), CodecError> {
        match (&self.message, header.opcode) {
            (None, Opcode::Continuation) => return Err(CodecError::protocol("a fragment of no message")),
            (Some(_), Opcode::Text | Opcode::Binary) => {
                return Err(CodecError::protocol("a message among the fragments of another one"));
            }
            _ => {}
        }
        let declared = self.message.as_ref().map_or(0, Partial::declared);
        let cut = (self.max_message as u64).saturating_mul(CUT_FACTOR);
        if declared.saturating_add(header.payload) > cut {
            return Err(CodecError::TooBig(cut));
        }
        let message = self.message.get_or_insert_with(|| Partial::new(header.opcode == Opcode::Text));
        message.declare(header.payload, self.max_message);
        self.payload = Some(Payload { left: header.payload, ends_message: header.fin });
        Ok(())
    }

    /// Takes what is there of the present payload; the whole message when that ends it.
    fn take_payload(&mut self, src: &mut BytesMut) -> Option<Frame> {
        let (payload, message) = (self.payload.as_mut()?, self.message.as_mut()?);
        let here = min(payload.left, src.len() as u64) as usize;
        payload.left -= here as u64;
        let more = payload.left > 0 || !payload.ends_message;
        message.keep(&src[..here], self.max_message, more);
        src.advance(here);
        if payload.left == 0 {
            self.payload = None;
            self.uncharged += 1;
        }
        if more {
            return None;
        }
        self.uncharged = 0;
        self.message.take().map(|message| message.finish(self.max_message))
    }

    /// Bytes of memory that are held for a message that has not ended.
    pub(crate) fn held(&self) -> usize {
        self.message.as_ref().map_or(0, Partial::held)
    }
}

/// A control frame, once it is there as a whole. It may come between the fragments of a message.
fn read_control(header: &Header, src: &mut BytesMut) -> Result<Option<Frame>, CodecError> {
    let end = header.len + header.payload as usize;
    let Some(payload) = src.get(header.len..end) else { return Ok(None) };
    let frame = match header.opcode {
        Opcode::Ping => Frame::Ping(Bytes::copy_from_slice(payload)),
        Opcode::Close => Frame::Close(close_frame(payload)?),
        _ => Frame::Pong,
    };
    src.advance(end);
    Ok(Some(frame))
}

impl Decoder for GuardCodec {
    type Item = Frame;
    type Error = CodecError;

    fn decode(&mut self, src: &mut BytesMut) -> Result<Option<Frame>, CodecError> {
        let before = src.len();
        let frame = self.read(src);
        self.buffer.taken(before - src.len());
        if src.is_empty() && matches!(frame, Ok(None)) {
            self.buffer.drained(src);
        }
        frame
    }

    /// A stream may end anywhere; what it cut off is no error of its own.
    fn decode_eof(&mut self, src: &mut BytesMut) -> Result<Option<Frame>, CodecError> {
        self.read(src)
    }
}

impl Encoder<Message> for GuardCodec {
    type Error = CodecError;

    fn encode(&mut self, message: Message, dst: &mut BytesMut) -> Result<(), CodecError> {
        // Heartbeats go out on idle lines too, so they are the time to give back what busier times took.
        if dst.is_empty() && matches!(message, Message::Ping(_) | Message::Pong(_)) {
            *dst = BytesMut::with_capacity(buffer::IDLE);
        }
        self.writer.encode(message, dst).map_err(CodecError::protocol)
    }
}

#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod tests;
