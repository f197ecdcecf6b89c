use pushgate_model::{ConnectionState, Timestamp};
use pushgate_upstream::LastClose;
use serde_json::{Value, json};

use crate::{
    client::{Stream, get, request},
    gateway::Gateway,
};

fn with_token() -> Gateway {
    Gateway::start_with(|config| config.admin.token = Some("s3cret".into()))
}

fn ids(page: &Value) -> Vec<&str> {
    page["tenants"].as_array().unwrap().iter().map(|tenant| tenant["id"].as_str().unwrap()).collect()
}

#[test]
fn a_token_is_asked_of_all_but_probes() {
    let gateway = with_token();
    for path in ["/metrics", "/api/tenants", "/api/tenants/acme", "/nothing"] {
        for headers in [&[][..], &["Authorization: Bearer wrong"], &["Authorization: Basic s3cret"]] {
            let answer = get(gateway.admin, path, headers);
            assert_eq!((answer.status, answer.problem().as_str()), (401, "unauthorized"), "{path} {headers:?}");
            assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
        }
    }
    for path in ["/metrics", "/api/tenants", "/api/tenants/acme"] {
        assert_eq!(get(gateway.admin, path, &["Authorization: Bearer s3cret"]).status, 200, "{path}");
    }
    for path in ["/healthz", "/readyz"] {
        assert_eq!(get(gateway.admin, path, &["Host: pod.example"]).status, 200, "{path}");
    }
    assert_eq!(get(gateway.public, "/tenants/acme/pushes", &[]).status, 200, "it is the admin listener's token");
}

#[test]
fn with_a_token_any_name_will_do() {
    let gateway = with_token();
    let headers = ["Host: gateway.example:9090", "Authorization: Bearer s3cret"];
    assert_eq!(get(gateway.admin, "/api/tenants", &headers).status, 200);
}

#[test]
fn without_a_token_only_this_machine_is_answered() {
    let gateway = Gateway::start();
    let ask = |headers: &[&str]| get(gateway.admin, "/api/tenants", headers);
    for host in ["Host: localhost:9090", "Host: 127.0.0.1", "Host: [::1]:1"] {
        assert_eq!(ask(&[host]).status, 200, "{host}");
    }
    let rebound = ask(&["Host: rebound.example:9090"]);
    assert_eq!((rebound.status, rebound.problem().as_str()), (421, "foreign-host"));
    for header in
        ["Sec-Fetch-Site: cross-site", "Sec-Fetch-Site: same-site", "Origin: https://evil.example", "Origin: null"]
    {
        let answer = ask(&[header]);
        assert_eq!((answer.status, answer.problem().as_str()), (403, "cross-site"), "{header}");
        let change = request(gateway.admin, "POST", "/api/tenants/acme/pause", &[header]);
        assert_eq!((change.status, change.problem().as_str()), (403, "cross-site"), "{header}");
    }
}

#[test]
fn a_tenant_shows_its_state_and_counts() {
    let gateway = Gateway::start();
    let (mut stream, _) = Stream::events(gateway.public, "/events/acme", &[]);
    stream.until("event: open");
    gateway.wait_for_subscribers("acme", 1);
    let mut expected = json!({
        "id": "acme", "state": "connected", "reason": null, "since": "1970-01-01T00:00:01.000Z", "attempt": 3,
        "next_retry_at": null, "connected_since": "1970-01-01T00:00:01.000Z", "last_push_at": null,
        "pushes": 7, "duplicates": 2, "answers": 9, "subscribers": 1, "source": "file",
    });
    assert_eq!(get(gateway.admin, "/api/tenants", &[]).json()["tenants"][0], expected);
    let more = json!({ "last_close": null, "in_flight": 4, "waits": 5, "settings": { "bearer": "***" } });
    expected.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let one = get(gateway.admin, "/api/tenants/acme", &[]);
    assert_eq!(one.json(), expected);
    assert!(one.header("etag").is_some_and(|tag| tag.len() > 2 && tag.starts_with('"') && tag.ends_with('"')));
}

