use bytes::Bytes;
use pushgate_model::{Answer, Push, PushId};

use crate::DecodeError;

/// What the service said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServerFrame {
    /// A push with a non-empty id.
    Push(Push),
    /// A variant that this version does not know, or none: ignored and counted.
    Unknown,
}

/// What a gateway said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientFrame {
    /// The answer to one push.
    Answer {
        /// The push that is answered.
        push_id: PushId,
        /// What became of it.
        answer: Answer,
    },
    /// A variant or a status that this version does not know, or none.
    Unknown,
}

/// Decodes one binary frame of the service. `max` bytes is checked before anything is decoded.
///
/// # Errors
/// The frame is larger than `max`, is not a message of the protocol, or is a push without an id.
pub fn decode_server(_bytes: &[u8], _max: usize) -> Result<ServerFrame, DecodeError> {
    unimplemented!()
}

/// Decodes one binary frame of a gateway. `max` bytes is checked before anything is decoded.
///
/// # Errors
/// The frame is larger than `max` or is not a message of the protocol.
pub fn decode_client(_bytes: &[u8], _max: usize) -> Result<ClientFrame, DecodeError> {
    unimplemented!()
}

/// Encodes the answer to one push.
pub fn encode_answer(_push_id: &PushId, _answer: Answer) -> Bytes {
    unimplemented!()
}

/// Encodes one push, as the service does.
pub fn encode_push(_push: &Push) -> Bytes {
    unimplemented!()
}
