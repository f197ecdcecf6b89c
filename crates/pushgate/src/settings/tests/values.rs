use std::time::Duration;

use pushgate_journal::Fsync;
use pushgate_model::Answer;
use secrecy::ExposeSecret as _;

use super::load;

#[test]
fn every_form_of_fsync_is_read() {
    for (text, expected) in
        [("always", Fsync::Always), ("never", Fsync::Never), ("250ms", Fsync::Every(Duration::from_millis(250)))]
    {
        assert_eq!(load(&format!("journal.fsync = {text:?}")).unwrap().journal.fsync, expected);
    }
}

#[test]
fn zero_is_off_where_the_key_says_so() {
    for zero in ["0", "\"0\"", "\"0s\""] {
        let settings = load(&format!("journal.retention.max_age = {zero}")).unwrap();
        assert_eq!(settings.journal.retention.max_age, Duration::ZERO, "{zero}");
    }
    let text = "[journal.retention]\nmax_pushes_per_tenant = 0\nmax_bytes = 0\nquarantine = \"0B\"";
    let retention = load(text).unwrap().journal.retention;
    assert_eq!((retention.max_pushes_per_tenant, retention.max_bytes, retention.quarantine), (0, 0, 0));
}

#[test]
fn a_tenant_takes_over_what_it_does_not_say() {
    let settings = load(
        "upstream = { url = \"wss://h/{tenant}?x={tenant}\", on_quarantine = \"ack\" }\n\
         [[tenants]]\nid = \"a\"\n\
         [[tenants]]\nid = \"b\"\nurl = \"ws://[::1]:1/\"\nenabled = false\non_quarantine = \"nack\"\n\
         bearer = \"t\"\nheaders = { X-B = \"1\", x-a = \"2\" }\nquery = { \"k y\" = \"ä\" }\n",
    )
    .unwrap();
    let [a, b] = &settings.tenants[..] else { panic!("two tenants") };
    let (a, b) = (&a.config, &b.config);
    assert_eq!((a.id.as_str(), a.url.as_str()), ("a", "wss://h/a?x=a"));
    assert!(a.enabled && a.bearer.is_none() && a.headers.is_empty() && a.query.is_empty());
    assert_eq!((a.answers.on_quarantine, b.answers.on_quarantine), (Answer::Ack, Answer::Nack));
    assert_eq!((b.url.as_str(), b.enabled), ("ws://[::1]:1/", false));
    assert_eq!(b.bearer.as_ref().unwrap().expose_secret(), "t");
    let names: Vec<_> = b.headers.iter().map(|(name, value)| (name.as_str(), value.expose_secret())).collect();
    assert_eq!(names, [("X-B", "1"), ("x-a", "2")]);
    assert_eq!((b.query[0].0.as_str(), b.query[0].1.expose_secret()), ("k y", "ä"));
}

#[test]
fn a_public_bind_is_allowed_on_request() {
    let text =
        "server.bind = \"[::]:8080\"\nauth.allow_insecure = true\nadmin = { bind = \"0.0.0.0:9090\", token = \"t\" }";
    let settings = load(text).unwrap();
    assert_eq!(settings.http.public.bind.to_string(), "[::]:8080");
    assert!(settings.http.admin.token.is_some());
}

#[test]
fn roots_are_looked_at() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    let text = format!("upstream.ca_file = {file:?}");
    assert!(load(&text).is_err(), "there is none");
    std::fs::write(&file, "no certificate").unwrap();
    assert!(load(&text).is_err(), "it is something else");
    std::fs::write(&file, "-----BEGIN CERTIFICATE-----\n").unwrap();
    assert_eq!(load(&text).unwrap().upstream.ca_file, Some(file));
}
