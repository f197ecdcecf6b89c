use std::time::{Duration, SystemTime};

/// `Retry-After` in seconds or as a date (RFC 9110, section 10.2.3), counted from `now`. What lies in the past means now,
/// also a negative number, which the grammar does not know but services send. Nothing for what is neither.
pub(crate) fn retry_after(text: &str, now: SystemTime) -> Option<Duration> {
    let text = text.trim();
    let digits = text.strip_prefix('-').unwrap_or(text);
    if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) {
        let seconds = if digits.len() == text.len() { digits.parse().unwrap_or(u64::MAX) } else { 0 };
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = httpdate::parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT").unwrap();
        for (text, expected) in [
            ("120", Some(120)),
            (" 120 ", Some(120)),
            ("0", Some(0)),
            ("-1", Some(0)),
            ("99999999999999999999", Some(u64::MAX)),
            ("Sun, 06 Nov 1994 08:51:37 GMT", Some(120)),
            ("Sunday, 06-Nov-94 08:51:37 GMT", Some(120)),
            ("Sun Nov  6 08:51:37 1994", Some(120)),
            ("Fri, 31 Dec 1993 23:59:59 GMT", Some(0)),
            ("", None),
            ("-", None),
            ("+5", None),
            ("1.5", None),
            ("soon", None),
            ("Sun, 99 Nov 1994 08:51:37 GMT", None),
        ] {
            assert_eq!(retry_after(text, now), expected.map(Duration::from_secs), "{text:?}");
        }
    }
}
