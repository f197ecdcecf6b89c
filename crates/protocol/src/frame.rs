use bytes::Bytes;
use prost::Message;
use pushgate_model::{Answer, Push, PushId};

use crate::{
    DecodeError, DecodeErrorKind, MAX_ANSWERED_ID, MAX_PUSH_ID, scan_push_id,
    wire::{
        ClientMessage, DeliveryAck, PushNotification, ServerMessage, client_message, delivery_ack::Status,
        server_message,
    },
};

/// What the service said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServerFrame {
    /// A push with an id of 1 to [`MAX_PUSH_ID`] bytes.
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
/// The frame is larger than `max`, is not a message of the protocol, or is a push without an id or with one that is longer
/// than [`MAX_PUSH_ID`].
pub fn decode_server(bytes: &[u8], max: usize) -> Result<ServerFrame, DecodeError> {
    let fail = |kind| DecodeError { kind, push_id: scan_push_id(bytes) };
    if bytes.len() > max {
        return Err(fail(DecodeErrorKind::TooLarge));
    }
    let message = ServerMessage::decode(bytes).map_err(|_| fail(DecodeErrorKind::Malformed))?;
    let Some(server_message::ServerMessage::PushNotification(push)) = message.server_message else {
        return Ok(ServerFrame::Unknown);
    };
    judge_id(&push.id, MAX_PUSH_ID)?;
    let PushNotification { id, created_at, title, body } = push;
    Ok(ServerFrame::Push(Push { id: id.into(), created_at, title, body }))
}

/// Decodes one binary frame of a gateway. `max` bytes is checked before anything is decoded.
///
/// # Errors
/// The frame is larger than `max`, is not a message of the protocol, or answers a push without an id or with one that is
/// longer than [`MAX_ANSWERED_ID`].
pub fn decode_client(bytes: &[u8], max: usize) -> Result<ClientFrame, DecodeError> {
    let fail = |kind| DecodeError { kind, push_id: None };
    if bytes.len() > max {
        return Err(fail(DecodeErrorKind::TooLarge));
    }
    let message = ClientMessage::decode(bytes).map_err(|_| fail(DecodeErrorKind::Malformed))?;
    let Some(client_message::ClientMessage::DeliveryAck(ack)) = message.client_message else {
        return Ok(ClientFrame::Unknown);
    };
    let answer = match Status::try_from(ack.status) {
        Ok(Status::Ack) => Answer::Ack,
        Ok(Status::Nack) => Answer::Nack,
        Err(_) => return Ok(ClientFrame::Unknown),
    };
    judge_id(&ack.push_id, MAX_ANSWERED_ID)?;
    Ok(ClientFrame::Answer { push_id: ack.push_id.into(), answer })
}

/// What is no id names nothing that could be answered; what is too long may still be.
fn judge_id(id: &str, longest: usize) -> Result<(), DecodeError> {
    let kind = match id.len() {
        0 => DecodeErrorKind::MissingId,
        len if len <= longest => return Ok(()),
        _ => DecodeErrorKind::IdTooLong,
    };
    let answerable = (1..=MAX_ANSWERED_ID).contains(&id.len());
    Err(DecodeError { kind, push_id: answerable.then(|| id.into()) })
}

/// Encodes the answer to one push.
pub fn encode_answer(push_id: &PushId, answer: Answer) -> Bytes {
    let status = match answer {
        Answer::Ack => Status::Ack,
        Answer::Nack => Status::Nack,
    };
    let ack = DeliveryAck { push_id: push_id.as_str().to_owned(), status: status.into() };
    let message = ClientMessage { client_message: Some(client_message::ClientMessage::DeliveryAck(ack)) };
    message.encode_to_vec().into()
}

/// Encodes one push, as the service does.
pub fn encode_push(push: &Push) -> Bytes {
    let push = PushNotification {
        id: push.id.as_str().to_owned(),
        created_at: push.created_at.clone(),
        title: push.title.clone(),
        body: push.body.clone(),
    };
    let message = ServerMessage { server_message: Some(server_message::ServerMessage::PushNotification(push)) };
    message.encode_to_vec().into()
}
