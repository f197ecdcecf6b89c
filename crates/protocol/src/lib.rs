//! Bytes to frames of the upstream protocol, and back. The only crate that sees the types that prost makes of
//! `proto/push.proto`; it knows nothing of sockets, stores or answers that are due.
//! Begin reading at [`decode_server`]; [`scan_push_id`] is for what can't be decoded.

mod error;
mod frame;
mod scan;
mod wire;

/// Longest id of a push, in bytes. Ids are UUIDs by convention and any text by tolerance, but each one is remembered (as
/// long as deduplication lasts), indexed and logged, so the limit of a whole message is none for them.
pub const MAX_PUSH_ID: usize = 256;

/// Longest id that is scanned out of a push that can't be accepted, in bytes, so that it can be answered: a service that gets no
/// answer cuts the line.
pub const MAX_ANSWERED_ID: usize = 4096;

pub use error::{DecodeError, DecodeErrorKind};
pub use frame::{ClientFrame, ServerFrame, decode_client, decode_server, encode_answer, encode_push};
pub use scan::scan_push_id;

#[cfg(test)]
mod tests;
