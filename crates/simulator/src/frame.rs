use actix_http::ws::{OpCode, Parser};
use bytes::{BufMut as _, Bytes, BytesMut};
use pushgate_model::Push;
use serde::{Deserialize, Serialize};

use crate::{
    content::{fresh_id, now_text},
    proto,
};

/// The most bytes of one hostile frame, or of all the frames that one kind stands for.
const MAX_BYTES: usize = 256 * 1024 * 1024;
/// The most frames that one kind stands for.
const MAX_COUNT: u32 = 1_000_000;
/// A control frame holds up to this many bytes (RFC 6455, section 5.5).
const CONTROL_BYTES: usize = 125;

/// A frame that is no proper push, or some of them: each kind is one thing that a client must be able to take.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "frame", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Frame {
    /// A `ServerMessage` of a variant that does not exist.
    UnknownVariant {},
    /// A good push, with a fresh id, that has a field of a later version.
    UnknownField {},
    /// A push that breaks off after its id, which is `broken`.
    BrokenPush {},
    /// A push without an id.
    MissingId {},
    /// A push, its id is `invalid-utf8`, whose title is no UTF-8.
    InvalidUtf8 {},
    /// Random bytes.
    Garbage { bytes: usize },
    /// Zeros: whoever decodes them says malformed, whoever has a limit too large.
    Zeros { bytes: usize },
    /// An empty binary frame.
    Empty {},
    /// A text frame.
    Text {},
    /// A frame that declares so many bytes, up to 2^63 - 1, and has only a few of them.
    DeclaredHuge {
        declared: u64,
        #[serde(default)]
        bytes: usize,
    },
    /// So many fragments of a message that never ends.
    EndlessFragments {
        count: u32,
        #[serde(default = "one")]
        bytes: usize,
    },
    /// A message, of an unknown variant, with so many empty continuations in it.
    EmptyContinuations { count: u32 },
    /// A continuation of nothing.
    StrayContinuation {},
    /// A masked frame, which only a client may send.
    Masked {},
    /// A ping of more than 125 bytes.
    LongPing { bytes: usize },
    /// So many empty pings at once.
    Pings { count: u32 },
    /// These bytes as they are, in hexadecimal, blanks allowed: the frame's header included.
    Raw { hex: String },
}

fn one() -> usize {
    1
}

impl Frame {
    /// What is wrong with the frame's own figures.
    pub(crate) fn mistake(&self) -> Option<String> {
        let fits = match self {
            Self::Garbage { bytes } | Self::Zeros { bytes } => (1..=MAX_BYTES).contains(bytes),
            Self::DeclaredHuge { declared, bytes } => {
                if i64::try_from(*declared).is_err() || *bytes as u64 >= *declared {
                    return Some("declared is up to 2^63 - 1, and more than bytes".to_owned());
                }
                *bytes <= MAX_BYTES
            }
            Self::LongPing { bytes } => {
                if *bytes <= CONTROL_BYTES {
                    return Some(format!("bytes of a long_ping is {} or more", CONTROL_BYTES + 1));
                }
                *bytes <= MAX_BYTES
            }
            Self::EndlessFragments { count, bytes } => {
                if !(1..=MAX_COUNT).contains(count) {
                    return Some(format!("count is 1 to {MAX_COUNT}"));
                }
                bytes.saturating_mul(*count as usize) <= MAX_BYTES
            }
            Self::EmptyContinuations { count } | Self::Pings { count } => {
                return (!(1..=MAX_COUNT).contains(count)).then(|| format!("count is 1 to {MAX_COUNT}"));
            }
            Self::Raw { hex } => {
                let wrong = from_hex(hex).is_none_or(|bytes| bytes.is_empty());
                return wrong.then(|| "hex is pairs of hexadecimal digits, one pair at least".to_owned());
            }
            _ => true,
        };
        (!fits).then(|| format!("bytes is up to {MAX_BYTES}, all frames together, and positive"))
    }

    /// The frame as it goes on the wire, its header included.
    pub(crate) fn to_wire(&self) -> Bytes {
        let mut out = BytesMut::new();
        self.write(&mut out);
        out.freeze()
    }

