use proptest::prelude::*;
use pushgate_model::{Answer, Push, PushId};

use super::*;

mod fuzz;

/// The bytes below were written by protoc 3.21, not by prost:
/// `protoc -I proto --encode=pushgate.v1.ServerMessage push.proto < text | xxd -p`. Those named `NEWER` come from a
/// copy of the file with one more variant, one more status and more fields.
mod golden {
    pub(super) const PUSH: &str = "0a500a2436663165643030322d616235642d346238652d396438662d3161326233633464356536661214323032\
        362d30312d30325430333a30343a30355a1a074772c3bcc39f65220974776f0a6c696e6573";
    pub(super) const PUSH_WITH_ID_ALONE: &str = "0a030a0178";
    pub(super) const PUSH_WITHOUT_FIELDS: &str = "0a00";
    pub(super) const EMPTY: &str = "";
    pub(super) const ACK: &str = "0a260a2436663165643030322d616235642d346238652d396438662d316132623363346435653666";
    pub(super) const NACK: &str =
        "0a280a2436663165643030322d616235642d346238652d396438662d3161326233633464356536661001";
    pub(super) const ACK_WITHOUT_ID: &str = "0a00";
    pub(super) const NACK_WITHOUT_ID: &str = "0a021001";
    pub(super) const NEWER_FIELDS: &str = "0a100a01781a017428ac02827d046d6f72657a03616263";
    pub(super) const NEWER_VARIANT: &str = "4a040a026869";
    pub(super) const NEWER_STATUS: &str = "0a050a01781007";
}

const MAX: usize = 1 << 20;
const UUID: &str = "6f1ed002-ab5d-4b8e-9d8f-1a2b3c4d5e6f";

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

fn push(id: &str, created_at: &str, title: &str, body: &str) -> Push {
    Push { id: id.into(), created_at: created_at.into(), title: title.into(), body: body.into() }
}

#[test]
fn reads_and_writes_a_push_as_protoc_does() {
    let whole = push(UUID, "2026-01-02T03:04:05Z", "Grüße", "two\nlines");
    for (hex, push) in [(golden::PUSH, whole), (golden::PUSH_WITH_ID_ALONE, push("x", "", "", ""))] {
        assert_eq!(decode_server(&bytes(hex), MAX), Ok(ServerFrame::Push(push.clone())));
        assert_eq!(encode_push(&push), bytes(hex));
    }
}

#[test]
fn reads_and_writes_answers_as_protoc_does() {
    for (hex, answer) in [(golden::ACK, Answer::Ack), (golden::NACK, Answer::Nack)] {
        let push_id = PushId::from(UUID);
        assert_eq!(encode_answer(&push_id, answer), bytes(hex));
        assert_eq!(decode_client(&bytes(hex), MAX), Ok(ClientFrame::Answer { push_id, answer }));
    }
}

#[test]
fn what_a_newer_peer_says_is_unknown_and_never_an_error() {
    assert_eq!(decode_server(&bytes(golden::NEWER_VARIANT), MAX), Ok(ServerFrame::Unknown));
    assert_eq!(decode_server(&bytes(golden::EMPTY), MAX), Ok(ServerFrame::Unknown));
    assert_eq!(decode_client(&bytes(golden::NEWER_VARIANT), MAX), Ok(ClientFrame::Unknown));
    assert_eq!(decode_client(&bytes(golden::NEWER_STATUS), MAX), Ok(ClientFrame::Unknown));
    assert_eq!(decode_client(&bytes(golden::EMPTY), MAX), Ok(ClientFrame::Unknown));
    let known_part = ServerFrame::Push(push("x", "", "t", ""));
    assert_eq!(decode_server(&bytes(golden::NEWER_FIELDS), MAX), Ok(known_part));
}

#[test]
fn a_push_without_an_id_is_refused() {
    let error = DecodeError { kind: DecodeErrorKind::MissingId, push_id: None };
    assert_eq!(decode_server(&bytes(golden::PUSH_WITHOUT_FIELDS), MAX), Err(error));
}

#[test]
fn an_id_over_the_limit_is_refused_and_can_be_answered_up_to_a_length() {
    let longest = push(&"x".repeat(MAX_PUSH_ID), "", "", "");
    assert_eq!(decode_server(&encode_push(&longest), MAX), Ok(ServerFrame::Push(longest)));
    let too_long = "x".repeat(MAX_PUSH_ID + 1);
    let error = |push_id| DecodeError { kind: DecodeErrorKind::IdTooLong, push_id };
    let refused = decode_server(&encode_push(&push(&too_long, "", "", "")), MAX);
    assert_eq!(refused, Err(error(Some(too_long.as_str().into()))));
    let answer = ClientFrame::Answer { push_id: too_long.as_str().into(), answer: Answer::Nack };
    assert_eq!(decode_client(&encode_answer(&too_long.into(), Answer::Nack), MAX), Ok(answer));
    let unanswerable = "x".repeat(MAX_ANSWERED_ID + 1);
    assert_eq!(decode_server(&encode_push(&push(&unanswerable, "", "", "")), 10_000), Err(error(None)));
    assert_eq!(decode_client(&encode_answer(&unanswerable.into(), Answer::Ack), 10_000), Err(error(None)));
}

