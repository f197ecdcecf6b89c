use std::collections::BTreeMap;

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

use crate::Event;

/// A push, as the `data` of its event has it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct PushEvent {
    /// Whose push it is.
    pub tenant: String,
    /// The service's id of it.
    pub id: String,
    /// The service's time, unchanged.
    pub created_at: String,
    /// The service's title, unchanged.
    pub title: String,
    /// The service's body, unchanged.
    pub body: String,
    /// When it reached the gateway, RFC 3339.
    pub received_at: String,
    /// Its position in the log.
    pub seq: u64,
}

/// What a stream says of itself and of its tenants.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum ControlEvent {
    /// `open`: where the log begins and ends, and how the tenants are.
    Open {
        /// The life of the log.
        epoch: String,
        /// The cursor of the oldest push that is kept.
        oldest: Option<String>,
        /// The cursor of the newest push.
        newest: Option<String>,
        /// The tenants of this stream.
        tenants: BTreeMap<String, TenantState>,
    },
    /// `gap`: pushes that were asked for can't be had.
    Gap {
        /// `unknown`, `expired`, `ahead` or `malformed`.
        reason: String,
        /// The cursor that was asked for.
        requested: Option<String>,
        /// The cursor of the oldest push that is kept.
        oldest: Option<String>,
    },
    /// `upstream`: a tenant's connection changed.
    Upstream {
        /// Whose connection.
        tenant: String,
        /// What it does now.
        state: TenantState,
    },
    /// `auth-expiring`: the token ends soon.
    AuthExpiring(Value),
    /// `auth-expired`: the token ended, and the stream with it.
    AuthExpired(Value),
    /// `shutdown`: the gateway stops.
    Shutdown(Value),
    /// `tenant-removed`: a tenant of this stream is gone.
    TenantRemoved(Value),
}

/// A tenant's connection.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct TenantState {
    /// The state's name, such as `connected`.
    pub state: String,
    /// Since when, RFC 3339.
    pub since: String,
    /// Why, where the state does not say it all.
    pub reason: Option<String>,
}

/// What an event says.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Data {
    /// A push.
    Push(PushEvent),
    /// A word of the stream itself.
    Control(ControlEvent),
    /// An event of a type that this version does not know.
    Unknown,
}

/// An event whose data is not what its type promises.
#[derive(Debug, thiserror::Error)]
#[error("event {event:?} has unexpected data")]
pub struct DataError {
    /// The event's type.
    pub event: String,
    source: serde_json::Error,
}

#[derive(Deserialize)]
struct Open {
    epoch: String,
    oldest: Option<String>,
    newest: Option<String>,
    tenants: BTreeMap<String, TenantState>,
}

#[derive(Deserialize)]
struct Gap {
    reason: String,
    requested: Option<String>,
    oldest: Option<String>,
}

#[derive(Deserialize)]
struct Upstream {
    tenant: String,
    #[serde(flatten)]
    state: TenantState,
}

impl Event {
    /// What the event says.
    ///
    /// # Errors
    /// The data is not what the event's type promises.
    pub fn decode(&self) -> Result<Data, DataError> {
        let control = match self.event.as_str() {
            Self::MESSAGE => return self.json().map(Data::Push),
            "open" => {
                let Open { epoch, oldest, newest, tenants } = self.json()?;
                ControlEvent::Open { epoch, oldest, newest, tenants }
            }
            "gap" => {
                let Gap { reason, requested, oldest } = self.json()?;
                ControlEvent::Gap { reason, requested, oldest }
            }
            "upstream" => {
                let Upstream { tenant, state } = self.json()?;
                ControlEvent::Upstream { tenant, state }
            }
            "auth-expiring" => ControlEvent::AuthExpiring(self.json()?),
            "auth-expired" => ControlEvent::AuthExpired(self.json()?),
            "shutdown" => ControlEvent::Shutdown(self.json()?),
            "tenant-removed" => ControlEvent::TenantRemoved(self.json()?),
            _ => return Ok(Data::Unknown),
        };
        Ok(Data::Control(control))
    }

    fn json<T: DeserializeOwned>(&self) -> Result<T, DataError> {
        serde_json::from_str(&self.data).map_err(|source| DataError { event: self.event.clone(), source })
    }
}

#[cfg(test)]
mod tests {
    use pushgate_model::{Push, Seq, StoredPush, Timestamp};
    use serde_json::json;

    use super::*;

    fn event(kind: &str, data: impl Into<String>) -> Event {
        Event { event: kind.into(), data: data.into(), id: "e-1".into() }
    }

    #[test]
    fn a_push_reads_what_the_model_writes() {
        let push = Push { id: "p".into(), created_at: "c".into(), title: "t".into(), body: "b\r\n".into() };
        let tenant = "acme".parse().unwrap();
        let stored = StoredPush { seq: Seq::new(7).unwrap(), tenant, push, received_at: Timestamp::from_millis(0) };
        let decoded = event("message", serde_json::to_string(&stored.data()).unwrap()).decode().unwrap();
        let Data::Push(push) = decoded else { panic!("{decoded:?}") };
        assert_eq!((push.tenant.as_str(), push.body.as_str(), push.seq), ("acme", "b\r\n", 7));
        assert_eq!(push.received_at, "1970-01-01T00:00:00.000Z");
    }

    #[test]
    fn control_events_are_typed() {
        let state = json!({"state": "connected", "since": "s", "reason": null});
        let open = json!({"epoch": "e", "oldest": null, "newest": "e-1", "tenants": {"acme": state}});
        assert!(
            matches!(event("open", open.to_string()).decode(), Ok(Data::Control(ControlEvent::Open { tenants, .. }))
            if tenants["acme"].state == "connected")
        );
        let gap = json!({"reason": "expired", "requested": "e-1", "oldest": "e-5"});
        assert!(matches!(event("gap", gap.to_string()).decode(), Ok(Data::Control(ControlEvent::Gap { .. }))));
        let upstream = json!({"tenant": "acme", "state": "backoff", "since": "s", "reason": "dead_peer"});
        assert!(
            matches!(event("upstream", upstream.to_string()).decode(), Ok(Data::Control(ControlEvent::Upstream { state, .. }))
            if state.reason.as_deref() == Some("dead_peer"))
        );
    }

    #[test]
    fn an_unknown_type_is_no_error_and_broken_data_is() {
        assert_eq!(event("later", "{").decode().unwrap(), Data::Unknown);
        assert!(event("message", "{").decode().is_err());
    }
}
