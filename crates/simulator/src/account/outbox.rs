use bytes::{Bytes, BytesMut};
use pushgate_model::Push;
use pushgate_protocol::encode_push;

use crate::{
    faults::Faults,
    frame::{Place, binary, fragment, pings},
    proto,
    queue::Sending,
};

/// Bytes at which no more copies of a push are made.
const COPIES_BYTES: usize = 64 * 1024 * 1024;

/// Turns pushes into frames, as the faults want them. Counts from the moment that the faults were set.
#[derive(Default)]
pub(super) struct Outbox {
    pushes: u64,
}

/// What became of some pushes.
pub(super) struct Written {
    pub(super) bytes: Bytes,
    /// How many frames, or rows of fragments, are pushes, and how many of those had been sent before.
    pub(super) frames: u64,
    pub(super) repeats: u64,
    /// Whether the socket ends after them.
    pub(super) ends_socket: bool,
}

impl Outbox {
    pub(super) fn write(&mut self, batch: &[Sending], faults: &Faults) -> Written {
        let mut out = BytesMut::new();
        let mut written = Written { bytes: Bytes::new(), frames: 0, repeats: 0, ends_socket: false };
        for sending in batch {
            for copy in 0..faults.redeliver.unwrap_or(1) {
                if copy > 0 && out.len() >= COPIES_BYTES {
                    break;
                }
                let repeats = sending.attempt > 1 || copy > 0;
                written.frames += 1;
                written.repeats += u64::from(repeats);
                write_message(&encode(sending, copy, faults), faults, &mut out);
            }
            self.pushes += 1;
            if let Some(frame) = faults.intersperse.as_ref().and_then(|between| between.after(self.pushes)) {
                frame.write(&mut out);
            }
        }
        written.bytes = out.freeze();
        written
    }
}

fn encode(sending: &Sending, copy: u16, faults: &Faults) -> Bytes {
    let encode = |push: &Push| {
        if faults.unknown_field { proto::push_with_unknown_field(push).into() } else { encode_push(push) }
    };
    if !faults.other_bytes || (sending.attempt == 1 && copy == 0) {
        return encode(&sending.push);
    }
    let body = format!("{} [sending {}, copy {copy}]", sending.push.body, sending.attempt);
    encode(&Push { body, ..sending.push.clone() })
}

/// Writes a message in one frame, or in the fragments that the faults want.
fn write_message(message: &[u8], faults: &Faults, out: &mut BytesMut) {
    let empties = faults.fragment_empties.unwrap_or(0);
    let count = match faults.fragments {
        Some(count) => usize::from(count),
        None if faults.fragment_pings || empties > 0 => 2,
        None => return binary(message, out),
    };
    let size = message.len().div_ceil(count);
    let mut rest = message;
    for n in 0..count {
        let (piece, after) = rest.split_at(size.min(rest.len()));
        rest = after;
        fragment(piece, Place { first: n == 0, last: n + 1 == count }, out);
        if n == 0 {
            for _ in 0..empties {
                fragment(b"", Place { first: false, last: false }, out);
            }
        }
        if faults.fragment_pings && n + 1 < count {
            pings(1, out);
        }
    }
}

#[cfg(test)]
mod tests {
    use actix_http::ws::{OpCode, Parser};
    use pushgate_protocol::{ServerFrame, decode_server};

    use super::*;

    /// The frames of one push, as operation code, end of message and payload.
    fn frames(faults: &str, attempt: u32) -> Vec<(OpCode, bool, Vec<u8>)> {
        let push = Push { id: "a".into(), created_at: "now".into(), title: "t".into(), body: "b".into() };
        let written = Outbox::default().write(&[Sending { push, attempt }], &faults.parse().unwrap());
        let mut bytes = BytesMut::from(&written.bytes[..]);
        let mut frames = Vec::new();
        while !bytes.is_empty() {
            let (last, code, payload) = Parser::parse(&mut bytes, false, usize::MAX).unwrap().unwrap();
            frames.push((code, last, payload.unwrap_or_default().to_vec()));
        }
        frames
    }

    fn body(message: &[u8]) -> String {
        let ServerFrame::Push(push) = decode_server(message, usize::MAX).unwrap() else { panic!("no push") };
        push.body
    }

    #[test]
    fn fragments_join_to_the_push_with_pings_and_empties_between() {
        for (faults, count) in [
            (r#"{"fragments":3}"#, 3),
            (r#"{"fragments":1000}"#, 1000),
            (r#"{"fragments":3,"fragment_pings":true}"#, 5),
            (r#"{"fragment_pings":true}"#, 3),
            (r#"{"fragment_empties":4}"#, 6),
            (r#"{"fragments":3,"fragment_pings":true,"fragment_empties":4}"#, 9),
        ] {
            let frames = frames(faults, 1);
            let (pings, pieces): (Vec<_>, Vec<_>) = frames.iter().partition(|(code, ..)| *code == OpCode::Ping);
            let joined: Vec<u8> = pieces.iter().flat_map(|(_, _, payload)| payload.clone()).collect();
            assert_eq!((frames.len(), body(&joined)), (count, "b".to_owned()), "{faults}");
            let lasts: Vec<_> = pieces.iter().map(|(_, last, _)| *last).collect();
            assert_eq!(lasts.iter().position(|last| *last), Some(pieces.len() - 1), "{faults}");
            let firsts = pieces.iter().filter(|(code, ..)| *code == OpCode::Binary).count();
            assert_eq!((firsts, pings.iter().all(|(_, last, _)| *last)), (1, true), "{faults}");
        }
    }

    #[test]
    fn copies_and_repeats_have_other_bytes_only_when_asked_for() {
        let bodies = |faults, attempt| frames(faults, attempt).iter().map(|(_, _, m)| body(m)).collect::<Vec<_>>();
        assert_eq!(bodies(r#"{"redeliver":3}"#, 2), ["b", "b", "b"]);
        let others = r#"{"redeliver":2,"other_bytes":true}"#;
        assert_eq!(bodies(others, 1), ["b", "b [sending 1, copy 1]"]);
        assert_eq!(bodies(others, 2), ["b [sending 2, copy 0]", "b [sending 2, copy 1]"]);
        assert_eq!(bodies(r#"{"unknown_field":true}"#, 1), ["b"]);
    }

    #[test]
    fn frames_follow_the_pushes_that_their_number_divides() {
        let frames = frames(r#"{"intersperse":{"every":1,"frames":[{"frame":"text"}]}}"#, 1);
        let codes: Vec<_> = frames.iter().map(|(code, ..)| *code).collect();
        assert_eq!(codes, [OpCode::Binary, OpCode::Text]);
    }
}
