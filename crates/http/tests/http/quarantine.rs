use serde_json::{Value, json};

use crate::{
    client::{get, request},
    gateway::Gateway,
};

fn entries(gateway: &Gateway, query: &str) -> (Vec<Value>, Value) {
    let page = get(gateway.admin, &format!("/api/quarantine{query}"), &[]).json();
    (page["entries"].as_array().unwrap().clone(), page["next"].clone())
}

/// The wire form of a push that can be accepted.
const PUSH: &[u8] = b"\x0a\x10\x0a\x05later\x12\x01d\x1a\x01t\x22\x01b";

#[test]
fn a_message_is_listed_shown_and_erased() {
    let gateway = Gateway::start();
    gateway.quarantine("acme", b"\xff\x00broken", Some("p-1"));
    gateway.quarantine("acme", b"\xff\x00broken", Some("p-1"));
    let (found, next) = entries(&gateway, "");
    assert_eq!((found.len(), &next), (1, &Value::Null));
    let id = found[0]["id"].as_u64().unwrap();
    let mut expected = json!({
        "id": id, "tenant": "acme", "push_id": "p-1", "received_at": "1970-01-01T00:00:05.000Z",
        "reason": "malformed", "size": 8, "count": 2,
    });
    assert_eq!(found[0], expected);
    expected["raw"] = json!("/wBicm9rZW4=");
    let path = format!("/api/quarantine/{id}");
    assert_eq!(get(gateway.admin, &path, &[]).json(), expected);
    let erased = request(gateway.admin, "DELETE", &path, &[]);
    assert_eq!((erased.status, erased.body.as_str()), (204, ""));
    for method in ["GET", "DELETE"] {
        let answer = request(gateway.admin, method, &path, &[]);
        assert_eq!((answer.status, answer.problem().as_str()), (404, "unknown-quarantined"), "{method}");
    }
    assert_eq!(entries(&gateway, ""), (Vec::new(), Value::Null));
}

#[test]
fn messages_are_filtered_and_paged_by_id() {
    let gateway = Gateway::start();
    for (tenant, raw) in [("acme", b"a"), ("globex", b"b"), ("acme", b"c"), ("acme", b"d")] {
        gateway.quarantine(tenant, raw, None);
    }
    let (all, _) = entries(&gateway, "");
    assert!(all.len() == 4 && all[0]["push_id"].is_null());
    assert_eq!(entries(&gateway, "?limit=4"), (all.clone(), Value::Null));
    assert_eq!(entries(&gateway, "?limit=3"), (all[..3].to_vec(), all[2]["id"].clone()));
    assert_eq!(entries(&gateway, &format!("?limit=3&after={}", all[2]["id"])), (all[3..].to_vec(), Value::Null));
    assert_eq!(entries(&gateway, "?after=18446744073709551615"), (Vec::new(), Value::Null));
    let of_acme: Vec<_> = all.iter().filter(|entry| entry["tenant"] == "acme").cloned().collect();
    assert_eq!(entries(&gateway, "?tenant=acme&limit=2"), (of_acme[..2].to_vec(), of_acme[1]["id"].clone()));
    let rest = format!("?tenant=acme&limit=2&after={}", of_acme[1]["id"]);
    assert_eq!(entries(&gateway, &rest), (of_acme[2..].to_vec(), Value::Null));
    assert_eq!(entries(&gateway, "?tenant=nobody"), (Vec::new(), Value::Null));
    assert_eq!(entries(&gateway, "?tenant=").0.len(), 4);
}

#[test]
fn a_message_that_can_be_accepted_by_now_becomes_a_push() {
    let gateway = Gateway::start_dialling();
    gateway.quarantine("acme", PUSH, None);
    let id = entries(&gateway, "").0[0]["id"].clone();
    let replayed = request(gateway.admin, "POST", &format!("/api/quarantine/{id}/replay"), &[]);
    assert_eq!(replayed.status, 200, "{replayed:?}");
    assert_eq!(replayed.json(), json!({ "tenant": "acme", "push_id": "later", "duplicate": false }));
    assert_eq!(entries(&gateway, "").0.len(), 0);
    let history = get(gateway.public, "/tenants/acme/pushes", &[]).json();
    assert_eq!(history["pushes"][0]["id"], "later");
    let again = request(gateway.admin, "POST", &format!("/api/quarantine/{id}/replay"), &[]);
    assert_eq!((again.status, again.problem().as_str()), (404, "unknown-quarantined"));
}

#[test]
fn a_message_that_is_still_broken_stays() {
    let gateway = Gateway::start_dialling();
    gateway.quarantine("acme", b"\xff\x00broken", None);
    let id = entries(&gateway, "").0[0]["id"].clone();
    let refused = request(gateway.admin, "POST", &format!("/api/quarantine/{id}/replay"), &[]);
    assert_eq!((refused.status, refused.problem().as_str()), (422, "still-refused"));
    assert_eq!(refused.json()["reason"], "malformed");
    assert_eq!(entries(&gateway, "").0.len(), 1);
}

#[test]
fn a_journal_that_can_not_write_keeps_the_message() {
    let gateway = Gateway::start_dialling();
    gateway.quarantine("acme", PUSH, None);
    let id = entries(&gateway, "").0[0]["id"].clone();
    gateway.journal.set_failing(Some("no disk"));
    for (method, path) in
        [("DELETE", format!("/api/quarantine/{id}")), ("POST", format!("/api/quarantine/{id}/replay"))]
    {
        let answer = request(gateway.admin, method, &path, &[]);
        assert_eq!((answer.status, answer.problem().as_str()), (503, "journal-unwritable"), "{path}");
        assert!(answer.header("retry-after").is_some());
    }
    gateway.journal.set_failing(None);
    assert_eq!(entries(&gateway, "").0.len(), 1);
}
