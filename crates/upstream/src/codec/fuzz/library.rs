//! The library's decoder as a second opinion.

use actix_codec::Decoder;
use actix_http::ws::{Codec, Frame as WsFrame, Item};
use bytes::{Bytes, BytesMut};
use pushgate_session::{CloseFrame, Frame};

/// Larger than anything that is sent here, since the library does not read past what is too long.
pub(super) const MAX: usize = 1 << 16;

/// What the library makes of these bytes, fragments joined, and whether it refused them in the end.
pub(super) fn read(bytes: &[u8]) -> (Vec<Frame>, bool) {
    let mut codec = Codec::new().client_mode().max_size(MAX);
    let mut src = BytesMut::from(bytes);
    let (mut frames, mut message, mut text) = (Vec::new(), Vec::new(), false);
    loop {
        let item = match codec.decode(&mut src) {
            Ok(None) => return (frames, false),
            Err(_) => return (frames, true),
            Ok(Some(WsFrame::Ping(payload))) => {
                frames.push(Frame::Ping(payload));
                continue;
            }
            Ok(Some(WsFrame::Pong(_))) => {
                frames.push(Frame::Pong);
                continue;
            }
            Ok(Some(WsFrame::Close(reason))) => {
                frames.push(Frame::Close(reason.map_or_else(CloseFrame::default, |reason| CloseFrame {
                    code: Some(reason.code.into()),
                    text: reason.description.unwrap_or_default(),
                })));
                continue;
            }
            Ok(Some(WsFrame::Text(_))) => {
                frames.push(Frame::Text);
                continue;
            }
            Ok(Some(WsFrame::Binary(payload))) => {
                frames.push(Frame::Binary(payload));
                continue;
            }
            Ok(Some(WsFrame::Continuation(item))) => item,
        };
        let (part, last) = match item {
            Item::FirstText(part) => {
                text = true;
                (part, false)
            }
            Item::FirstBinary(part) => {
                text = false;
                (part, false)
            }
            Item::Continue(part) => (part, false),
            Item::Last(part) => (part, true),
        };
        message.extend_from_slice(&part);
        if last {
            let whole = Bytes::from(std::mem::take(&mut message));
            frames.push(if text { Frame::Text } else { Frame::Binary(whole) });
        }
    }
}