#[test]
fn tenants_are_filtered_and_paged_by_id() {
    let gateway = Gateway::start();
    for id in ["zeta", "beta", "acme-eu"] {
        gateway.put(id, ConnectionState::Paused);
    }
    let table: [(&str, &[&str], Value); 10] = [
        ("", &["acme", "acme-eu", "beta", "globex", "zeta"], Value::Null),
        ("?limit=2", &["acme", "acme-eu"], json!("acme-eu")),
        ("?limit=2&after=acme-eu", &["beta", "globex"], json!("globex")),
        ("?limit=2&after=globex", &["zeta"], Value::Null),
        ("?limit=5", &["acme", "acme-eu", "beta", "globex", "zeta"], Value::Null),
        ("?after=gone", &["zeta"], Value::Null),
        ("?state=paused", &["acme-eu", "beta", "zeta"], Value::Null),
        ("?state=paused&limit=1", &["acme-eu"], json!("acme-eu")),
        ("?state=connected&state=backoff", &["acme", "globex"], Value::Null),
        ("?q=ACME&state=", &["acme", "acme-eu"], Value::Null),
    ];
    for (query, expected, next) in table {
        let page = get(gateway.admin, &format!("/api/tenants{query}"), &[]).json();
        assert_eq!((ids(&page), &page["next"]), (expected.to_vec(), &next), "{query}");
    }
}

#[test]
fn what_the_last_close_said_is_shown() {
    let gateway = Gateway::start();
    let at = Timestamp::from_millis(3_000);
    gateway.change("acme", |acme| acme.last_close = Some(LastClose { at, code: Some(1013), text: "later".to_owned() }));
    let shown = get(gateway.admin, "/api/tenants/acme", &[]).json();
    let expected = json!({ "at": "1970-01-01T00:00:03.000Z", "code": 1013, "text": "later" });
    assert_eq!(shown["last_close"], expected);
}

#[test]
fn subscribers_are_listed_by_id() {
    let gateway = Gateway::start();
    let long = format!("User-Agent: {}", "a".repeat(300));
    let opened: Vec<_> = [("/events/acme", "User-Agent: curl/8"), ("/events?tenant=globex&tenant=acme", long.as_str())]
        .map(|(path, agent)| {
            let (mut stream, _) = Stream::events(gateway.public, path, &[agent]);
            stream.until("event: open");
            stream
        })
        .into();
    gateway.wait_for_subscribers("acme", 2);
    let listed = || get(gateway.admin, "/api/tenants/acme/subscribers", &[]).json();
    // What was written counts once the stream goes on: here `open`, which is longer than all before it.
    let counted =
        |page: &Value| page["subscribers"].as_array().unwrap().iter().all(|one| one["bytes"].as_u64() > Some(100));
    let page = std::iter::repeat_with(listed).take(10_000).find(counted).expect("both have opened");
    let subscribers = page["subscribers"].as_array().unwrap();
    assert_eq!((subscribers.len(), &page["next"]), (2, &Value::Null));
    let keys: Vec<_> = subscribers[0].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(keys, ["address", "bytes", "cursor", "id", "lag", "since", "tenants", "user_agent"]);
    assert_eq!((&subscribers[0]["tenants"], &subscribers[0]["user_agent"]), (&json!(["acme"]), &json!("curl/8")));
    assert_eq!(subscribers[0]["address"], "127.0.0.1", "whole, unlike what subscribers see of each other");
    assert_eq!(subscribers[1]["tenants"].as_array().unwrap().len(), 2);
    assert_eq!(subscribers[1]["user_agent"].as_str().unwrap().len(), 256);

    let first = get(gateway.admin, "/api/tenants/acme/subscribers?limit=1", &[]).json();
    assert_eq!((&first["subscribers"][0], &first["next"]), (&subscribers[0], &subscribers[0]["id"]));
    let after = format!("/api/tenants/acme/subscribers?limit=1&after={}", first["next"]);
    let second = get(gateway.admin, &after, &[]).json();
    assert_eq!((&second["subscribers"][0], &second["next"]), (&subscribers[1], &Value::Null));
    let other = get(gateway.admin, "/api/tenants/globex/subscribers", &[]).json();
    assert_eq!(other["subscribers"], json!([subscribers[1]]));
    drop(opened);
}

#[test]
fn the_description_is_served() {
    let gateway = with_token();
    assert_eq!(get(gateway.admin, "/api/openapi.json", &[]).status, 401);
    let answer = get(gateway.admin, "/api/openapi.json", &["Authorization: Bearer s3cret"]);
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
    assert!(answer.json()["openapi"].as_str().unwrap().starts_with("3.1."));
}
