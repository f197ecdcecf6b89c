use pushgate_model::PushId;

/// Field 1 in both messages: the push in `ServerMessage`, the id in `PushNotification`.
const FIELD: u64 = 1;

/// The id of a push whose message is broken or cut off: field 1 of field 1, as far as the bytes can be read.
///
/// Follows protobuf's rule that the last of several values counts. Total: stops at the first thing it can't read, and
/// never looks beyond the bytes that are there.
pub fn scan_push_id(bytes: &[u8]) -> Option<PushId> {
    let mut found = None;
    for push in Fields(bytes) {
        for id in Fields(push.bytes) {
            // An id of which a part is missing is another id.
            if id.whole {
                found = std::str::from_utf8(id.bytes).ok().filter(|text| !text.is_empty());
            }
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
        loop {
            let tag = self.varint()?;
            match tag & 7 {
                0 => {
                    self.varint()?;
                }
                1 => {
                    self.take(8)?;
                }
                5 => {
                    self.take(4)?;
                }
                2 => {
                    let declared = self.varint()?;
                    let len = usize::try_from(declared).unwrap_or(usize::MAX).min(self.0.len());
                    let whole = len as u64 == declared;
                    let bytes = self.take(len)?;
                    if tag >> 3 == FIELD {
                        return Some(Field { bytes, whole });
                    }
                }
                // Groups are no part of proto3.
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
        for shift in (0..70).step_by(7) {
            let byte = *self.take(1)?.first()?;
            value |= u64::from(byte & 0x7f).checked_shl(shift)?;
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
}