    /// Writes the frame to the end of `out`.
    pub(crate) fn write(&self, out: &mut BytesMut) {
        match self {
            Self::UnknownVariant {} => binary(proto::UNKNOWN_VARIANT, out),
            Self::UnknownField {} => binary(&proto::push_with_unknown_field(&valid_push()), out),
            Self::BrokenPush {} => binary(proto::BROKEN_PUSH, out),
            Self::MissingId {} => binary(proto::MISSING_ID, out),
            Self::InvalidUtf8 {} => binary(&proto::push_of_invalid_utf8(), out),
            Self::Garbage { bytes } => binary(&(0..*bytes).map(|_| fastrand::u8(..)).collect::<Vec<_>>(), out),
            Self::Zeros { bytes } => binary(&vec![0; *bytes], out),
            Self::Empty {} => binary(b"", out),
            Self::Text {} => Parser::write_message(out, "text", OpCode::Text, true, false),
            Self::DeclaredHuge { declared, bytes } => {
                out.put_slice(&[0x80 | u8::from(OpCode::Binary), 127]);
                out.put_u64(*declared);
                out.put_bytes(0, *bytes);
            }
            Self::EndlessFragments { count, bytes } => {
                let piece = vec![0; *bytes];
                for n in 0..*count {
                    fragment(&piece, Place { first: n == 0, last: false }, out);
                }
            }
            Self::EmptyContinuations { count } => {
                let (head, rest) = proto::UNKNOWN_VARIANT.split_at(1);
                fragment(head, Place { first: true, last: false }, out);
                for _ in 0..*count {
                    fragment(b"", Place { first: false, last: false }, out);
                }
                fragment(rest, Place { first: false, last: true }, out);
            }
            Self::StrayContinuation {} => fragment(b"stray", Place { first: false, last: true }, out),
            Self::Masked {} => Parser::write_message(out, proto::UNKNOWN_VARIANT, OpCode::Binary, true, true),
            Self::LongPing { bytes } => Parser::write_message(out, vec![0; *bytes], OpCode::Ping, true, false),
            Self::Pings { count } => pings(*count, out),
            Self::Raw { hex } => out.put_slice(&from_hex(hex).unwrap_or_default()),
        }
    }
}

/// Where a fragment stands in its message.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    pub(crate) first: bool,
    pub(crate) last: bool,
}

/// Writes a whole message as one frame.
pub(crate) fn binary(message: &[u8], out: &mut BytesMut) {
    Parser::write_message(out, message, OpCode::Binary, true, false);
}

/// Writes one fragment of a message.
pub(crate) fn fragment(piece: &[u8], place: Place, out: &mut BytesMut) {
    let code = if place.first { OpCode::Binary } else { OpCode::Continue };
    Parser::write_message(out, piece, code, place.last, false);
}

/// Writes empty pings.
pub(crate) fn pings(count: u32, out: &mut BytesMut) {
    for _ in 0..count {
        Parser::write_message(out, b"", OpCode::Ping, true, false);
    }
}

fn valid_push() -> Push {
    let created_at = now_text().as_ref().to_owned();
    Push { id: fresh_id(), created_at, title: "Later version".to_owned(), body: "A field is unknown.".to_owned() }
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = text
        .chars()
        .filter(|c| !c.is_ascii_whitespace())
        .map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
        .collect::<Option<_>>()?;
    let pairs = digits.chunks_exact(2);
    pairs.remainder().is_empty().then(|| pairs.map(|pair| pair[0] << 4 | pair[1]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn raw_bytes_are_written_as_they_are() {
        let raw = |hex: &str| Frame::Raw { hex: hex.to_owned() };
        assert_eq!(raw("89 00\n8A00").to_wire().as_ref(), b"\x89\x00\x8a\x00");
        for bad in ["", "8", "8g", "é0"] {
            assert!(raw(bad).mistake().is_some(), "{bad}");
        }
    }

    #[test]
    fn headers_say_what_the_frame_pretends() {
        let head = |frame: Frame| frame.to_wire()[..2].to_vec();
        assert_eq!(head(Frame::DeclaredHuge { declared: 1 << 40, bytes: 0 }), [0x82, 127]);
        assert_eq!(Frame::DeclaredHuge { declared: 1 << 40, bytes: 3 }.to_wire().len(), 13);
        assert_eq!(head(Frame::Masked {})[1] & 0x80, 0x80);
        assert_eq!(head(Frame::LongPing { bytes: 126 }), [0x89, 126]);
        assert_eq!(head(Frame::StrayContinuation {}), [0x80, 5]);
        assert_eq!(Frame::EndlessFragments { count: 3, bytes: 0 }.to_wire().as_ref(), [2, 0, 0, 0, 0, 0]);
        assert_eq!(Frame::Pings { count: 2 }.to_wire().as_ref(), [0x89, 0, 0x89, 0]);
    }

    #[test]
    fn figures_out_of_range_are_mistakes() {
        for bad in [
            Frame::Garbage { bytes: 0 },
            Frame::Zeros { bytes: MAX_BYTES + 1 },
            Frame::LongPing { bytes: CONTROL_BYTES },
            Frame::DeclaredHuge { declared: 1 << 63, bytes: 0 },
            Frame::DeclaredHuge { declared: 5, bytes: 5 },
            Frame::EndlessFragments { count: MAX_COUNT, bytes: 1024 },
            Frame::EmptyContinuations { count: 0 },
            Frame::Pings { count: MAX_COUNT + 1 },
        ] {
            assert!(bad.mistake().is_some(), "{bad:?}");
        }
        assert_eq!(Frame::EndlessFragments { count: MAX_COUNT, bytes: 1 }.mistake(), None);
    }
}
