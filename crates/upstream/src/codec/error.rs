use std::{fmt::Display, io};

/// The stream can't be read on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CodecError {
    /// Reading or writing failed.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// Bytes that are no WebSocket frames (close code 1002).
    #[error("{0}")]
    Protocol(String),
    /// The text of a Close is not UTF-8 (close code 1007).
    #[error("a close frame with a text that is not utf-8")]
    NotUtf8,
    /// A message far beyond the limit (close code 1009).
    #[error("a message of more than {0} bytes")]
    TooBig(u64),
}

impl CodecError {
    pub(super) fn protocol(error: impl Display) -> Self {
        Self::Protocol(error.to_string())
    }
}
