//! `pushgate token`: what it prints is what a gateway of the same configuration admits.

use std::{fs, path::Path};

use pushgate_subscriber::{HttpClient, HttpConfig, Response};
use rcgen::KeyPair;

use crate::{
    process::output,
    stack::{Stack, run},
};

const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// The one line on standard output.
fn token(arguments: &[&str], config: &Path) -> String {
    let output = output(&[&["token", "--config", config.to_str().unwrap()], arguments].concat());
    let (text, notes) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert_eq!(output.status.code(), Some(0), "{notes}");
    assert!(notes.contains("until 2"), "{notes}");
    let token = text.strip_suffix('\n').expect("a line");
    assert!(token.split('.').count() == 3 && token.bytes().all(|b| b.is_ascii_graphic()), "{token}");
    token.to_owned()
}

/// Why there is none.
fn refusal(arguments: &[&str], config: &Path) -> String {
    let output = output(&[&["token", "--config", config.to_str().unwrap()], arguments].concat());
    assert_eq!(output.status.code(), Some(2));
    assert!(output.stdout.is_empty());
    String::from_utf8(output.stderr).unwrap()
}

async fn ask(stack: &Stack, path: &str, token: Option<&str>) -> Response {
    let config = HttpConfig { bearer: token.map(Into::into), ..HttpConfig::default() };
    HttpClient::new(config).get(&format!("http://{}{path}", stack.gateway.public)).await.unwrap()
}

/// What this token, and none, gets of the tenants a and b.
async fn statuses(stack: &Stack, token: &str) -> [u16; 3] {
    [
        ask(stack, "/tenants/a/pushes", Some(token)).await.status,
        ask(stack, "/tenants/b/pushes", Some(token)).await.status,
        ask(stack, "/tenants/a/pushes", None).await.status,
    ]
}

#[test]
fn the_configured_secret_signs_for_the_tenants_that_are_named() {
    run(async {
        let auth = format!(
            "[auth]\nmode = \"jwt\"\nalgorithm = \"HS256\"\nkey = {SECRET:?}\nissuer = \"me\"\naudience = \"pushgate\"\n"
        );
        let stack = Stack::with(&auth).await;
        let config = stack.folder.path().join("auth.toml");
        fs::write(&config, auth).unwrap();
        assert_eq!(statuses(&stack, &token(&["a"], &config)).await, [200, 403, 401]);
        assert_eq!(statuses(&stack, &token(&["a", "b", "--expires", "30d"], &config)).await, [200, 200, 401]);
        assert_eq!(statuses(&stack, &token(&["*", "--subject", "x"], &config)).await, [200, 200, 401]);
        stack.stop().await;
    });
}

#[test]
fn a_private_key_signs_what_the_configured_public_key_admits() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let (key, other) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
        let file = |name: &str, text: String| {
            let path = folder.path().join(name);
            fs::write(&path, text).unwrap();
            path
        };
        let public = file("public.pem", key.public_key_pem());
        let private = file("private.pem", key.serialize_pem());
        let foreign = file("foreign.pem", other.serialize_pem());
        let auth = format!("[auth]\nmode = \"jwt\"\nalgorithm = \"ES256\"\nkey = {{ file = {public:?} }}\n");
        let config = file("auth.toml", auth.clone());
        let stack = Stack::with(&auth).await;
        let minted = token(&["a", "--signing-key", private.to_str().unwrap(), "--kid", "k"], &config);
        assert_eq!(statuses(&stack, &minted).await, [200, 403, 401]);
        let minted = token(&["a", "--signing-key", foreign.to_str().unwrap()], &config);
        assert_eq!(statuses(&stack, &minted).await, [401, 401, 401]);
        assert!(refusal(&["a"], &config).contains("--signing-key"));
        assert!(refusal(&["a", "--signing-key", public.to_str().unwrap()], &config).contains("ES256"));
        stack.stop().await;
    });
}

#[test]
fn wrong_usage_says_what_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("auth.toml");
    fs::write(&config, "").unwrap();
    assert!(refusal(&["a"], &config).contains("--algorithm"));
    assert!(refusal(&["a", "--algorithm", "HS256"], &config).contains("auth.key is not set"));
    assert!(refusal(&["A"], &config).contains("tenant id"));
    assert!(refusal(&["*", "a"], &config).contains("alone"));
    fs::write(&config, "auth.mode = \"jwt\"").unwrap();
    assert!(refusal(&["a"], &config).contains("auth.key"));
}
