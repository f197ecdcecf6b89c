use pushgate_model::PushId;

/// A binary frame that can't be accepted as what it should be. The connection is never to blame.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind}")]
pub struct DecodeError {
    /// What is wrong.
    pub kind: DecodeErrorKind,
    /// The id (field 1 of the push), when it could be scanned although the rest is broken; never above the limit of an id.
    pub push_id: Option<PushId>,
}

/// What is wrong with a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum DecodeErrorKind {
    /// More bytes than the limit; nothing was decoded.
    #[error("over the size limit")]
    TooLarge,
    /// Not protobuf, or text that is not UTF-8.
    #[error("not a message of the protocol")]
    Malformed,
    /// A push without an id can't be answered, nor recognised when it is sent again; an answer without one answers
    /// nothing.
    #[error("without the id of a push")]
    MissingId,
    /// The id of the push is longer than [`MAX_PUSH_ID`](crate::MAX_PUSH_ID). It names nothing that is stored, and is
    /// answered as it is.
    #[error("with an id over the limit")]
    IdTooLong,
}
