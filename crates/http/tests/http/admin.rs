use pushgate_model::ConnectionState;
use serde_json::{Value, json};

use crate::{
    client::{Stream, get},
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
    for header in ["Sec-Fetch-Site: cross-site", "Origin: https://evil.example", "Origin: null"] {
        let answer = ask(&[header]);
        assert_eq!((answer.status, answer.problem().as_str()), (403, "cross-site"), "{header}");
    }
}

#[test]
fn a_tenant_shows_its_state_and_counts() {
    let gateway = Gateway::start();
    let (mut stream, _) = Stream::events(gateway.public, "/events/acme", &[]);
    stream.until("event: open");
    gateway.wait_for_subscribers("acme", 1);
    let expected = json!({
        "id": "acme", "state": "connected", "reason": null, "since": "1970-01-01T00:00:01.000Z", "attempt": 3,
        "next_retry_at": null, "connected_since": "1970-01-01T00:00:01.000Z", "last_push_at": null,
        "pushes": 7, "duplicates": 2, "answers": 9, "subscribers": 1, "source": "file",
    });
    assert_eq!(get(gateway.admin, "/api/tenants/acme", &[]).json(), expected);
    assert_eq!(get(gateway.admin, "/api/tenants", &[]).json()["tenants"][0], expected);
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