#[test]
fn an_answer_without_an_id_is_refused() {
    let error = DecodeError { kind: DecodeErrorKind::MissingId, push_id: None };
    for hex in [golden::ACK_WITHOUT_ID, golden::NACK_WITHOUT_ID] {
        assert_eq!(decode_client(&bytes(hex), MAX), Err(error.clone()));
    }
}

#[test]
fn size_is_checked_before_anything_is_decoded() {
    let bytes = bytes(golden::PUSH);
    assert!(decode_server(&bytes, bytes.len()).is_ok());
    let error = decode_server(&bytes, bytes.len() - 1).unwrap_err();
    assert_eq!(error, DecodeError { kind: DecodeErrorKind::TooLarge, push_id: Some(UUID.into()) });
    let error = decode_client(b"not protobuf", 1).unwrap_err();
    assert_eq!(error, DecodeError { kind: DecodeErrorKind::TooLarge, push_id: None });
}

#[test]
fn text_that_is_not_utf_8_keeps_its_id() {
    let error = decode_server(b"\x0a\x09\x0a\x02id\x1a\x03\xff\xff\xff", MAX).unwrap_err();
    assert_eq!(error, DecodeError { kind: DecodeErrorKind::Malformed, push_id: Some("id".into()) });
}

proptest! {
    #[test]
    fn any_bytes_are_decoded_without_panic(bytes in prop::collection::vec(0u8..=255, 0..300)) {
        let _ = decode_server(&bytes, MAX);
        let _ = decode_client(&bytes, MAX);
        let _ = scan_push_id(&bytes);
    }

    #[test]
    fn every_push_survives_the_wire(id in ".+", created_at in ".*", title in ".*", body in ".*") {
        let push = push(&id, &created_at, &title, &body);
        let bytes = encode_push(&push);
        prop_assert_eq!(scan_push_id(&bytes), Some(push.id.clone()));
        prop_assert_eq!(decode_server(&bytes, MAX), Ok(ServerFrame::Push(push)));
    }

    #[test]
    fn a_push_that_is_cut_off_has_its_own_id_or_none(id in ".+", body in ".*", keep in 0usize..400) {
        let bytes = encode_push(&push(&id, "", "", &body));
        let scanned = scan_push_id(&bytes[..keep.min(bytes.len())]);
        prop_assert!(scanned.is_none_or(|scanned| scanned.as_str() == id));
    }

    #[test]
    fn every_answer_survives_the_wire(id in ".+", nack: bool) {
        let (push_id, answer) = (PushId::from(id), if nack { Answer::Nack } else { Answer::Ack });
        let bytes = encode_answer(&push_id, answer);
        prop_assert_eq!(decode_client(&bytes, MAX), Ok(ClientFrame::Answer { push_id, answer }));
    }

    #[test]
    fn a_push_with_spoilt_text_keeps_its_id(id in "[a-z]{1,40}", spoilt in prop::collection::vec(0u8..=255, 1..60)) {
        let mut bytes = encode_push(&push(&id, "", "", &"b".repeat(spoilt.len()))).to_vec();
        let body = bytes.len() - spoilt.len();
        bytes[body..].copy_from_slice(&spoilt);
        let found = match decode_server(&bytes, MAX) {
            Ok(ServerFrame::Push(push)) => Some(push.id),
            Ok(ServerFrame::Unknown) => None,
            Err(error) => error.push_id,
        };
        prop_assert_eq!(found, Some(PushId::from(id)));
    }

    /// A spoilt tag can turn a title into an id for every reader; then the scan must see it as the decoder does.
    #[test]
    fn the_scan_agrees_with_the_decoder(
        push in ("[a-c]{1,3}", "[a-c]{0,3}", "[a-c]{0,3}", "[a-c]{0,3}"),
        spoilt in prop::collection::vec((any::<prop::sample::Index>(), 0u8..=255), 0..4),
    ) {
        let mut bytes = encode_push(&self::push(&push.0, &push.1, &push.2, &push.3)).to_vec();
        for (at, byte) in spoilt {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Ok(ServerFrame::Push(push)) = decode_server(&bytes, MAX) {
            prop_assert_eq!(scan_push_id(&bytes), Some(push.id));
        }
    }
}
