//! Bytes to frames of the upstream protocol, and back. The only crate that sees the types that prost makes of
//! `proto/push.proto`; it knows nothing of sockets, stores or answers that are due.
//! Begin reading at [`decode_server`]; [`scan_push_id`] is for what can't be decoded.

mod error;
mod frame;
mod scan;
mod wire;

pub use error::{DecodeError, DecodeErrorKind};
pub use frame::{ClientFrame, ServerFrame, decode_client, decode_server, encode_answer, encode_push};
pub use scan::scan_push_id;

#[cfg(test)]
mod tests;
