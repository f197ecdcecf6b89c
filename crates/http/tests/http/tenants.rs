//! Tenants of the admin API, with connections that dial where nobody listens.

use std::net::SocketAddr;

use serde_json::{Value, json};

use crate::{
    client::{Answer, Stream, get, request, send_with},
    gateway::{ADMIN_BODY, Gateway},
};

const JSON: &str = "Content-Type: application/json";

fn put(addr: SocketAddr, id: &str, headers: &[&str], body: &Value) -> Answer {
    let headers: Vec<_> = headers.iter().copied().chain([JSON]).collect();
    send_with(addr, ("PUT", &format!("/api/tenants/{id}")), &headers, &body.to_string())
}

fn post(addr: SocketAddr, id: &str, operation: &str) -> Answer {
    request(addr, "POST", &format!("/api/tenants/{id}/{operation}"), &[])
}

fn delete(addr: SocketAddr, id: &str, headers: &[&str]) -> Answer {
    request(addr, "DELETE", &format!("/api/tenants/{id}"), headers)
}

#[test]
fn a_tenant_is_made_shown_changed_and_removed() {
    let gateway = Gateway::start_dialling();
    let made = put(gateway.admin, "beta", &[], &json!({ "bearer": "hidden-1", "id": "beta" }));
    assert_eq!((made.status, made.header("location")), (201, Some("/api/tenants/beta")), "{made:?}");
    let made_tag = made.header("etag").unwrap().to_owned();
    let tenant = made.json();
    assert_eq!((&tenant["id"], &tenant["source"]), (&json!("beta"), &json!("api")));
    assert_eq!(tenant["settings"], json!({ "bearer": "***" }));

    let shown = get(gateway.admin, "/api/tenants/beta", &[]);
    assert_eq!((shown.status, shown.header("etag")), (200, Some(made_tag.as_str())));
    assert_eq!(shown.header("cache-control"), Some("no-store"));
    assert!(!shown.body.contains("hidden"), "{shown:?}");

    let changed = put(gateway.admin, "beta", &[], &json!({ "bearer": "***", "enabled": false }));
    assert_eq!((changed.status, changed.header("location")), (200, None), "{changed:?}");
    assert_ne!(changed.header("etag"), Some(made_tag.as_str()));
    assert_eq!(changed.json()["settings"], json!({ "bearer": "***", "enabled": false }));
    gateway.wait_for_tenant("beta", |tenant| tenant["state"] == "paused");

    let (mut stream, _) = Stream::events(gateway.public, "/events/beta", &[]);
    stream.until("event: open");
    let removed = delete(gateway.admin, "beta", &[]);
    assert_eq!((removed.status, removed.body.as_str()), (204, ""));
    assert!(stream.rest().contains("event: tenant-removed"));
    assert_eq!(get(gateway.admin, "/api/tenants/beta", &[]).problem(), "unknown-tenant");
    assert_eq!(delete(gateway.admin, "beta", &[]).problem(), "unknown-tenant");
    assert_eq!(get(gateway.public, "/events/beta", &[]).status, 204);
}

#[test]
fn a_change_may_name_the_version_that_it_is_meant_for() {
    let gateway = Gateway::start_dialling();
    let (admin, body) = (gateway.admin, json!({ "enabled": false }));
    let failed = |answer: Answer| assert_eq!((answer.status, answer.problem().as_str()), (412, "precondition-failed"));
    failed(put(admin, "beta", &["If-Match: *"], &body));
    failed(put(admin, "beta", &["If-Match: \"some\""], &body));
    let first = put(admin, "beta", &["If-None-Match: *"], &body);
    assert_eq!(first.status, 201);
    failed(put(admin, "beta", &["If-None-Match: *"], &body));
    let first = format!("If-Match: {}", first.header("etag").unwrap());
    let second = put(admin, "beta", &[&first], &json!({ "enabled": false, "bearer": "b" }));
    assert_eq!(second.status, 200);
    failed(put(admin, "beta", &[&first], &body));
    failed(delete(admin, "beta", &[&first]));
    failed(delete(admin, "beta", &["If-Match: W/\"weak\""]));
    assert_eq!(put(admin, "beta", &["If-Match: *"], &body).status, 200);
    let answer = put(admin, "beta", &["If-Match: none"], &body);
    assert_eq!((answer.status, answer.problem().as_str()), (400, "malformed-precondition"));
    assert_eq!(delete(admin, "beta", &["If-Match: *"]).status, 204);
}

#[test]
fn settings_that_are_wrong_are_named_one_by_one_and_change_nothing() {
    let gateway = Gateway::start_dialling();
    let answer = put(gateway.admin, "beta", &[], &json!({ "enabled": 1, "bearer": "hidden", "colour": "hidden" }));
    assert_eq!((answer.status, answer.problem().as_str()), (422, "invalid-settings"));
    let mut errors = answer.json()["errors"].as_array().unwrap().clone();
    errors.sort_by_key(|error| error["key"].to_string());
    let error = |key: &str, allowed: &str| json!({ "key": key, "allowed": allowed });
    assert_eq!(errors, [error("colour", "url, bearer, enabled"), error("enabled", "true or false")]);
    assert!(!answer.body.contains("hidden"), "{answer:?}");
    assert_eq!(get(gateway.admin, "/api/tenants/beta", &[]).status, 404);

    let other_id = put(gateway.admin, "beta", &[], &json!({ "id": "gamma" }));
    assert_eq!((other_id.problem().as_str(), &other_id.json()["errors"][0]["key"]), ("invalid-settings", &json!("id")));
}

