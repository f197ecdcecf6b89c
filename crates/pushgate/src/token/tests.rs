use clap::Parser;

use super::*;

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    args: TokenArgs,
}

fn args(line: &[&str]) -> TokenArgs {
    Line::try_parse_from(["token"].iter().chain(line)).unwrap().args
}

fn settings(algorithm: Option<&'static str>, key: Option<&str>) -> TokenSettings {
    TokenSettings { algorithm, key: key.map(Into::into), ..TokenSettings::default() }
}

fn usage(result: Result<impl std::fmt::Debug, Failure>) -> String {
    match result.unwrap_err() {
        Failure::Usage(text) => text,
        failure @ Failure::Runtime(_) => panic!("{failure}"),
    }
}

#[test]
fn the_configured_algorithm_counts() {
    let configured = settings(Some("ES256"), None);
    assert_eq!(algorithm(None, &configured).unwrap(), "ES256");
    assert_eq!(algorithm(Some("ES256"), &configured).unwrap(), "ES256");
    assert!(usage(algorithm(Some("HS256"), &configured)).contains("auth.algorithm is ES256"));
    let none = settings(None, None);
    assert_eq!(algorithm(Some("EdDSA"), &none).unwrap(), "EdDSA");
    assert!(usage(algorithm(None, &none)).contains("HS256, RS256, ES256, EdDSA"));
}

#[test]
fn only_a_secret_of_the_configuration_signs() {
    let hs256 = settings(Some("HS256"), Some("secret"));
    assert_eq!(key_text(None, &hs256, "HS256").unwrap().expose_secret(), "secret");
    let public = settings(Some("ES256"), Some("-----BEGIN PUBLIC KEY-----"));
    assert!(usage(key_text(None, &public, "ES256")).contains("can't sign"));
    assert!(usage(key_text(None, &settings(None, None), "HS256")).contains("auth.key is not set"));
}

#[test]
fn a_signing_key_is_read_from_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key");
    std::fs::write(&file, "private\n").unwrap();
    let read = key_text(Some(&file), &settings(Some("HS256"), Some("secret")), "HS256").unwrap();
    assert_eq!(read.expose_secret(), "private");
    let absent = Path::new("/nonexistent/key");
    assert!(usage(key_text(Some(absent), &settings(None, None), "ES256")).contains("/nonexistent/key"));
}

#[test]
fn all_tenants_stand_alone() {
    let scope = |line: &[&str]| scope(&args(line).tenants);
    assert!(matches!(scope(&["*"]).unwrap(), Scope::All));
    assert!(matches!(scope(&["a", "b"]).unwrap(), Scope::Some(tenants) if tenants.len() == 2));
    for mixed in [&["*", "a"][..], &["a", "*"], &["*", "*"]] {
        assert!(usage(scope(mixed)).contains("give it alone"), "{mixed:?}");
    }
}
