//! A subscriber's side of a stream: parse Server-Sent Events, resume by the cursor, reconnect for ever.
//!
//! It is what the terminal's `tail`, the container's health check, the end-to-end tests and the benches use. It is no
//! browser: it knows no origin and no cookie. It runs on one thread, inside an actix system or a tokio `LocalSet`,
//! because its HTTP client is not `Send`.
//!
//! Begin reading at [`EventStream`] for a stream that mends itself, at [`Parser`] for the format alone, and at
//! [`HttpClient`] for single requests. The format is that of the [HTML standard, section 9.2].
//!
//! [HTML standard, section 9.2]: https://html.spec.whatwg.org/multipage/server-sent-events.html

mod connect;
mod data;
mod dial;
mod error;
mod event;
mod head;
mod http;
mod parser;
mod stream;
mod transport;

#[cfg(test)]
mod raw_server;

pub use data::{ControlEvent, Data, DataError, PushEvent, TenantState};
pub use error::{HttpError, StreamError};
pub use event::Event;
pub use http::{HttpClient, HttpConfig, Response, get, post_json};
pub use parser::{ParsedItem, Parser};
pub use stream::{EventStream, StreamConfig, StreamItem};
