use std::{io::Write, ops::RangeInclusive};

use pushgate_model::{Cursor, Epoch, Seq, TenantId, TenantStatus, Timestamp};
use serde::{Serialize, Serializer, ser::SerializeMap};

use crate::{FanoutMetrics, frame::Encoder};

/// `retry:` of a stream's beginning, in milliseconds: spreads the return of all browsers after a cut.
pub(crate) const RETRY: RangeInclusive<u32> = 1_000..=5_000;
/// `retry:` of a drain, in milliseconds: everybody is cut within a few seconds, so it spreads wider.
pub(crate) const RETRY_DRAIN: RangeInclusive<u32> = 1_000..=10_000;

/// Why a stream can't have what it asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum GapReason {
    /// The cursor is of another life of the log.
    Unknown,
    /// A push after the cursor was trimmed.
    Expired,
    /// The cursor lies beyond the newest push.
    Ahead,
    /// The text is no cursor.
    Malformed,
}

impl GapReason {
    pub(crate) fn count(self, metrics: &FanoutMetrics) {
        match self {
            Self::Unknown => &metrics.gaps_unknown,
            Self::Expired => &metrics.gaps_expired,
            Self::Ahead => &metrics.gaps_ahead,
            Self::Malformed => &metrics.gaps_malformed,
        }
        .inc();
    }
}

/// Pushes that a subscriber asked for and can't have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Gap {
    /// Why.
    pub(crate) reason: GapReason,
    /// The cursor as asked for, or where the stream stood.
    pub(crate) requested: String,
    /// The oldest push that can be had.
    pub(crate) oldest: Option<Cursor>,
}

/// The first event of a stream. Its `id:` is the position at which the stream starts.
#[derive(Debug)]
pub(crate) struct Open<'a> {
    pub(crate) epoch: &'a Epoch,
    pub(crate) position: Seq,
    pub(crate) oldest: Option<Seq>,
    pub(crate) newest: Option<Seq>,
    pub(crate) tenants: &'a [(TenantId, TenantStatus)],
}

#[derive(Serialize)]
struct OpenData<'a> {
    epoch: &'a str,
    oldest: Option<Cursor>,
    newest: Option<Cursor>,
    tenants: Tenants<'a>,
}

struct Tenants<'a>(&'a [(TenantId, TenantStatus)]);

impl Serialize for Tenants<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (tenant, status) in self.0 {
            map.serialize_entry(tenant, status)?;
        }
        map.end()
    }
}

#[derive(Serialize)]
struct Upstream<'a> {
    tenant: &'a TenantId,
    #[serde(flatten)]
    status: &'a TenantStatus,
}

#[derive(Serialize)]
struct TenantRemoved<'a> {
    tenant: &'a TenantId,
}

#[derive(Serialize)]
struct Expiry {
    expires_at: Timestamp,
}

#[derive(Serialize)]
struct Revoked {
    reason: &'static str,
}

/// Appends the first bytes of a stream: they open the way through proxies before the journal was asked.
pub(crate) fn hello(buffer: &mut Vec<u8>, retry: u32) {
    write!(buffer, ":ok\nretry: {retry}\n\n").expect("writing to memory cannot fail");
}

/// Appends a `gap` event.
pub(crate) fn gap(buffer: &mut Vec<u8>, gap: &Gap) {
    event(buffer, "gap", gap);
}

/// Appends the `open` event.
pub(crate) fn open(buffer: &mut Vec<u8>, open: &Open<'_>) {
    let cursor = |seq| Cursor { epoch: open.epoch.clone(), seq };
    Encoder::new(open.epoch.clone()).id(buffer, open.position);
    let data = OpenData {
        epoch: open.epoch.as_str(),
        oldest: open.oldest.map(cursor),
        newest: open.newest.map(cursor),
        tenants: Tenants(open.tenants),
    };
    event(buffer, "open", &data);
}

/// Appends an `upstream` event.
pub(crate) fn upstream(buffer: &mut Vec<u8>, tenant: &TenantId, status: &TenantStatus) {
    event(buffer, "upstream", &Upstream { tenant, status });
}

/// Appends a `tenant-removed` event.
pub(crate) fn tenant_removed(buffer: &mut Vec<u8>, tenant: &TenantId) {
    event(buffer, "tenant-removed", &TenantRemoved { tenant });
}

