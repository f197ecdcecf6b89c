use actix_web::{
    HttpResponse,
    http::StatusCode,
    web::{Bytes, Data, Json, Path},
};
use actix_web_actors::ws::Message;
use serde::Deserialize;

use super::accounts::named;
use crate::{problem::Problem, service::Service};

/// The longest raw frame, in bytes.
const MAX_BYTES: usize = 256 * 1024 * 1024;
/// Field 15 of `ServerMessage`, a message with a short text: a variant of a later version.
const UNKNOWN_VARIANT: &[u8] = b"\x7a\x05\x0a\x03new";
/// A push whose title announces more bytes than there are: its id (field 1) can be scanned all the same.
const BROKEN_PUSH: &[u8] = b"\x0a\x0e\x0a\x06broken\x1a\x7fcut";

/// A frame that is no proper push.
#[derive(Deserialize)]
#[serde(tag = "frame", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Frame {
    /// A `ServerMessage` of a variant that does not exist.
    UnknownVariant,
    /// A push that breaks off after its id, which is `broken`.
    BrokenPush,
    /// A push without an id.
    MissingId,
    /// Random bytes.
    Garbage { bytes: usize },
    /// Zeros: whoever decodes them says malformed, whoever has a limit too large.
    Zeros { bytes: usize },
    /// An empty binary frame.
    Empty,
    /// A text frame.
    Text,
}

pub(crate) async fn send(
    service: Data<Service>,
    account: Path<String>,
    Json(frame): Json<Frame>,
) -> Result<HttpResponse, Problem> {
    let account = named(&service, &account)?;
    if account.send_raw(frame.message()?) {
        Ok(HttpResponse::Accepted().json(serde_json::json!({})))
    } else {
        Err(Problem::new(StatusCode::CONFLICT, "no socket, or too many frames wait on it"))
    }
}

impl Frame {
    fn message(self) -> Result<Message, Problem> {
        let bytes = match self {
            Self::UnknownVariant => Bytes::from_static(UNKNOWN_VARIANT),
            Self::BrokenPush => Bytes::from_static(BROKEN_PUSH),
            Self::MissingId => Bytes::from_static(b"\x0a\x07\x1a\x05title"),
            Self::Garbage { bytes } => (0..checked(bytes)?).map(|_| fastrand::u8(..)).collect(),
            Self::Zeros { bytes } => vec![0; checked(bytes)?].into(),
            Self::Empty => Bytes::new(),
            Self::Text => return Ok(Message::Text("text".into())),
        };
        Ok(Message::Binary(bytes))
    }
}

fn checked(bytes: usize) -> Result<usize, Problem> {
    if (1..=MAX_BYTES).contains(&bytes) {
        Ok(bytes)
    } else {
        Err(Problem::invalid(format!("bytes is 1 to {MAX_BYTES}")))
    }
}
