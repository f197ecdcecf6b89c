use std::{fmt, sync::Arc};

use serde::Serialize;

use crate::{Seq, TenantId, Timestamp};

/// The service's name for one push: its text as given, never normalised, compared byte by byte.
///
/// Cloning shares the text. It may be empty on the wire; whoever accepts pushes refuses an empty one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct PushId(#[serde(serialize_with = "as_str")] Arc<str>);

fn as_str<S: serde::Serializer>(text: &Arc<str>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(text)
}

impl PushId {
    /// The id as given.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for PushId {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl From<String> for PushId {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for PushId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The domain event, as the upstream service sent it: all four texts unchanged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Push {
    /// Names the push, also when the service sends it again.
    pub id: PushId,
    /// When the service made it; RFC 3339 by convention, not checked.
    pub created_at: String,
    /// What a person reads first.
    pub title: String,
    /// What a person reads then.
    pub body: String,
}

impl Push {
    /// Bytes of text that this push holds: what limits on memory count.
    pub fn size(&self) -> usize {
        self.id.as_str().len() + self.created_at.len() + self.title.len() + self.body.len()
    }
}

/// A push that was committed: it has its place in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredPush {
    /// Its position in the log of the whole gateway.
    pub seq: Seq,
    /// Whose push it is.
    pub tenant: TenantId,
    /// What the service sent.
    pub push: Push,
    /// When it reached the gateway.
    pub received_at: Timestamp,
}

impl StoredPush {
    /// What subscribers read in an event's `data`.
    pub fn data(&self) -> PushData<'_> {
        PushData {
            tenant: &self.tenant,
            id: &self.push.id,
            created_at: &self.push.created_at,
            title: &self.push.title,
            body: &self.push.body,
            received_at: self.received_at,
            seq: self.seq,
        }
    }
}

/// The JSON object of a push: exactly these seven keys, in this order.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct PushData<'a> {
    /// Whose push it is.
    pub tenant: &'a TenantId,
    /// The service's id of it.
    pub id: &'a PushId,
    /// The service's time, unchanged.
    pub created_at: &'a str,
    /// The service's title, unchanged.
    pub title: &'a str,
    /// The service's body, unchanged.
    pub body: &'a str,
    /// When it reached the gateway.
    pub received_at: Timestamp,
    /// Its position in the log.
    pub seq: Seq,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_has_the_seven_keys_and_the_text_unchanged() {
        let stored = StoredPush {
            seq: Seq::new(1042).expect("below the limit"),
            tenant: "acme".parse().expect("valid"),
            push: Push {
                id: "ABC-é".into(),
                created_at: "yesterday".into(),
                title: "a\r\nb".into(),
                body: "\u{2028}\"".into(),
            },
            received_at: Timestamp::from_millis(0),
        };
        assert_eq!(
            serde_json::to_string(&stored.data()).expect("plain data"),
            "{\"tenant\":\"acme\",\"id\":\"ABC-é\",\"created_at\":\"yesterday\",\"title\":\"a\\r\\nb\",\
             \"body\":\"\u{2028}\\\"\",\"received_at\":\"1970-01-01T00:00:00.000Z\",\"seq\":1042}"
        );
    }
}
