/// What an event's `data` says of its push, as far as it is judged by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PushLine {
    /// The push id, a uuid.
    pub(crate) id: PushKey,
    /// When the simulator first sent it, in nanoseconds of `CLOCK_MONOTONIC`; nothing for a push without a stamp.
    pub(crate) sent_at: Option<u64>,
}

/// A push id in 16 bytes: there are millions of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct PushKey([u8; 16]);

impl PushLine {
    /// Reads a push's JSON without parsing all of it: its keys come in a fixed order, and nothing behind the stamp counts.
    pub(crate) fn read(json: &[u8]) -> Option<Self> {
        let mut strings = Strings(json);
        let mut id = None;
        loop {
            let key = strings.next()?;
            let value = strings.next()?;
            match key {
                b"id" => id = Some(PushKey::read(value)?),
                b"body" => return Some(Self { id: id?, sent_at: stamp(value) }),
                _ => {}
            }
        }
    }
}

impl PushKey {
    /// Reads a hyphenated uuid.
    pub(crate) fn read(text: &[u8]) -> Option<Self> {
        let mut bytes = [0; 16];
        let mut digits = text.iter().filter(|byte| **byte != b'-').map(|byte| (*byte as char).to_digit(16));
        for byte in &mut bytes {
            *byte = ((digits.next()?? << 4) | digits.next()??) as u8;
        }
        (text.len() == 36 && digits.next().is_none()).then_some(Self(bytes))
    }
}

/// The strings of a JSON text, one after the other, with their escapes as they are.
struct Strings<'a>(&'a [u8]);

impl<'a> Iterator for Strings<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let begin = self.0.iter().position(|byte| *byte == b'"')? + 1;
        let rest = &self.0[begin..];
        let mut end = 0;
        while *rest.get(end)? != b'"' {
            end += if rest[end] == b'\\' { 2 } else { 1 };
        }
        self.0 = rest.get(end + 1..)?;
        Some(&rest[..end])
    }
}

/// The time in `t=<nanos>;`.
fn stamp(body: &[u8]) -> Option<u64> {
    let digits = body.strip_prefix(b"t=")?;
    let mut nanos = 0_u64;
    for byte in digits {
        match byte {
            b'0'..=b'9' => nanos = nanos.checked_mul(10)?.checked_add(u64::from(byte - b'0'))?,
            b';' => return Some(nanos),
            _ => return None,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0b46a13c-1111-4222-8333-444455556666";

    fn line(title: &str, body: &str) -> Option<PushLine> {
        let json = format!(
            r#"{{"tenant":"a","id":"{ID}","created_at":"now","title":"{title}","body":"{body}","received_at":"x","seq":7}}"#
        );
        PushLine::read(json.as_bytes())
    }

    #[test]
    fn a_push_is_known_by_its_id_and_stamp() {
        let id = PushKey::read(ID.as_bytes()).unwrap();
        assert_eq!(line("Load", "t=17;n=3; x"), Some(PushLine { id, sent_at: Some(17) }));
        assert_eq!(line(r#"\"id\":\""#, "t=17;n=3;"), Some(PushLine { id, sent_at: Some(17) }));
        for unstamped in ["", "t=;x", "t=17", "t=99999999999999999999999;"] {
            let sent_at = line("t", unstamped).unwrap().sent_at;
            assert!(sent_at.is_none_or(|nanos| nanos == 0), "{unstamped}");
        }
    }

    #[test]
    fn what_is_no_push_is_none() {
        for json in ["", "{}", r#"{"tenant":"a"}"#, r#"{"id":"x","body":"y"}"#, r#"{"body":"y\"#] {
            assert_eq!(PushLine::read(json.as_bytes()), None, "{json}");
        }
        assert_eq!(PushKey::read(b"0b46a13c11114222833344445555666"), None);
    }
}
