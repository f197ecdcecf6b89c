//! The settings of the admin API's tenants.

use pushgate_session::AckPolicy;
use pushgate_upstream::{Source, TenantMistake, TenantReader, TenantSettings};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use super::{Files, IDENTITY, load};
use crate::settings::RequestReader;

const UPSTREAM: &str = "upstream = { url = \"ws://h/{tenant}\", ack = \"delivered\" }";

fn reader(text: &str) -> RequestReader {
    let settings = Files::new(&[text]).load(&[("T", "t0ken"), ("EMPTY", "")]).unwrap();
    RequestReader::new(settings.sources, settings.tenant_defaults)
}

fn read(reader: &RequestReader, settings: &Value) -> Result<TenantSettings, Vec<TenantMistake>> {
    reader.read(&"a".parse().unwrap(), settings.as_object().unwrap())
}

/// The keys of the mistakes.
fn mistakes(settings: &Value) -> Vec<String> {
    let found = read(&reader(UPSTREAM), settings).unwrap_err();
    assert!(found.iter().all(|mistake| !mistake.allowed.is_empty()));
    found.into_iter().map(|mistake| mistake.key).collect()
}

#[test]
fn nothing_given_is_all_taken_over() {
    let settings = read(&reader(UPSTREAM), &json!({})).unwrap();
    assert_eq!((settings.config.id.as_str(), settings.config.url.as_str()), ("a", "ws://h/a"));
    assert_eq!((settings.config.source, settings.config.answers.policy), (Source::Api, AckPolicy::Delivered));
    assert!(settings.config.enabled && settings.shown.is_empty());
}

#[test]
fn every_key_of_a_file_is_one_of_a_request() {
    let given = json!({
        "id": "a", "url": "wss://x/", "bearer": { "env": "T" }, "headers": { "X-Key": "k" }, "query": { "v": "2" },
        "subprotocol": "p", "client_cert": IDENTITY, "client_key": IDENTITY, "proxy": "http://u:p@h", "enabled": false,
        "ack": "confirmed", "ack_timeout": "5s", "ack_on_timeout": "none", "on_quarantine": "ack"
    });
    let TenantSettings { config, shown } = read(&reader(UPSTREAM), &given).unwrap();
    assert_eq!(config.bearer.unwrap().expose_secret(), "t0ken");
    assert_eq!((config.url.as_str(), config.enabled), ("wss://x/", false));
    assert_eq!((config.answers.policy, config.answers.on_timeout), (AckPolicy::Confirmed, None));
    assert!(config.identity.is_some() && config.proxy.is_some());
    let mut expected = given;
    for key in ["client_cert", "client_key", "proxy"] {
        expected[key] = "***".into();
    }
    expected["headers"]["X-Key"] = "***".into();
    expected["query"]["v"] = "***".into();
    expected.as_object_mut().unwrap().remove("id");
    assert_eq!(json!(shown), expected);
}

#[test]
fn null_is_no_value() {
    let given =
        json!({ "url": null, "bearer": null, "enabled": null, "ack": null, "headers": { "X": null }, "query": null });
    let settings = read(&reader(UPSTREAM), &given).unwrap();
    assert_eq!(json!(settings.shown), json!({ "headers": {} }));
    assert!(settings.config.enabled && settings.config.headers.is_empty());
}

#[test]
fn mistakes_name_the_key_of_the_request() {
    for (settings, expected) in [
        (json!({ "id": "b" }), &["id"][..]),
        (json!({ "id": 1 }), &["id"]),
        (json!({ "url": "http://h/", "enabled": "true" }), &["url", "enabled"]),
        (json!({ "bearer": "a b", "headers": { "Host": "h", "X": 1 } }), &["bearer", "headers.Host", "headers.X"]),
        (json!({ "bearer": { "env": "NOT_SET" } }), &["bearer"]),
        (json!({ "bearer": { "env": "EMPTY" } }), &["bearer"]),
        (json!({ "bearer": { "file": "/nonexistent" } }), &["bearer"]),
        (json!({ "bearer": "***" }), &["bearer"]),
        (json!({ "headers": { "X": "***" }, "query": [] }), &["headers.X", "query"]),
        (json!({ "client_cert": IDENTITY }), &["client_key"]),
        (json!({ "ack": "read", "ack_timeout": 30, "ack_on_timeout": null }), &["ack", "ack_timeout"]),
        (json!({ "bearr": "x", "tenants": [] }), &["bearr", "tenants"]),
        (json!({ "enabled": 18_446_744_073_709_551_615_u64, "ack_timeout": 1e300 }), &["enabled", "ack_timeout"]),
    ] {
        assert_eq!(mistakes(&settings), expected, "{settings}");
    }
    let without_url = reader("");
    assert_eq!(read(&without_url, &json!({})).unwrap_err()[0].key, "url");
}

#[test]
fn what_upstream_says_now_is_taken_over() {
    let reader = reader(UPSTREAM);
    reader.set_defaults(load("upstream.url = \"ws://new/\"").unwrap().tenant_defaults);
    let config = read(&reader, &json!({})).unwrap().config;
    assert_eq!((config.url.as_str(), config.answers.policy), ("ws://new/", AckPolicy::Stored));
}

#[test]
fn a_file_is_read_at_each_call() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    let (reader, given) = (reader(UPSTREAM), json!({ "bearer": { "file": file } }));
    for token in ["a", "b"] {
        std::fs::write(&file, token).unwrap();
        let config = read(&reader, &given).unwrap().config;
        assert_eq!(config.bearer.unwrap().expose_secret(), token);
    }
}

#[test]
fn no_secret_is_ever_shown() {
    let reader = reader(UPSTREAM);
    let secret = "s3cr3t";
    let good = json!({ "bearer": secret, "headers": { "X": secret }, "query": { "k": secret }, "proxy": format!("http://u:{secret}@h") });
    let settings = read(&reader, &good).unwrap();
    assert!(!format!("{settings:?}{reader:?}{}", json!(settings.shown)).contains(secret));
    assert!(!format!("{reader:?}").contains("t0ken"));
    for bad in [
        json!({ "bearer": format!("{secret} {secret}") }),
        json!({ "bearer": [secret] }),
        json!({ "bearer": { "value": secret } }),
        json!({ "bearer": { "env": [secret] } }),
        json!({ "headers": secret }),
        json!({ "headers": { "X": format!("{secret}\n") } }),
        json!({ "proxy": format!("{secret}@h") }),
        json!({ "client_cert": secret, "client_key": secret }),
        json!({ "url": format!("ws://u:{secret}@h/") }),
        json!({ "token": secret }),
    ] {
        let mistakes = read(&reader, &bad).unwrap_err();
        assert!(!format!("{mistakes:?}").contains(secret), "{bad}: {mistakes:?}");
    }
}
