use std::{cmp::min, io};

use actix_codec::{Decoder, Encoder};
use actix_http::ws::{self, Message};
use bytes::{Buf, Bytes, BytesMut};
use pushgate_session::Frame;

/// Bytes that are kept of a message over the limit.
const HEAD: usize = 64 << 10;
/// A message that declares or sends more than so many times the limit cuts the connection (close code 1009).
const CUT_FACTOR: u64 = 16;
/// A read buffer that grew beyond this for one message is given back when it is empty.
const KEPT_BUFFER: usize = 32 << 10;
/// Largest payload of a control frame (RFC 6455, section 5.5).
const MAX_CONTROL: u64 = 125;

/// The stream can't be read on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CodecError {
    /// Reading or writing failed.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// Bytes that are no WebSocket frames (close code 1002).
    #[error("{0}")]
    Protocol(String),
    /// A message far beyond the limit (close code 1009).
    #[error("a message of more than {0} bytes")]
    TooBig(u64),
}

/// WebSocket frames of the service to whole messages, in bounded memory.
///
/// The library's codec buffers a frame whole before it looks at its size, and leaves fragments to us. So this one reads
/// each frame's declared length first: a message within `max_message` is joined from its fragments; a longer one is read
/// past as it comes, and only its first 64 KiB are kept. Masks, opcodes, reserved bits and the order of fragments are
/// still judged by the library: it sees every header, of a skipped frame with an empty payload.
#[derive(Debug)]
pub(crate) struct GuardCodec {
    inner: ws::Codec,
    max_message: u64,
    /// The data message that is being read.
    message: Partial,
    /// Payload bytes of the present frame that are still to be skipped.
    skipping: u64,
    /// What ends when nothing is left to skip.
    skipped_ends_message: bool,
}

/// A data message of which not all came yet.
#[derive(Debug, Default)]
struct Partial {
    text: bool,
    bytes: BytesMut,
    len: u64,
}

impl GuardCodec {
    pub(crate) fn new(max_message: usize) -> Self {
        Self {
            inner: ws::Codec::new().client_mode().max_size(max_message.max(MAX_CONTROL as usize)),
            max_message: max_message as u64,
            message: Partial::default(),
            skipping: 0,
            skipped_ends_message: false,
        }
    }

    /// Takes what is there of a skipped payload; a frame when that ends the message.
    fn skip(&mut self, src: &mut BytesMut) -> Option<Frame> {
        let here = min(self.skipping, src.len() as u64) as usize;
        self.message.keep(&src[..here], HEAD);
        src.advance(here);
        self.skipping -= here as u64;
        (self.skipping == 0 && self.skipped_ends_message).then(|| self.finish())
    }

    /// The whole message, however it came.
    fn finish(&mut self) -> Frame {
        let Partial { text, bytes, len } = std::mem::take(&mut self.message);
        self.skipped_ends_message = false;
        if text {
            Frame::Text
        } else if len > self.max_message {
            Frame::Oversized { head: bytes.freeze(), len }
        } else {
            Frame::Binary(bytes.freeze())
        }
    }

    /// A frame that the library took apart; a whole message when it ends one.
    fn join(&mut self, frame: ws::Frame) -> Option<Frame> {
        let (first_text, payload, ends) = match frame {
            ws::Frame::Ping(payload) => return Some(Frame::Ping(payload)),
            ws::Frame::Pong(_) => return Some(Frame::Pong),
            ws::Frame::Close(reason) => return Some(Frame::Close(reason.map(|reason| reason.code.into()))),
            ws::Frame::Text(payload) => (Some(true), payload, true),
            ws::Frame::Binary(payload) => (Some(false), payload, true),
            ws::Frame::Continuation(ws::Item::FirstText(payload)) => (Some(true), payload, false),
            ws::Frame::Continuation(ws::Item::FirstBinary(payload)) => (Some(false), payload, false),
            ws::Frame::Continuation(ws::Item::Continue(payload)) => (None, payload, false),
            ws::Frame::Continuation(ws::Item::Last(payload)) => (None, payload, true),
        };
        if let Some(text) = first_text {
            self.message.text = text;
        }
        if ends && self.message.len == 0 {
            return Some(whole(self.message.text, payload));
        }
        self.message.len += payload.len() as u64;
        let limit = if self.message.len > self.max_message { HEAD } else { usize::MAX };
        self.message.keep(&payload, limit);
        ends.then(|| self.finish())
    }

