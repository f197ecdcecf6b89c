use std::{fmt, str::FromStr, sync::Arc};

use serde::{Serialize, Serializer};

/// A position in the log of the whole gateway: grows by order of commit, never used twice, holes are allowed.
///
/// Below 2^53, so that a JavaScript number holds it. [`Seq::ZERO`] is the position before every push.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Seq(u64);

impl Seq {
    /// The position before every push.
    pub const ZERO: Self = Self(0);
    /// The last position: 2^53 - 1.
    pub const MAX: Self = Self((1 << 53) - 1);

    /// The position `value`, or nothing from 2^53 on.
    pub fn new(value: u64) -> Option<Self> {
        (value <= Self::MAX.0).then_some(Self(value))
    }

    /// The position as a number.
    pub fn get(self) -> u64 {
        self.0
    }

    /// The next position, or nothing after [`Seq::MAX`].
    pub fn next(self) -> Option<Self> {
        Self::new(self.0 + 1)
    }
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One life of the log, `[0-9a-z]{1,32}`: a restored backup gets another one, so that old cursors are recognised.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Epoch(Arc<str>);

/// A text that is not an epoch.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an epoch is 1 to 32 of 0-9 and a-z")]
pub struct EpochError;

impl Epoch {
    /// The epoch as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Epoch {
    type Err = EpochError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let valid =
            (1..=32).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_lowercase());
        if valid { Ok(Self(text.into())) } else { Err(EpochError) }
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where a subscriber is: `<epoch>-<seq>`, the `id:` of a Server-Sent Event.
///
/// Its text has only `[0-9a-z-]`, which a browser sends back in `Last-Event-ID` without a CORS preflight.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Cursor {
    /// The life of the log that `seq` belongs to.
    pub epoch: Epoch,
    /// The last position that was seen.
    pub seq: Seq,
}

/// A text that is not a cursor.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a cursor is <epoch>-<seq>: 1 to 32 of 0-9 and a-z, a hyphen, a decimal number below 2^53")]
pub struct CursorError;

impl FromStr for Cursor {
    type Err = CursorError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (epoch, seq) = text.split_once('-').ok_or(CursorError)?;
        let epoch = epoch.parse().map_err(|_| CursorError)?;
        let canonical = seq == "0" || !seq.starts_with('0');
        if !canonical || !seq.bytes().all(|b| b.is_ascii_digit()) {
            return Err(CursorError);
        }
        let seq = seq.parse().ok().and_then(Seq::new).ok_or(CursorError)?;
        Ok(Self { epoch, seq })
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.epoch, self.seq)
    }
}

impl Serialize for Cursor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn parses_only_its_own_spelling() {
        for good in ["5f3a9c01-1042", "a-0", "0-9007199254740991"] {
            assert_eq!(good.parse::<Cursor>().map(|c| c.to_string()), Ok(good.to_owned()));
        }
        let long = format!("{}-1", "a".repeat(33));
        for bad in
            ["", "-", "a", "a-", "-1", "A-1", "a-01", "a-+1", "a--1", "a-1 ", "a-9007199254740992", "a-1\0", &long]
        {
            assert_eq!(bad.parse::<Cursor>(), Err(CursorError), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn parse_never_panics_and_round_trips(text in ".*") {
            if let Ok(cursor) = text.parse::<Cursor>() {
                prop_assert_eq!(cursor.to_string(), text);
            }
        }

        #[test]
        fn every_cursor_has_only_safe_characters(epoch in "[0-9a-z]{1,32}", seq in 0..=Seq::MAX.get()) {
            let cursor = Cursor { epoch: epoch.parse().unwrap(), seq: Seq::new(seq).unwrap() };
            let text = cursor.to_string();
            prop_assert!(text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b)));
            prop_assert_eq!(text.parse::<Cursor>(), Ok(cursor));
        }
    }
}
