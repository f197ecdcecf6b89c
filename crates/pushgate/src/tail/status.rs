use std::{
    collections::BTreeMap,
    io::{self, Write as _},
    time::Duration,
};

use pushgate_subscriber::{ControlEvent, TenantState};
use serde_json::Value;

use super::{escape, style::Style};

/// Says on standard error what is not a push.
#[derive(Clone, Copy, Debug)]
pub(super) struct Status {
    style: Style,
}

impl Status {
    pub(super) fn new(style: Style) -> Self {
        Self { style }
    }

    /// Says something, in one line.
    pub(super) fn say(self, text: &str) {
        let Style { dim, reset, .. } = self.style;
        // There is nobody left to tell.
        let _ = writeln!(io::stderr().lock(), "{dim}-- {}{reset}", escape::line(text));
    }
}

/// What an event that is no push says to people.
pub(super) fn of_event(event: &ControlEvent) -> String {
    match event {
        ControlEvent::Open { oldest, newest, tenants, .. } => opened(oldest.as_deref(), newest.as_deref(), tenants),
        ControlEvent::Gap { reason, requested, oldest } => gap(reason, requested.as_deref(), oldest.as_deref()),
        ControlEvent::Upstream { tenant, state } => of_tenant(tenant, state),
        ControlEvent::AuthExpiring(data) => match data.get("expires_at").and_then(Value::as_str) {
            Some(at) => format!("the access token expires at {at}"),
            None => "the access token expires soon".to_owned(),
        },
        ControlEvent::AuthExpired(data) if is_revoked(data) => {
            "the gateway revoked what the access token rests on".to_owned()
        }
        ControlEvent::AuthExpired(_) => "the access token expired".to_owned(),
        ControlEvent::Shutdown(_) => "the gateway stops".to_owned(),
        ControlEvent::TenantRemoved(data) => match data.get("tenant").and_then(Value::as_str) {
            Some(tenant) => format!("{tenant}: removed"),
            None => "a tenant was removed".to_owned(),
        },
        _ => "the gateway said something that this version does not know".to_owned(),
    }
}

/// Whether it was not time that ended a token, but an operator who changed keys or rules.
pub(super) fn is_revoked(data: &Value) -> bool {
    data.get("reason").is_some_and(|reason| reason == "revoked")
}

/// Why a stream is gone, and when the next attempt follows.
pub(super) fn closed(reason: &str, again_in: Duration) -> String {
    format!("{reason}; reconnecting in {:.1} s", again_in.as_secs_f64())
}

/// What a refusal's body says: the detail of a problem (RFC 9457), else its text.
pub(super) fn refusal(body: &str) -> String {
    let problem: Option<Value> = serde_json::from_str(body).ok();
    let said = |key| problem.as_ref().and_then(|problem| problem.get(key)?.as_str());
    said("detail").or_else(|| said("title")).unwrap_or(body.trim()).to_owned()
}

fn opened(oldest: Option<&str>, newest: Option<&str>, tenants: &BTreeMap<String, TenantState>) -> String {
    let kept = match (oldest, newest) {
        (Some(oldest), Some(newest)) => format!("kept are {oldest} to {newest}"),
        _ => "nothing is kept".to_owned(),
    };
    let tenants: Vec<_> = tenants.iter().map(|(tenant, state)| of_tenant(tenant, state)).collect();
    format!("connected; {kept}; {}", tenants.join("; "))
}

fn of_tenant(tenant: &str, state: &TenantState) -> String {
    let reason = state.reason.as_deref().map(|reason| format!(" ({reason})")).unwrap_or_default();
    format!("{tenant}: {} since {}{reason}", state.state, state.since)
}

fn gap(reason: &str, requested: Option<&str>, oldest: Option<&str>) -> String {
    let asked = requested.map(|requested| format!(" after {requested}")).unwrap_or_default();
    let from_oldest = match oldest {
        Some(oldest) => format!("going on from the oldest kept, {oldest}"),
        None => "going on with what comes, as nothing is kept".to_owned(),
    };
    let (what, then) = match reason {
        "expired" => ("pushes were trimmed since", from_oldest),
        "unknown" => ("that position is of another life of the log", from_oldest),
        "ahead" => ("the log is not that far", "going on live".to_owned()),
        "malformed" => ("that is no position", "going on live".to_owned()),
        other => (other, from_oldest),
    };
    format!("gap{asked}: {what}; {then}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_gap_says_what_is_missing_and_what_follows() {
        assert_eq!(
            gap("expired", Some("e-5"), Some("e-90")),
            "gap after e-5: pushes were trimmed since; going on from the oldest kept, e-90"
        );
        assert_eq!(gap("ahead", Some("e-5"), None), "gap after e-5: the log is not that far; going on live");
        assert!(gap("later", None, None).starts_with("gap: later; "));
    }

    #[test]
    fn states_carry_their_reason() {
        let state = TenantState { state: "backoff".into(), since: "s".into(), reason: Some("dead_peer".into()) };
        let event = ControlEvent::Upstream { tenant: "acme".into(), state };
        assert_eq!(of_event(&event), "acme: backoff since s (dead_peer)");
        assert_eq!(of_event(&ControlEvent::TenantRemoved(json!({"tenant": "acme"}))), "acme: removed");
        assert_eq!(of_event(&ControlEvent::TenantRemoved(json!({}))), "a tenant was removed");
    }

    #[test]
    fn a_refusal_is_told_by_its_detail() {
        assert_eq!(
            refusal(r#"{"title":"Unknown tenant","detail":"there is no tenant \"x\""}"#),
            "there is no tenant \"x\""
        );
        assert_eq!(refusal(r#"{"title":"Unauthorized"}"#), "Unauthorized");
        assert_eq!(refusal(" nginx \n"), "nginx");
    }
}