    /// Lets the library judge the header of a frame whose payload is skipped, by an empty frame of the same kind.
    fn begin_skip(&mut self, header: &Header, src: &mut BytesMut) -> Result<(), CodecError> {
        src.advance(header.len);
        let mut empty = BytesMut::from(&[header.first, header.second & 0x80][..]);
        let frame = self.inner.decode(&mut empty).map_err(protocol)?;
        match frame {
            Some(ws::Frame::Text(_) | ws::Frame::Continuation(ws::Item::FirstText(_))) => self.message.text = true,
            Some(ws::Frame::Binary(_) | ws::Frame::Continuation(ws::Item::FirstBinary(_))) => self.message.text = false,
            // A later fragment is what the first one was.
            _ => {}
        }
        self.message.len += header.payload;
        self.message.bytes.truncate(HEAD);
        self.skipping = header.payload;
        self.skipped_ends_message = header.fin();
        Ok(())
    }
}

impl Partial {
    /// Keeps `payload`, as long as no more than `limit` bytes are held. Text is never looked at, so never kept.
    fn keep(&mut self, payload: &[u8], limit: usize) {
        self.bytes.truncate(limit);
        if !self.text {
            let room = min(limit - self.bytes.len(), payload.len());
            self.bytes.extend_from_slice(&payload[..room]);
        }
    }
}

fn whole(text: bool, payload: Bytes) -> Frame {
    if text { Frame::Text } else { Frame::Binary(payload) }
}

fn protocol(error: impl std::fmt::Display) -> CodecError {
    CodecError::Protocol(error.to_string())
}

impl Decoder for GuardCodec {
    type Item = Frame;
    type Error = CodecError;

    fn decode(&mut self, src: &mut BytesMut) -> Result<Option<Frame>, CodecError> {
        loop {
            if self.skipping > 0 || self.skipped_ends_message {
                let frame = self.skip(src);
                if frame.is_some() || self.skipping > 0 {
                    return Ok(frame);
                }
            }
            let Some(header) = Header::peek(src) else {
                if src.is_empty() && src.capacity() > KEPT_BUFFER {
                    *src = BytesMut::new();
                }
                return Ok(None);
            };
            if header.is_control() {
                if header.payload > MAX_CONTROL {
                    return Err(protocol("a control frame of more than 125 bytes"));
                }
            } else {
                let total = self.message.len.saturating_add(header.payload);
                if total > self.max_message.saturating_mul(CUT_FACTOR) {
                    return Err(CodecError::TooBig(self.max_message.saturating_mul(CUT_FACTOR)));
                }
                if total > self.max_message {
                    self.begin_skip(&header, src)?;
                    continue;
                }
            }
            match self.inner.decode(src).map_err(protocol)? {
                None => return Ok(None),
                Some(frame) => {
                    if let Some(frame) = self.join(frame) {
                        return Ok(Some(frame));
                    }
                }
            }
        }
    }
}

impl Encoder<Message> for GuardCodec {
    type Error = CodecError;

    fn encode(&mut self, message: Message, dst: &mut BytesMut) -> Result<(), CodecError> {
        self.inner.encode(message, dst).map_err(protocol)
    }
}

/// The first bytes of a frame (RFC 6455, section 5.2), without a mask: the service never masks.
struct Header {
    first: u8,
    second: u8,
    /// Bytes before the payload.
    len: usize,
    /// Bytes of the payload, as declared.
    payload: u64,
}

impl Header {
    fn peek(src: &[u8]) -> Option<Self> {
        let (&first, &second) = (src.first()?, src.get(1)?);
        let (len, payload) = match second & 0x7f {
            126 => (4, u64::from(u16::from_be_bytes(src.get(2..4)?.try_into().ok()?))),
            127 => (10, u64::from_be_bytes(src.get(2..10)?.try_into().ok()?)),
            short => (2, u64::from(short)),
        };
        Some(Self { first, second, len, payload })
    }

    fn fin(&self) -> bool {
        self.first & 0x80 != 0
    }

    fn is_control(&self) -> bool {
        self.first & 0x08 != 0
    }
}

#[cfg(test)]
mod tests;
