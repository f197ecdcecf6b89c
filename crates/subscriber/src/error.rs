/// Why a stream ended for good. Everything else is mended by connecting again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StreamError {
    /// The URL, a header or the token can't be used.
    #[error("{0}")]
    Config(String),
    /// The server said 204: what this stream is about is gone.
    #[error("the server has nothing more to say")]
    Gone,
    /// The server refused with 4xx, which the same request can't change.
    #[error("refused with status {status}: {detail}")]
    Refused {
        /// The HTTP status, 400 to 499.
        status: u16,
        /// The beginning of the response's body.
        detail: String,
    },
    /// What answers there does not speak Server-Sent Events.
    #[error("content type {0:?} instead of text/event-stream")]
    NotAnEventStream(String),
}

/// Why a single request has no response.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HttpError {
    /// The URL or the token can't be used; trying again is of no use.
    #[error("{0}")]
    Config(String),
    /// No connection, or it broke.
    #[error("{0}")]
    Unreachable(String),
    /// No complete response in time.
    #[error("no complete response in time")]
    Timeout,
    /// The response's body is over the limit.
    #[error("the response is larger than the limit")]
    TooLarge,
}
