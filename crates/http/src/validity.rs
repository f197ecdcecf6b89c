//! Reads from a certificate until when it is valid. The TLS library does not tell it of its own certificates, and this is
//! all that is needed of them.

/// Structures of DER (ITU-T X.690).
const SEQUENCE: u8 = 0x30;
/// The explicit tag of a certificate's version.
const VERSION: u8 = 0xa0;
/// `YYMMDDHHMMSSZ`, of the years 1950 to 2049.
const UTC_TIME: u8 = 0x17;
/// `YYYYMMDDHHMMSSZ`.
const GENERALIZED_TIME: u8 = 0x18;

/// `notAfter` of a certificate (RFC 5280, section 4.1), in seconds since 1970; nothing when it can't be read.
pub(crate) fn not_after(certificate: &[u8]) -> Option<u64> {
    let (certificate, _) = inside(certificate, SEQUENCE)?;
    let (mut rest, _) = inside(certificate, SEQUENCE)?;
    if rest.first() == Some(&VERSION) {
        rest = skip(rest)?;
    }
    for _serial_number_then_signature_then_issuer in 0..3 {
        rest = skip(rest)?;
    }
    let (validity, _) = inside(rest, SEQUENCE)?;
    let (tag, text, _) = element(skip(validity)?)?;
    time(tag, text)
}

/// The first element: its tag, what is in it, and what follows it.
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&[tag, first], rest) = bytes.split_first_chunk::<2>()?;
    let (length, rest) = if first < 0x80 {
        (usize::from(first), rest)
    } else {
        // As many bytes of a length as certificates ever need.
        let (digits, rest) =
            rest.split_at_checked(usize::from(first & 0x7f)).filter(|(digits, _)| digits.len() <= 4)?;
        (digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit)), rest)
    };
    let (inside, rest) = rest.split_at_checked(length)?;
    Some((tag, inside, rest))
}

fn inside(bytes: &[u8], wanted: u8) -> Option<(&[u8], &[u8])> {
    element(bytes).filter(|(tag, ..)| *tag == wanted).map(|(_, inside, rest)| (inside, rest))
}

fn skip(bytes: &[u8]) -> Option<&[u8]> {
    element(bytes).map(|(.., rest)| rest)
}

fn time(tag: u8, text: &[u8]) -> Option<u64> {
    let text =
        std::str::from_utf8(text).ok()?.strip_suffix('Z').filter(|text| text.bytes().all(|b| b.is_ascii_digit()))?;
    let (year, rest) = match (tag, text.len()) {
        (UTC_TIME, 12) => {
            let year: u64 = text[..2].parse().ok()?;
            (if year < 50 { 2000 + year } else { 1900 + year }, &text[2..])
        }
        (GENERALIZED_TIME, 14) => (text[..4].parse().ok()?, &text[4..]),
        _ => return None,
    };
    let part = |at: usize| rest[at..at + 2].parse::<u64>().ok();
    let (month, day, hour, minute, second) = (part(0)?, part(2)?, part(4)?, part(6)?, part(8)?);
    ((1..=12).contains(&month) && (1..=31).contains(&day)).then_some(())?;
    let days = days_before(year, month).checked_add(day - 1)?.checked_sub(days_before(1970, 1))?;
    Some(days * 86_400 + hour * 3600 + minute * 60 + second)
}

/// Days from the year 0 to the first of a month, in the Gregorian calendar. Years begin in March here, so that a leap day is
/// the last one.
fn days_before(year: u64, month: u64) -> u64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year.saturating_sub(1), month + 9) };
    year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_both_forms_are_read() {
        assert_eq!(time(UTC_TIME, b"700101000000Z"), Some(0));
        assert_eq!(time(UTC_TIME, b"491231235959Z"), Some(2_524_607_999));
        assert_eq!(time(GENERALIZED_TIME, b"20240229120000Z"), Some(1_709_208_000));
        assert_eq!(time(GENERALIZED_TIME, b"99991231235959Z"), Some(253_402_300_799));
        for bad in ["", "Z", "20240229120000", "20241329120000Z", "2024022912000\u{e9}Z", "20240200120000Z"] {
            assert_eq!(time(GENERALIZED_TIME, bad.as_bytes()), None, "{bad}");
        }
        assert_eq!(time(GENERALIZED_TIME, b"700101000000Z"), None);
        assert_eq!(time(UTC_TIME, b"500101000000Z"), None, "before 1970");
    }

    #[test]
    fn rubbish_is_never_a_certificate() {
        for bytes in [
            &b""[..],
            &[0x30],
            &[0x30, 0x80],
            &[0x30, 0xff, 1, 2],
            &[0x30, 0x84, 0xff, 0xff, 0xff, 0xff, 0],
            &[0x30; 64],
        ] {
            assert_eq!(not_after(bytes), None, "{bytes:?}");
        }
    }
}
