//! Messages that no encoder of the protocol would write, put together by hand (protobuf wire format).

use pushgate_model::Push;

/// Field 15 of `ServerMessage`, a message with a short text: a variant of a later version.
pub(crate) const UNKNOWN_VARIANT: &[u8] = b"\x7a\x05\x0a\x03new";
/// A push whose title announces more bytes than there are: its id (field 1) can be scanned all the same.
pub(crate) const BROKEN_PUSH: &[u8] = b"\x0a\x0d\x0a\x06broken\x1a\x7fcut";
/// A push that has a title and nothing else.
pub(crate) const MISSING_ID: &[u8] = b"\x0a\x07\x1a\x05title";
/// The field of a push that a later version may have.
const UNKNOWN_FIELD: u8 = 9;

/// The push with one field more than its message has.
pub(crate) fn push_with_unknown_field(push: &Push) -> Vec<u8> {
    let mut inner = Vec::with_capacity(push.title.len() + push.body.len() + 96);
    for (number, text) in [(1, push.id.as_str()), (2, &push.created_at), (3, &push.title), (4, &push.body)] {
        field(number, text.as_bytes(), &mut inner);
    }
    field(UNKNOWN_FIELD, b"of a later version", &mut inner);
    wrapped(&inner)
}

/// A push with an id, whose title is no UTF-8.
pub(crate) fn push_of_invalid_utf8() -> Vec<u8> {
    let mut inner = Vec::new();
    field(1, b"invalid-utf8", &mut inner);
    field(3, b"\xff\xfe", &mut inner);
    wrapped(&inner)
}

fn wrapped(push: &[u8]) -> Vec<u8> {
    let mut message = Vec::with_capacity(push.len() + 8);
    field(1, push, &mut message);
    message
}

/// Writes a length-delimited field; `number` is below 16.
fn field(number: u8, value: &[u8], out: &mut Vec<u8>) {
    out.push(number << 3 | 2);
    let mut length = value.len();
    while length >= 0x80 {
        out.push(length as u8 | 0x80);
        length >>= 7;
    }
    out.push(length as u8);
    out.extend_from_slice(value);
}

#[cfg(test)]
mod tests {
    use pushgate_protocol::{ServerFrame, decode_server, encode_push};

    use super::*;

    #[test]
    fn an_unknown_field_leaves_the_push_as_it_is() {
        for length in [0, 127, 128, 70_000] {
            let push =
                Push { id: "id".into(), created_at: "now".to_owned(), title: "t".to_owned(), body: "x".repeat(length) };
            let message = push_with_unknown_field(&push);
            assert!(message.len() > encode_push(&push).len());
            assert_eq!(decode_server(&message, usize::MAX).unwrap(), ServerFrame::Push(push));
        }
    }

    #[test]
    fn the_others_are_what_they_are_called() {
        assert_eq!(decode_server(UNKNOWN_VARIANT, usize::MAX).unwrap(), ServerFrame::Unknown);
        for broken in [BROKEN_PUSH, MISSING_ID, &push_of_invalid_utf8()] {
            assert!(decode_server(broken, usize::MAX).is_err());
        }
    }
}
