use pushgate_model::PushId;

use crate::MAX_ANSWERED_ID;

/// Field 1 in both messages: the push in `ServerMessage`, the id in `PushNotification`.
const FIELD: u32 = 1;

/// The id of a push whose message is broken or cut off: field 1 of field 1, as far as the bytes can be read.
///
/// Follows protobuf's rule that the last of several values counts, and finds the id that decoding finds wherever
/// decoding succeeds. Total: stops at the first thing it can't read, and never looks beyond the bytes that are there. An
/// id that is longer than [`MAX_ANSWERED_ID`] counts as none.
pub fn scan_push_id(bytes: &[u8]) -> Option<PushId> {
    let mut found = None;
    for push in Fields(bytes) {
        for id in Fields(push.bytes) {
            // An id of which a part is missing is another id, and the one before it is not this push's any more.
            found = if id.whole && (1..=MAX_ANSWERED_ID).contains(&id.bytes.len()) {
                std::str::from_utf8(id.bytes).ok()
            } else {
                None
            };
        }
    }
    found.map(PushId::from)
}

/// One length-delimited field 1.
struct Field<'a> {
    bytes: &'a [u8],
    /// All of its declared length is there.
    whole: bool,
}

/// The length-delimited fields 1 of a message, over whatever is between them.
struct Fields<'a>(&'a [u8]);

impl<'a> Iterator for Fields<'a> {
    type Item = Field<'a>;

    fn next(&mut self) -> Option<Field<'a>> {
        // Groups are no part of proto3, but a field that this version does not know may be one.
        let mut depth = 0usize;
        loop {
            let tag = self.varint()?;
            let number = u32::try_from(tag).ok()? >> 3;
            if number == 0 {
                return None;
            }
            match tag & 7 {
                0 => {
                    self.varint()?;
                }
                1 => {
                    self.take(8)?;
                }
                2 => {
                    let declared = self.varint()?;
                    let len = usize::try_from(declared).unwrap_or(usize::MAX).min(self.0.len());
                    let whole = len as u64 == declared;
                    let bytes = self.take(len)?;
                    if number == FIELD && depth == 0 {
                        return Some(Field { bytes, whole });
                    }
                }
                3 => depth += 1,
                4 => depth = depth.checked_sub(1)?,
                5 => {
                    self.take(4)?;
                }
                _ => return None,
            }
        }
    }
}

impl<'a> Fields<'a> {
    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = *self.take(1)?.first()?;
            let bits = u64::from(byte & 0x7f);
            // The tenth byte has room for one bit.
            if shift == 63 && bits > 1 {
                return None;
            }
            value |= bits << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_id_before_whatever_is_broken() {
        let broken_title = b"\x0a\x09\x0a\x02id\x1a\x03\xff\xff\xff";
        let cut_off = b"\x0a\xff\x01\x0a\x02id\x22\xff\x7fbody";
        let other_fields_first = b"\x10\x05\x0a\x0c\x22\x01b\x0a\x02id\x29\x01\x02";
        for bytes in [&broken_title[..], cut_off, other_fields_first] {
            assert_eq!(scan_push_id(bytes), Some("id".into()), "{bytes:?}");
        }
    }

    #[test]
    fn the_last_id_counts() {
        assert_eq!(scan_push_id(b"\x0a\x06\x0a\x01a\x0a\x01b"), Some("b".into()));
        assert_eq!(scan_push_id(b"\x0a\x03\x0a\x01a\x0a\x03\x0a\x01b"), Some("b".into()));
    }

    #[test]
    fn half_an_id_is_none() {
        for bytes in
            [&b""[..], b"\x0a", b"\x0a\x04\x0a\x05id", b"\x0a\x02\x0a\x00", b"\x0a\x04\x0a\x02\xff\xff", b"\x0b\x0a"]
        {
            assert_eq!(scan_push_id(bytes), None, "{bytes:?}");
        }
    }

    #[test]
    fn half_an_id_takes_the_place_of_the_one_before() {
        assert_eq!(scan_push_id(b"\x0a\x07\x0a\x01a\x0a\x05id"), None);
    }

    #[test]
    fn an_id_over_the_limit_is_none() {
        let of = |len: usize| {
            let mut bytes = vec![0x0a, 0xff, 0x7f, 0x0a, len as u8 | 0x80, (len >> 7) as u8];
            bytes.resize(bytes.len() + len, b'x');
            scan_push_id(&bytes).map(|id| id.as_str().len())
        };
        assert_eq!(of(MAX_ANSWERED_ID), Some(MAX_ANSWERED_ID));
        assert_eq!(of(MAX_ANSWERED_ID + 1), None);
    }

    #[test]
    fn groups_of_a_newer_peer_are_stepped_over() {
        let holds_another_id = b"\x0a\x0b\x2b\x33\x0a\x01a\x34\x2c\x0a\x02id";
        assert_eq!(scan_push_id(holds_another_id), Some("id".into()));
        assert_eq!(scan_push_id(b"\x0a\x05\x2c\x0a\x02id"), None, "an end without a start");
    }

    #[test]
    fn nothing_counts_after_what_no_message_can_hold() {
        let field_zero = b"\x0a\x06\x02\x00\x0a\x02id";
        let field_beyond_32_bits = b"\x0a\x0a\x80\x80\x80\x80\x10\x00\x0a\x02id";
        let length_beyond_64_bits = b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02\x0a\x02id";
        let reserved_wire_type = b"\x0a\x05\x16\x0a\x02id";
        for bytes in [&field_zero[..], field_beyond_32_bits, length_beyond_64_bits, reserved_wire_type] {
            assert_eq!(scan_push_id(bytes), None, "{bytes:?}");
        }
    }

    #[test]
    fn a_length_that_goes_far_beyond_the_bytes_is_no_obstacle() {
        let longest = b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x0a\x02id\x22\xff\xff\xff\xff\x0fbody";
        assert_eq!(scan_push_id(longest), Some("id".into()));
    }
}
