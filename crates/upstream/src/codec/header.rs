use super::CodecError;

const FIN: u8 = 0x80;
/// No extension is ever asked for, so none of these has a meaning.
const RESERVED: u8 = 0x70;
const MASK: u8 = 0x80;
/// Largest payload of a control frame.
const MAX_CONTROL: u64 = 125;

/// The header of a frame (RFC 6455, section 5.2), judged by all that can be said of it alone.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) fin: bool,
    pub(super) opcode: Opcode,
    /// Bytes before the payload.
    pub(super) len: usize,
    /// Bytes of the payload, as declared.
    pub(super) payload: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opcode {
    Continuation,
    Text,
    Binary,
    Close,
    Ping,
    Pong,
}

impl Header {
    /// The header at the beginning of `src`; nothing when it is not there as a whole. A length in more bytes than it needs
    /// is borne, since it is clear what it says.
    pub(super) fn read(src: &[u8]) -> Result<Option<Self>, CodecError> {
        let [first, second, extended @ ..] = src else { return Ok(None) };
        let (fin, opcode) = (first & FIN != 0, Opcode::of(first & 0x0f)?);
        if first & RESERVED != 0 {
            return Err(CodecError::protocol("a frame with reserved bits"));
        }
        if second & MASK != 0 {
            return Err(CodecError::protocol("a masked frame"));
        }
        if opcode.is_control() && !fin {
            return Err(CodecError::protocol("a control frame in fragments"));
        }
        let (len, payload) = match second & !MASK {
            126 => (4, extended.first_chunk().map(|len| u16::from_be_bytes(*len).into())),
            127 => (10, extended.first_chunk().map(|len| u64::from_be_bytes(*len))),
            short => (2, Some(u64::from(short))),
        };
        let Some(payload) = payload else { return Ok(None) };
        if opcode.is_control() && payload > MAX_CONTROL {
            return Err(CodecError::protocol("a control frame of more than 125 bytes"));
        }
        if payload > i64::MAX as u64 {
            return Err(CodecError::protocol("a length of more than 63 bits"));
        }
        Ok(Some(Self { fin, opcode, len, payload }))
    }
}

impl Opcode {
    fn of(number: u8) -> Result<Self, CodecError> {
        Ok(match number {
            0x0 => Self::Continuation,
            0x1 => Self::Text,
            0x2 => Self::Binary,
            0x8 => Self::Close,
            0x9 => Self::Ping,
            0xa => Self::Pong,
            other => return Err(CodecError::protocol(format_args!("the reserved opcode {other}"))),
        })
    }

    pub(super) fn is_control(self) -> bool {
        matches!(self, Self::Close | Self::Ping | Self::Pong)
    }
}
