//! Subscribers' words about pushes.

use pushgate_model::Answer;
use serde_json::Value;

use crate::{
    client::{self, get, send},
    gateway::Gateway,
};

fn word(gateway: &Gateway, push_id: &str, body: &str) -> client::Answer {
    send(gateway.public, "POST", &format!("/tenants/acme/pushes/{push_id}/ack"), body)
}

fn answer_of_first(gateway: &Gateway) -> Value {
    get(gateway.public, "/tenants/acme/pushes", &[]).json()["pushes"][0]["answer"].clone()
}

#[test]
fn the_first_word_counts() {
    let gateway = Gateway::start_dialling();
    gateway.commit("acme", "p-1", None);
    let first = word(&gateway, "p-1", r#"{"status":"nack"}"#);
    assert_eq!((first.status, first.body.as_str()), (204, ""), "{first:?}");
    for body in [r#"{"status":"ack"}"#, r#"{"status":"nack"}"#] {
        let late = word(&gateway, "p-1", body);
        assert_eq!((late.status, late.problem().as_str()), (409, "already-answered"));
        assert_eq!(late.json()["answer"], "nack");
    }
    assert_eq!(answer_of_first(&gateway), "nack");
}

#[test]
fn a_push_that_was_answered_has_no_room_for_a_word() {
    let gateway = Gateway::start_dialling();
    gateway.commit("acme", "p-1", Some(Answer::Ack));
    let late = word(&gateway, "p-1", r#"{"status":"nack"}"#);
    assert_eq!((late.problem().as_str(), late.json()["answer"].as_str()), ("already-answered", Some("ack")));
    assert_eq!(answer_of_first(&gateway), "ack");
}

#[test]
fn an_id_is_any_text_percent_encoded() {
    let gateway = Gateway::start_dialling();
    for (id, encoded) in [
        ("a/b", "a%2Fb"),
        ("ä b", "%C3%A4%20b"),
        ("100%25", "100%2525"),
        ("a+b", "a+b"),
        (&"x".repeat(256), &"x".repeat(256)),
    ] {
        gateway.commit("acme", id, None);
        assert_eq!(word(&gateway, encoded, r#"{"status":"ack"}"#).status, 204, "{id}");
    }
}

#[test]
fn what_is_unknown_is_not_found() {
    let gateway = Gateway::start_dialling();
    gateway.commit("globex", "p-1", None);
    for id in ["p-1", "%ff", &"x".repeat(257), &"%C3%A4".repeat(129)] {
        let answer = word(&gateway, id, r#"{"status":"ack"}"#);
        assert_eq!((answer.status, answer.problem().as_str()), (404, "unknown-push"), "{id}");
    }
    for tenant in ["nobody", "ACME", "a%2Fb"] {
        let path = format!("/tenants/{tenant}/pushes/p-1/ack");
        let answer = send(gateway.public, "POST", &path, r#"{"status":"ack"}"#);
        assert_eq!((answer.status, answer.problem().as_str()), (404, "unknown-tenant"), "{tenant}");
    }
}

#[test]
fn anything_else_is_no_word() {
    let gateway = Gateway::start();
    gateway.commit("acme", "p-1", None);
    for body in ["", "ack", "[\"ack\"]", "{}", "{\"status\":\"yes\"}", "{\"status\":\"ack\",\"more\":1}"] {
        let answer = word(&gateway, "p-1", body);
        assert_eq!((answer.status, answer.problem().as_str()), (422, "invalid-word"), "{body}");
    }
    assert_eq!(answer_of_first(&gateway), Value::Null);
    let large = word(&gateway, "p-1", &" ".repeat(1025));
    assert_eq!((large.status, large.problem().as_str()), (413, "body-too-large"));
}

#[test]
fn a_word_that_can_not_be_written_is_not_taken() {
    let gateway = Gateway::start_dialling();
    gateway.commit("acme", "p-1", None);
    gateway.journal.set_failing(Some("no disk"));
    let refused = word(&gateway, "p-1", r#"{"status":"ack"}"#);
    assert_eq!((refused.status, refused.problem().as_str()), (503, "journal-unwritable"));
    assert!(refused.header("retry-after").is_some());
    gateway.journal.set_failing(None);
    assert_eq!(word(&gateway, "p-1", r#"{"status":"ack"}"#).status, 204);
}

#[test]
fn before_the_tenants_are_loaded_a_word_is_told_to_come_back() {
    let gateway = Gateway::start_unready();
    let answer = send(gateway.public, "POST", "/tenants/nobody-yet/pushes/p-1/ack", r#"{"status":"ack"}"#);
    assert_eq!((answer.status, answer.problem().as_str()), (503, "starting"));
}