#[test]
fn a_body_must_be_a_json_object_of_moderate_size() {
    let gateway = Gateway::start_dialling();
    let admin = gateway.admin;
    for body in ["", "null", "[]", "{", "{\"bearer\":s3cret}", "{}{}"] {
        let answer = send_with(admin, ("PUT", "/api/tenants/beta"), &[JSON], body);
        assert_eq!((answer.status, answer.problem().as_str()), (400, "malformed-body"), "{body}");
        assert!(!answer.body.contains("s3cret"), "{answer:?}");
    }
    for kind in ["text/plain", "application/x-www-form-urlencoded"] {
        let answer = send_with(admin, ("PUT", "/api/tenants/beta"), &[&format!("Content-Type: {kind}")], "{}");
        assert_eq!((answer.status, answer.problem().as_str()), (415, "unsupported-media-type"), "{kind}");
    }
    for id in ["No", "-a", "a%2Fb", &"a".repeat(65)] {
        let answer = put(admin, id, &[], &json!({}));
        assert_eq!((answer.status, answer.problem().as_str()), (400, "invalid-tenant-id"), "{id}");
    }
    // Certificates make settings large; the limit of the public listener is no matter here.
    let padded = format!("{{\"enabled\":false{}}}", " ".repeat(ADMIN_BODY - r#"{"enabled":false}"#.len()));
    let fitting = send_with(admin, ("PUT", "/api/tenants/beta"), &[JSON], &padded);
    assert_eq!(fitting.status, 201, "{fitting:?}");
    let declared = format!("Content-Length: {}", ADMIN_BODY + 1);
    let large = request(admin, "PUT", "/api/tenants/beta", &[&declared]);
    assert_eq!((large.status, large.problem().as_str()), (413, "body-too-large"));
    let mut undeclared = Stream::open(admin, "PUT", "/api/tenants/beta", &["Transfer-Encoding: chunked"]);
    let chunk = format!("{:x}\r\n{}\r\n0\r\n\r\n", ADMIN_BODY + 1, "x".repeat(ADMIN_BODY + 1));
    undeclared.write(chunk.as_bytes());
    let answer = undeclared.answer();
    assert_eq!((answer.status, answer.problem().as_str()), (413, "body-too-large"));
}

#[test]
fn a_body_that_does_not_arrive_is_given_up() {
    let timeout = std::time::Duration::from_millis(200);
    let gateway = Gateway::start_with(|config| config.public.head_timeout = timeout);
    for (addr, method, path) in
        [(gateway.admin, "PUT", "/api/tenants/beta"), (gateway.public, "POST", "/tenants/acme/pushes/p-1/ack")]
    {
        let mut slow = Stream::open(addr, method, path, &["Content-Length: 20"]);
        slow.write(b"{");
        let answer = slow.answer();
        assert_eq!((answer.status, answer.problem().as_str()), (408, "body-timeout"), "{path}");
    }
}

#[test]
fn tenants_of_the_files_are_changed_there() {
    let gateway = Gateway::start_dialling();
    let answer = put(gateway.admin, "acme", &[], &json!({}));
    assert_eq!((answer.status, answer.problem().as_str()), (409, "tenant-from-file"));
    let answer = delete(gateway.admin, "acme", &[]);
    assert_eq!((answer.status, answer.problem().as_str()), (409, "tenant-from-file"));
    let shown = get(gateway.admin, "/api/tenants/acme", &[]);
    assert_eq!(shown.json()["settings"], json!({ "bearer": "***" }));
    assert!(shown.header("etag").is_some());
    assert_eq!(post(gateway.admin, "acme", "pause").status, 202, "they can be steered all the same");
}

#[test]
fn a_pause_lasts_until_it_is_ended() {
    let gateway = Gateway::start_dialling();
    gateway.wait_for_tenant("acme", |tenant| tenant["state"] == "backoff");
    for _ in 0..2 {
        let answer = post(gateway.admin, "acme", "pause");
        assert_eq!((answer.status, &answer.json()["id"]), (202, &json!("acme")));
    }
    let paused = gateway.wait_for_tenant("acme", |tenant| tenant["state"] == "paused");
    assert_eq!(paused["next_retry_at"], Value::Null);
    assert_eq!(post(gateway.admin, "acme", "reconnect").status, 202);
    for _ in 0..2 {
        assert_eq!(post(gateway.admin, "acme", "resume").status, 202);
    }
    gateway.wait_for_tenant("acme", |tenant| tenant["state"] == "backoff");
    for operation in ["pause", "resume", "reconnect"] {
        let answer = post(gateway.admin, "nobody", operation);
        assert_eq!((answer.status, answer.problem().as_str()), (404, "unknown-tenant"), "{operation}");
    }
}

#[test]
fn a_tenant_that_its_settings_switch_off_is_not_resumed() {
    let gateway = Gateway::start_dialling();
    assert_eq!(put(gateway.admin, "beta", &[], &json!({ "enabled": false })).status, 201);
    gateway.wait_for_tenant("beta", |tenant| tenant["state"] == "paused");
    let answer = post(gateway.admin, "beta", "resume");
    assert_eq!((answer.status, answer.problem().as_str()), (409, "tenant-disabled"));
    assert_eq!(post(gateway.admin, "beta", "reconnect").status, 202);
    assert_eq!(get(gateway.admin, "/api/tenants/beta", &[]).json()["state"], "paused");
}

#[test]
fn a_reconnect_dials_at_once() {
    let gateway = Gateway::start_dialling();
    gateway.wait_for_tenant("acme", |tenant| tenant["state"] == "backoff");
    assert_eq!(post(gateway.admin, "acme", "reconnect").status, 202);
    let failures = || {
        let all = get(gateway.admin, "/api/tenants/acme/transitions", &[]).json();
        all["transitions"].as_array().unwrap().iter().filter(|one| one["state"] == "backoff").count()
    };
    gateway.wait_for_tenant("acme", |_| failures() == 2);
}

#[test]
fn transitions_are_told_oldest_first() {
    let gateway = Gateway::start_dialling();
    gateway.wait_for_tenant("acme", |tenant| tenant["state"] == "backoff");
    assert_eq!(post(gateway.admin, "acme", "pause").status, 202);
    gateway.wait_for_tenant("acme", |tenant| tenant["state"] == "paused");
    let all = get(gateway.admin, "/api/tenants/acme/transitions", &[]).json();
    let transitions = all["transitions"].as_array().unwrap();
    let states: Vec<_> = transitions.iter().map(|one| one["state"].as_str().unwrap()).collect();
    assert_eq!((states.last(), &all["next"]), (Some(&"paused"), &Value::Null), "{all}");
    assert!(states.contains(&"connecting") && states.contains(&"backoff"), "{all}");
    let keys: Vec<_> = transitions[0].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(keys, ["at", "attempt", "reason", "state"]);

    let (mut found, mut path) = (Vec::new(), "/api/tenants/acme/transitions?limit=1".to_owned());
    loop {
        let page = get(gateway.admin, &path, &[]).json();
        assert_eq!(page["transitions"].as_array().unwrap().len(), 1);
        found.push(page["transitions"][0].clone());
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/api/tenants/acme/transitions?limit=1&after={next}");
    }
    assert_eq!(&found, transitions);
}

#[test]
fn a_journal_that_can_not_write_changes_nothing() {
    let gateway = Gateway::start_dialling();
    gateway.journal.set_failing(Some("no disk"));
    let refused = |answer: Answer| {
        assert_eq!((answer.status, answer.problem().as_str()), (503, "journal-unwritable"), "{answer:?}");
        assert!(answer.header("retry-after").is_some());
    };
    refused(put(gateway.admin, "beta", &[], &json!({})));
    refused(post(gateway.admin, "acme", "pause"));
    assert_eq!(get(gateway.admin, "/api/tenants/beta", &[]).status, 404);
    gateway.journal.set_failing(None);
    assert_eq!(put(gateway.admin, "beta", &[], &json!({})).status, 201);
    gateway.journal.set_failing(Some("no disk"));
    refused(delete(gateway.admin, "beta", &[]));
    assert_eq!(get(gateway.admin, "/api/tenants/beta", &[]).status, 200);
}

#[test]
fn a_removed_tenant_leaves_its_pushes_unless_they_are_purged() {
    let gateway = Gateway::start_dialling();
    let pushes = || {
        let page = get(gateway.public, "/tenants/beta/pushes", &[]).json();
        page["pushes"].as_array().unwrap().len()
    };
    let answer = request(gateway.admin, "DELETE", "/api/tenants/acme?purge=perhaps", &[]);
    assert_eq!((answer.status, answer.problem().as_str()), (400, "invalid-purge"));
    for (query, left) in [("", 1), ("?purge=false", 2), ("?purge=true", 0)] {
        assert_eq!(put(gateway.admin, "beta", &[], &json!({ "enabled": false })).status, 201);
        gateway.commit("beta", &format!("p{query}"), None);
        assert_eq!(delete(gateway.admin, &format!("beta{query}"), &[]).status, 204);
        assert_eq!(put(gateway.admin, "beta", &[], &json!({ "enabled": false })).status, 201);
        assert_eq!(pushes(), left, "{query}");
        assert_eq!(delete(gateway.admin, "beta", &[]).status, 204);
    }
}

#[test]
fn before_connections_begin_nothing_is_steered() {
    let gateway = Gateway::start_unready();
    for answer in [
        put(gateway.admin, "beta", &[], &json!({})),
        post(gateway.admin, "acme", "pause"),
        delete(gateway.admin, "acme", &[]),
    ] {
        assert_eq!((answer.status, answer.problem().as_str()), (503, "not-running"));
        assert!(answer.header("retry-after").is_some());
    }
}
