//! What a tenant may say, and what is told of it.

use std::time::Duration;

use pushgate_model::Answer;
use pushgate_session::{AckPolicy, AnswerConfig};
use pushgate_upstream::{Source, TenantSettings};
use secrecy::ExposeSecret as _;
use serde_json::json;

use super::{Files, IDENTITY, load, places};

/// The only tenant, with these keys.
fn tenant(keys: &str) -> TenantSettings {
    let settings = load(&format!("[[tenants]]\nid = \"a\"\n{keys}")).unwrap();
    let [tenant] = <[_; 1]>::try_from(settings.tenants).unwrap();
    tenant
}

#[test]
fn answers_are_taken_over_key_by_key() {
    let settings = load(
        "upstream = { url = \"ws://h/\", ack = \"delivered\", ack_timeout = \"5s\", ack_on_timeout = \"none\" }\n\
         [[tenants]]\nid = \"a\"\n\
         [[tenants]]\nid = \"b\"\nack = \"confirmed\"\nack_on_timeout = \"ack\"\n\
         [[tenants]]\nid = \"c\"\nack = \"stored\"\nack_timeout = \"1m\"\nack_on_timeout = \"nack\"\non_quarantine = \"ack\"",
    )
    .unwrap();
    let answers: Vec<_> = settings.tenants.iter().map(|tenant| tenant.config.answers).collect();
    let (five, minute) = (Duration::from_secs(5), Duration::from_secs(60));
    let config =
        |policy, timeout, on_timeout, on_quarantine| AnswerConfig { policy, timeout, on_timeout, on_quarantine };
    assert_eq!(answers[0], config(AckPolicy::Delivered, five, None, Answer::Nack));
    assert_eq!(answers[1], config(AckPolicy::Confirmed, five, Some(Answer::Ack), Answer::Nack));
    assert_eq!(answers[2], config(AckPolicy::Stored, minute, Some(Answer::Nack), Answer::Ack));
    let effective = settings.effective.to_string();
    let tenants = effective.split("[[tenants]]").collect::<Vec<_>>();
    for line in ["ack = \"delivered\"", "ack_timeout = \"5s\"", "ack_on_timeout = \"none\"", "on_quarantine = \"nack\""]
    {
        assert!(tenants[1].lines().any(|shown| shown == line), "{line} is missing in: {effective}");
    }
}

#[test]
fn without_a_word_the_defaults_hold() {
    assert_eq!(tenant("url = \"ws://h/\"").config.answers, AnswerConfig::default());
    assert_eq!(load("").unwrap().upstream.in_flight_total, 64 << 20);
}

#[test]
fn every_way_to_dial_is_read() {
    let config = tenant(&format!(
        "url = \"wss://h/\"\nsubprotocol = \"push.v1+x\"\nproxy = \"http://u:p%40@proxy\"\n\
         client_cert = '''{IDENTITY}'''\nclient_key = '''{IDENTITY}'''"
    ))
    .config;
    assert_eq!((config.source, config.subprotocol.as_deref()), (Source::File, Some("push.v1+x")));
    let proxy = config.proxy.unwrap();
    let (user, password) = proxy.credentials.unwrap();
    assert_eq!((proxy.host.as_str(), proxy.port), ("proxy", 80));
    assert_eq!((user.as_str(), password.expose_secret()), ("u", "p@"));
    let identity = config.identity.unwrap();
    assert_eq!((identity.certificate.expose_secret(), identity.key.expose_secret()), (IDENTITY, IDENTITY));
}

#[test]
fn a_certificate_needs_its_key_and_tls() {
    let (cert, key) = (format!("client_cert = '''{IDENTITY}'''\n"), format!("client_key = '''{IDENTITY}'''\n"));
    for (keys, expected) in [
        (format!("url = \"wss://h/\"\n{cert}"), ("0.toml:1", "tenants[0].client_key")),
        (format!("url = \"wss://h/\"\n{key}"), ("0.toml:1", "tenants[0].client_cert")),
        (format!("url = \"WS://h/\"\n{cert}{key}"), ("0.toml:4", "tenants[0].client_cert")),
    ] {
        let found = places(load(&format!("[[tenants]]\nid = \"a\"\n{keys}")));
        assert_eq!(found, [(expected.0.to_owned(), expected.1.to_owned())], "{keys}");
    }
}

#[test]
fn a_certificate_that_can_not_be_used_is_a_mistake() {
    let key = IDENTITY.lines().skip_while(|line| !line.contains("PRIVATE KEY")).collect::<Vec<_>>();
    let cut = [key[0], key[1], key[4]].join("\n");
    let text = format!(
        "[[tenants]]\nid = \"a\"\nurl = \"wss://h/\"\nclient_cert = \"\"\"{IDENTITY}\"\"\"\nclient_key = \"\"\"{cut}\"\"\""
    );
    let mistakes = load(&text).unwrap_err();
    assert_eq!((mistakes.0.len(), mistakes.0[0].key.as_str()), (1, "tenants[0].client_key"));
    assert!(!mistakes.to_string().contains(&key[1][..8]), "{mistakes}");
}

#[test]
fn a_subprotocol_is_one_token() {
    let long = "x".repeat(129);
    for bad in ["", "a b", "a,b", "a/b", "ä", "\"", long.as_str()] {
        let text = format!("[[tenants]]\nid = \"a\"\nurl = \"ws://h/\"\nsubprotocol = {bad:?}");
        assert_eq!(load(&text).unwrap_err().0[0].key, "tenants[0].subprotocol", "{bad}");
    }
}

#[test]
fn what_is_told_is_what_was_given_without_its_secrets() {
    let text = "upstream = { url = \"ws://h/\", ack = \"delivered\" }\n[[tenants]]\nid = \"a\"\nbearer = \"s3cr3t\"\n\
                headers = { X = { env = \"T\" }, Y = \"s3cr3t\" }\nquery = {}\nack_timeout = \"60s\"\nenabled = false\n\
                [[tenants]]\nid = \"b\"";
    let settings = Files::new(&[text]).load(&[("T", "s3cr3t")]).unwrap();
    let shown = settings.tenants.iter().map(|tenant| json!(tenant.shown)).collect::<Vec<_>>();
    let given = json!({
        "bearer": "***", "headers": { "X": { "env": "T" }, "Y": "***" }, "query": {}, "ack_timeout": "60s", "enabled": false
    });
    assert_eq!(shown, [given, json!({})]);
    assert!(!format!("{settings:?}").contains("s3cr3t"));
}