/// Appends `retry:` and the `shutdown` event.
pub(crate) fn shutdown(buffer: &mut Vec<u8>, retry: u32) {
    write!(buffer, "retry: {retry}\nevent: shutdown\ndata: {{}}\n\n").expect("writing to memory cannot fail");
}

/// Appends the `auth-expiring` event.
pub(crate) fn auth_expiring(buffer: &mut Vec<u8>, expires_at: Timestamp) {
    event(buffer, "auth-expiring", &Expiry { expires_at });
}

/// Appends the `auth-expired` event: of a lease that ran out then, or else that was revoked.
pub(crate) fn auth_expired(buffer: &mut Vec<u8>, ran_out_at: Option<Timestamp>) {
    match ran_out_at {
        Some(expires_at) => event(buffer, "auth-expired", &Expiry { expires_at }),
        None => event(buffer, "auth-expired", &Revoked { reason: "revoked" }),
    }
}

/// An event always has a `data:` line: browsers never dispatch one without.
fn event(buffer: &mut Vec<u8>, name: &str, data: &impl Serialize) {
    write!(buffer, "event: {name}\ndata: ").expect("writing to memory cannot fail");
    serde_json::to_writer(&mut *buffer, data).expect("plain data always has a JSON form");
    buffer.extend_from_slice(b"\n\n");
}

#[cfg(test)]
mod tests {
    use pushgate_model::ConnectionState;

    use super::*;

    fn text(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut buffer = Vec::new();
        write(&mut buffer);
        String::from_utf8(buffer).unwrap()
    }

    fn status() -> TenantStatus {
        TenantStatus {
            state: ConnectionState::Backoff,
            since: Timestamp::from_millis(0),
            reason: Some("dead_peer".into()),
        }
    }

    #[test]
    fn control_events_have_their_documented_form() {
        let epoch: Epoch = "e1".parse().unwrap();
        let acme: TenantId = "acme".parse().unwrap();
        let status_json = "\"state\":\"backoff\",\"since\":\"1970-01-01T00:00:00.000Z\",\"reason\":\"dead_peer\"";
        let tenants = [(acme.clone(), status())];
        let opened = Open {
            epoch: &epoch,
            position: Seq::new(7).unwrap(),
            oldest: Seq::new(3),
            newest: None,
            tenants: &tenants,
        };
        let expired = Gap {
            reason: GapReason::Expired,
            requested: "e1-2".into(),
            oldest: Some(Cursor { epoch: epoch.clone(), seq: Seq::new(3).unwrap() }),
        };
        let table = [
            (text(|b| hello(b, 1234)), ":ok\nretry: 1234\n\n".to_owned()),
            (
                text(|b| gap(b, &expired)),
                "event: gap\ndata: {\"reason\":\"expired\",\"requested\":\"e1-2\",\"oldest\":\"e1-3\"}\n\n".to_owned(),
            ),
            (
                text(|b| open(b, &opened)),
                format!(
                    "id: e1-7\nevent: open\ndata: {{\"epoch\":\"e1\",\"oldest\":\"e1-3\",\"newest\":null,\
                     \"tenants\":{{\"acme\":{{{status_json}}}}}}}\n\n"
                ),
            ),
            (
                text(|b| upstream(b, &acme, &status())),
                format!("event: upstream\ndata: {{\"tenant\":\"acme\",{status_json}}}\n\n"),
            ),
            (text(|b| tenant_removed(b, &acme)), "event: tenant-removed\ndata: {\"tenant\":\"acme\"}\n\n".to_owned()),
            (
                text(|b| auth_expiring(b, Timestamp::from_millis(0))),
                "event: auth-expiring\ndata: {\"expires_at\":\"1970-01-01T00:00:00.000Z\"}\n\n".to_owned(),
            ),
            (
                text(|b| auth_expired(b, Some(Timestamp::from_millis(0)))),
                "event: auth-expired\ndata: {\"expires_at\":\"1970-01-01T00:00:00.000Z\"}\n\n".to_owned(),
            ),
            (text(|b| auth_expired(b, None)), "event: auth-expired\ndata: {\"reason\":\"revoked\"}\n\n".to_owned()),
            (text(|b| shutdown(b, 9)), "retry: 9\nevent: shutdown\ndata: {}\n\n".to_owned()),
        ];
        for (actual, expected) in table {
            assert_eq!(actual, expected);
        }
    }
}
