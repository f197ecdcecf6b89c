use std::{borrow::Borrow, fmt, str::FromStr, sync::Arc};

use serde::{Serialize, Serializer};

/// The longest tenant id, in bytes: it must fit a path segment, a file name and a metric label.
const MAX_LEN: usize = 64;

/// One account at the upstream service, and the name under which subscribers reach its pushes.
///
/// Always `[a-z0-9][a-z0-9_-]{0,63}`; cloning shares the text.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TenantId(Arc<str>);

/// A text that is not a tenant id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a tenant id is 1 to 64 of a-z, 0-9, _ and -, beginning with a letter or digit")]
pub struct TenantIdError;

impl TenantId {
    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for TenantId {
    type Err = TenantIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bytes = text.as_bytes();
        let alphanumeric = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        let first = bytes.first().is_some_and(alphanumeric);
        let rest = bytes.iter().all(|b| alphanumeric(b) || matches!(b, b'_' | b'-'));
        if first && rest && bytes.len() <= MAX_LEN { Ok(Self(text.into())) } else { Err(TenantIdError) }
    }
}

impl Borrow<str> for TenantId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TenantId({})", self.0)
    }
}

impl Serialize for TenantId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_only_the_documented_alphabet() {
        let longest = "a".repeat(MAX_LEN);
        for good in ["a", "0", "acme", "acme-eu_1", &longest] {
            assert_eq!(good.parse::<TenantId>().map(|t| t.to_string()), Ok(good.to_owned()));
        }
        let too_long = "a".repeat(MAX_LEN + 1);
        for bad in ["", "-a", "_a", "Acme", "a.b", "a/b", "ä", "a b", "a\n", &too_long] {
            assert_eq!(bad.parse::<TenantId>(), Err(TenantIdError), "{bad:?}");
        }
    }
}
