use pushgate_model::Answer;
use serde_json::{Value, json};

use crate::{
    client::{get, request},
    gateway::Gateway,
};

fn ids(page: &Value) -> Vec<&str> {
    page["pushes"].as_array().unwrap().iter().map(|push| push["id"].as_str().unwrap()).collect()
}

#[test]
fn an_entry_has_the_data_the_cursor_and_the_answer() {
    let gateway = Gateway::start();
    gateway.commit("acme", "p-1", Some(Answer::Ack));
    gateway.commit("acme", "p-2", None);
    let answer = get(gateway.public, "/tenants/acme/pushes", &[]);
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("cache-control"), Some("private, no-cache"));
    assert_eq!(answer.header("vary"), Some("Authorization, Cookie"));
    let entry = |id: &str, seq: u64, answer: Value| {
        json!({
            "tenant": "acme", "id": id, "created_at": "2026-01-01T00:00:00Z", "title": "title", "body": "body",
            "received_at": "1970-01-01T00:00:05.000Z", "seq": seq, "cursor": format!("memory-{seq}"), "answer": answer,
        })
    };
    let expected = json!({ "pushes": [entry("p-1", 1, json!("ack")), entry("p-2", 2, Value::Null)], "next": null });
    assert_eq!(answer.json(), expected);
}

#[test]
fn following_next_visits_each_push_once() {
    let gateway = Gateway::start();
    let expected: Vec<_> = (0..100).map(|n| format!("p-{n}")).collect();
    for id in &expected {
        gateway.commit("acme", id, Some(Answer::Ack));
        gateway.commit("globex", id, Some(Answer::Nack));
    }
    for limit in [1, 31, 32, 33, 50, 99, 100, 1000] {
        let (mut found, mut path) = (Vec::new(), format!("/tenants/acme/pushes?limit={limit}"));
        loop {
            let page = get(gateway.public, &path, &[]).json();
            assert!(ids(&page).len() <= limit);
            found.extend(ids(&page).iter().map(ToString::to_string));
            let Some(next) = page["next"].as_str() else { break };
            assert_eq!(ids(&page).len(), limit, "only the last page is short");
            path = format!("/tenants/acme/pushes?limit={limit}&after={next}");
        }
        assert_eq!(found, expected, "limit {limit}");
    }
}

#[test]
fn a_page_has_100_pushes_unless_told_otherwise_and_starts_at_the_oldest() {
    let gateway = Gateway::start();
    for n in 0..101 {
        gateway.commit("acme", &format!("p-{n}"), None);
    }
    for path in ["/tenants/acme/pushes", "/tenants/acme/pushes?after="] {
        let page = get(gateway.public, path, &[]).json();
        assert_eq!((ids(&page).len(), ids(&page)[0]), (100, "p-0"));
        assert_eq!(page["next"], "memory-100");
    }
}

#[test]
fn a_page_past_the_end_is_empty() {
    let gateway = Gateway::start();
    gateway.commit("acme", "p-1", None);
    let page = get(gateway.public, "/tenants/acme/pushes?after=memory-77", &[]).json();
    assert_eq!(page, json!({ "pushes": [], "next": null }));
}

#[test]
fn a_page_of_huge_pushes_ends_early_and_goes_on_by_next() {
    let gateway = Gateway::start();
    let body = "x".repeat(3 << 20);
    for n in 1..=5 {
        gateway.commit_text("acme", &format!("p-{n}"), None, &body);
    }
    let first = get(gateway.public, "/tenants/acme/pushes", &[]).json();
    assert_eq!((ids(&first), &first["next"]), (vec!["p-1", "p-2", "p-3"], &json!("memory-3")));
    let second = get(gateway.public, "/tenants/acme/pushes?after=memory-3", &[]).json();
    assert_eq!((ids(&second), &second["next"]), (vec!["p-4", "p-5"], &Value::Null));
}

#[test]
fn a_page_that_did_not_change_is_not_sent_again() {
    let gateway = Gateway::start();
    gateway.commit("acme", "p-1", Some(Answer::Ack));
    gateway.commit("globex", "p-1", None);
    let path = "/tenants/acme/pushes";
    let first = get(gateway.public, path, &[]);
    let tag = first.header("etag").unwrap().to_owned();
    assert!(tag.starts_with("W/\"memory-"), "{tag}");
    let asked = |value: &str| get(gateway.public, path, &[&format!("If-None-Match: {value}")]);
    for value in [tag.clone(), format!("\"x\", {tag}"), tag.trim_start_matches("W/").to_owned(), "*".to_owned()] {
        let again = asked(&value);
        assert_eq!((again.status, again.body.as_str(), again.header("etag")), (304, "", Some(tag.as_str())), "{value}");
        assert_eq!(again.header("cache-control"), Some("private, no-cache"));
        assert_eq!(again.header("vary"), Some("Authorization, Cookie"));
    }
    for value in ["\"x\"", "x", "", "\"", "\u{fe}"] {
        assert_eq!(asked(value).status, 200, "{value}");
    }
    let head = request(gateway.public, "HEAD", path, &[]);
    assert_eq!((head.status, head.body.as_str(), head.header("etag")), (200, "", Some(tag.as_str())));

    gateway.commit("globex", "p-2", None);
    assert_eq!(asked(&tag).status, 304, "another tenant's push is none of this page");
    gateway.commit("acme", "p-2", None);
    let changed = asked(&tag);
    assert_eq!(changed.status, 200);
    assert_eq!(ids(&changed.json()), ["p-1", "p-2"]);
    assert_ne!(changed.header("etag"), Some(tag.as_str()));
    let page = get(gateway.public, &format!("{path}?limit=1"), &[]);
    assert_ne!(page.header("etag"), Some(tag.as_str()), "the same push, and there is more");
}
