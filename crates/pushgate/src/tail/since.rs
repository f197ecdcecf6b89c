use std::{fmt, time::Duration};

use pushgate_model::{Cursor, Timestamp};

const ALLOWED: &str = "must be a cursor such as 5f3a9c01-1042, a time such as 2026-11-24T06:00:00Z, or earliest";

/// Where a stream begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Since {
    /// With the oldest push that is kept.
    Earliest,
    /// After this one.
    Cursor(Cursor),
    /// With the first push that was received at this time or later.
    Time(Timestamp),
}

impl Since {
    /// Reads what a person wrote.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if text == "earliest" {
            return Ok(Self::Earliest);
        }
        let cursor = text.parse().map(Self::Cursor).ok();
        cursor.or_else(|| time(text).map(Self::Time)).ok_or_else(|| ALLOWED.to_owned())
    }
}

impl fmt::Display for Since {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Earliest => f.write_str("earliest"),
            Self::Cursor(cursor) => cursor.fmt(f),
            Self::Time(time) => time.fmt(f),
        }
    }
}

/// A time in RFC 3339, with any offset, in UTC.
fn time(text: &str) -> Option<Timestamp> {
    let text = text.to_ascii_uppercase();
    let (local, offset) = match text.strip_suffix('Z') {
        Some(local) => (local, None),
        None => text.split_at_checked(text.len().checked_sub("+00:00".len())?).map(|(a, b)| (a, Some(b)))?,
    };
    let time = Timestamp::from(humantime::parse_rfc3339(&format!("{local}Z")).ok()?);
    let Some(offset) = offset else { return Some(time) };
    let (sign, offset) = offset.split_at_checked(1)?;
    let (hours, minutes) = offset.split_once(':')?;
    let two_digits = |text: &str, below| {
        let digits = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse().ok().filter(|value: &u64| digits && *value < below)
    };
    let offset = Duration::from_secs(two_digits(hours, 24)? * 3600 + two_digits(minutes, 60)? * 60);
    match sign {
        "+" => Some(time.minus(offset)),
        "-" => Some(time.plus(offset)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_beginning_is_a_cursor_a_time_or_earliest() {
        for (text, sent) in [
            ("earliest", "earliest"),
            ("5f3a9c01-1042", "5f3a9c01-1042"),
            ("2026-11-24T06:00:00Z", "2026-11-24T06:00:00.000Z"),
            ("2026-11-24t06:00:00.25z", "2026-11-24T06:00:00.250Z"),
            ("2026-11-24T06:00:00+01:30", "2026-11-24T04:30:00.000Z"),
            ("2026-11-24T22:00:00-08:00", "2026-11-25T06:00:00.000Z"),
        ] {
            assert_eq!(Since::parse(text).map(|since| since.to_string()), Ok(sent.to_owned()), "{text}");
        }
    }

    #[test]
    fn all_else_is_told_what_is_allowed() {
        for bad in [
            "",
            "latest",
            "10m",
            "2026-11-24",
            "2026-11-24T06:00:00",
            "2026-11-24 06:00:00Z",
            "2026-13-24T06:00:00Z",
            "2026-11-24T06:00:00+1:30",
            "2026-11-24T06:00:00+24:00",
            "2026-11-24T06:00:00+01:60",
            "2026-11-24T06:00:00ä01:30",
            "ä01:30",
            "Z",
            "A-1",
            "a-01",
        ] {
            assert_eq!(Since::parse(bad), Err(ALLOWED.to_owned()), "{bad}");
        }
    }
}
