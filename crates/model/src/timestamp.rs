use std::{
    fmt,
    str::FromStr,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde::{Serialize, Serializer};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// The last millisecond that RFC 3339 can write: 9999-12-31T23:59:59.999Z.
const LAST_MILLIS: u64 = 253_402_300_799_999;

/// A moment of the wall clock, in milliseconds since 1970 in UTC. Written as RFC 3339 with `Z`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(u64);

impl Timestamp {
    /// The moment `millis` milliseconds after 1970, clamped to the year 9999.
    pub fn from_millis(millis: u64) -> Self {
        Self(millis.min(LAST_MILLIS))
    }

    /// Milliseconds since 1970.
    pub fn as_millis(self) -> u64 {
        self.0
    }

    /// The moment `duration` earlier, at least 1970.
    #[must_use]
    pub fn minus(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(duration.as_millis() as u64))
    }

    /// The moment `duration` later, at most the year 9999.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        Self::from_millis(self.0.saturating_add(duration.as_millis() as u64))
    }
}

/// A text that is not a time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a time is written as in RFC 3339, such as 2026-11-24T13:42:07Z or 2026-11-24T15:42:07.533+02:00")]
pub struct TimestampError;

/// RFC 3339 with any offset, in capitals or small letters; a space may stand for the `T`. Cut to milliseconds. What lies
/// before 1970 counts as 1970.
impl FromStr for Timestamp {
    type Err = TimestampError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // The parser takes any byte between date and time.
        if !matches!(text.as_bytes().get(10), Some(b'T' | b't' | b' ')) {
            return Err(TimestampError);
        }
        let time = OffsetDateTime::parse(text, &Rfc3339).map_err(|_| TimestampError)?;
        let millis = time.unix_timestamp_nanos().div_euclid(1_000_000);
        Ok(Self::from_millis(u64::try_from(millis).unwrap_or(0)))
    }
}

impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        Self::from_millis(since.as_millis() as u64)
    }
}

impl From<Timestamp> for SystemTime {
    fn from(timestamp: Timestamp) -> Self {
        UNIX_EPOCH + Duration::from_millis(timestamp.0)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        humantime::format_rfc3339_millis((*self).into()).fmt(f)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_rfc_3339_with_any_offset() {
        let table = [
            ("1970-01-01T00:00:01.042Z", 1_042),
            ("1970-01-01t00:00:01.0429999z", 1_042),
            ("1970-01-01 02:00:01+02:00", 1_000),
            ("1969-12-31T22:30:00-01:30", 0),
            ("1970-01-01T00:00:00.5-00:00", 500),
            ("1969-12-31T23:59:59.9Z", 0),
            ("0000-01-01T00:00:00Z", 0),
            ("2016-12-31T23:59:60Z", 1_483_228_799_999),
            ("9999-12-31T23:59:59.999Z", LAST_MILLIS),
            ("9999-12-31T23:59:59.999-23:59", LAST_MILLIS),
        ];
        for (text, millis) in table {
            assert_eq!(text.parse(), Ok(Timestamp::from_millis(millis)), "{text}");
        }
        for bad in [
            "",
            "2026-11-24",
            "2026-11-24T13:00:00",
            "2026-11-24T13:00Z",
            "2026-11-24T24:00:00Z",
            "2026-02-29T00:00:00Z",
            "2026-11-24T13:00:00.Z",
            "2026-11-24T13:00:00+0200",
            "2026-11-24T13:00:00+24:00",
            "2026-11-24T13:00:00Z ",
            "2026-11-24x13:00:00Z",
            "2026-11-24\u{e9}13:00:00Z",
            "1764000000",
            "12026-11-24T13:00:00Z",
        ] {
            assert_eq!(bad.parse::<Timestamp>(), Err(TimestampError), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn parse_never_panics(text in "[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt .][0-9:.]{0,20}[Zz+-]?[0-9:]{0,6}|.*") {
            let _ = text.parse::<Timestamp>();
        }

        #[test]
        fn what_is_written_is_read(millis in 0..=LAST_MILLIS) {
            let time = Timestamp::from_millis(millis);
            prop_assert_eq!(time.to_string().parse(), Ok(time));
        }
    }

    #[test]
    fn writes_utc_with_z_and_never_fails() {
        assert_eq!(Timestamp::from_millis(1_042).to_string(), "1970-01-01T00:00:01.042Z");
        assert_eq!(Timestamp::from_millis(u64::MAX).to_string(), "9999-12-31T23:59:59.999Z");
        assert_eq!(Timestamp::from_millis(5).minus(Duration::from_secs(1)), Timestamp::from_millis(0));
    }
}
