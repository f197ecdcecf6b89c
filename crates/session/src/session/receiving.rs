use std::time::Instant;

use bytes::Bytes;
use pushgate_protocol::{DecodeErrorKind, ServerFrame, decode_server, scan_push_id};

use super::{Phase, Room, Session};
use crate::{Effect, Ending, Frame, Quarantine, SocketId, close::echo};

/// What comes from the service.
impl Session {
    /// A complete frame came on the current socket; without one, nothing happens.
    pub fn on_frame(&mut self, frame: Frame, now: Instant, effects: &mut Vec<Effect>) {
        let Phase::Open(open) = &self.phase else { return };
        let socket = open.socket;
        // A Close that comes first proves the opposite of a good socket.
        if !matches!(frame, Frame::Close(_)) {
            self.hear(now, effects);
        }
        match frame {
            Frame::Ping(payload) => effects.push(Effect::Pong(payload)),
            Frame::Pong => {}
            Frame::Text => effects.push(Effect::Ignored("text")),
            Frame::Binary(_) | Frame::Oversized { .. } if self.in_flight.is_full() => {
                effects.push(Effect::Ignored("shed"));
            }
            Frame::Binary(bytes) => self.on_binary(bytes, socket, now, effects),
            Frame::Oversized { head, len } => {
                let push_id = scan_push_id(&head);
                let entry = Quarantine { raw: head, push_id, reason: "too_large", size: len };
                self.quarantine(entry, socket, now, effects);
            }
            Frame::Close(close) => {
                effects.push(Effect::Close(echo(close.code)));
                self.end(&Ending::Closed(close), now, effects);
                self.arm(now, effects);
            }
        }
    }

    /// A sign of life.
    fn hear(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        let Phase::Open(open) = &mut self.phase else { return };
        let first = open.heartbeat.heard(now, self.config.heartbeat.dead_after);
        // Judged here and not by a tick: whoever grew old in silence is not good yet.
        if open.heartbeat.age(now) >= self.backoff.healthy_after() {
            self.backoff.reset();
        }
        if open.leaving_by.is_some() {
            return;
        }
        if first {
            self.enter_connected(now, effects);
        } else {
            self.show_pressure(now, effects);
        }
    }

    fn on_binary(&mut self, bytes: Bytes, socket: SocketId, now: Instant, effects: &mut Vec<Effect>) {
        match decode_server(&bytes, self.config.max_message) {
            Ok(ServerFrame::Push(push)) => {
                let bytes = push.size();
                self.in_flight.add(bytes, now);
                effects.push(Effect::Store { push, socket, bytes });
                self.arm(now, effects);
            }
            Ok(ServerFrame::Unknown) => effects.push(Effect::Ignored("unknown")),
            Err(error) => {
                let reason = match error.kind {
                    DecodeErrorKind::TooLarge => "too_large",
                    DecodeErrorKind::Malformed => "malformed",
                    DecodeErrorKind::MissingId => "missing_id",
                    DecodeErrorKind::IdTooLong => "id_too_long",
                };
                let size = bytes.len() as u64;
                let entry = Quarantine { raw: bytes, push_id: error.push_id, reason, size };
                self.quarantine(entry, socket, now, effects);
            }
        }
    }

    fn quarantine(&mut self, entry: Quarantine, socket: SocketId, now: Instant, effects: &mut Vec<Effect>) {
        let bytes = entry.raw.len();
        self.in_flight.add(bytes, now);
        effects.push(Effect::Quarantine { entry, socket, bytes });
        self.arm(now, effects);
    }

    /// Whether the gateway as a whole has room. While it has none, this session holds and sheds as if its own limit were
    /// met, and for as long as it takes to come below half of that.
    pub fn set_room(&mut self, room: Room, now: Instant, effects: &mut Vec<Effect>) {
        self.in_flight.set_room(room, now);
        self.show_pressure(now, effects);
        self.arm(now, effects);
    }
}
