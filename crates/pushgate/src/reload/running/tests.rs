use std::path::PathBuf;

use super::*;

/// An `[auth]` with a key; the test replaces parts of it.
const JWT: &str = "[auth]\nmode = \"jwt\"\nalgorithm = \"HS256\"\nkey = \"0123456789abcdef0123456789abcdef\"\n";

fn write(text: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pushgate.toml");
    std::fs::write(&file, text).unwrap();
    (folder, file)
}

fn load(text: &str) -> Settings {
    let (_folder, file) = write(text);
    Settings::load(&[file], &[]).unwrap()
}

fn seen(text: &str) -> Seen {
    Seen::of(&load(text))
}

/// What needs a restart, and what is applied.
fn changes(old: &str, new: &str) -> (Vec<String>, Vec<String>) {
    let (running, seen) = (Running::of(&load(old)), seen(new));
    (running.needs_restart(&seen), running.policy_changes(&seen))
}

fn restarts(old: &str, new: &str) -> Vec<String> {
    changes(old, new).0
}

#[test]
fn what_is_read_at_a_start_only_needs_a_restart() {
    let new = "server.bind = \"127.0.0.1:1\"\nserver.base_path = \"/p\"\nserver.limits.head_timeout = \"1s\"\n\
               server.limits.replay_per_second = \"1MiB\"\njournal.fsync = \"never\"\nupstream.backoff.max = \"30s\"";
    let expected = [
        "server.bind",
        "server.base_path",
        "server.limits.head_timeout",
        "server.limits.replay_per_second",
        "journal.fsync",
        "upstream.backoff.max",
    ];
    assert_eq!(restarts("", new), expected);
    assert_eq!(restarts(new, new), [""; 0]);
    assert_eq!(restarts(new, ""), restarts("", new));
    assert_eq!(changes("", new).1, [""; 0]);
}

#[test]
fn tenants_and_what_they_take_over_need_no_restart() {
    let folder = tempfile::tempdir().unwrap();
    let new = format!(
        "tenants_dir = {:?}\nupstream = {{ url = \"ws://h/\", ack = \"delivered\", ack_timeout = \"1s\", \
         ack_on_timeout = \"none\", on_quarantine = \"ack\" }}\n[[tenants]]\nid = \"a\"",
        folder.path()
    );
    assert_eq!(changes("", &new), (Vec::new(), Vec::new()));
    assert_eq!(changes(&new, ""), (Vec::new(), Vec::new()));
}

#[test]
fn who_may_subscribe_and_how_much_is_applied_at_once() {
    let new = format!(
        "server.cors_origins = [\"https://a\"]\nserver.trusted_proxies = [\"10.0.0.1\"]\nserver.limits.streams = 1\n\
         server.limits.body = \"1KiB\"\n{JWT}issuer = \"i\"\nticket_expiry = \"1s\""
    );
    let expected = [
        "server.cors_origins",
        "server.trusted_proxies",
        "server.limits.streams",
        "server.limits.body",
        "auth.mode",
        "auth.algorithm",
        "auth.key",
        "auth.issuer",
        "auth.ticket_expiry",
    ];
    let (restart, applied) = changes("", &new);
    assert_eq!((restart, applied), (Vec::new(), expected.map(ToOwned::to_owned).into()));
}

#[test]
fn what_was_applied_is_no_change_the_next_time() {
    let (mut running, new) = (Running::of(&load("")), seen("server.limits.streams = 1\nserver.workers = 1"));
    assert_eq!(running.policy_changes(&new), ["server.limits.streams"]);
    running.set_applied(new.clone());
    assert_eq!(running.policy_changes(&new), [""; 0]);
    assert_eq!(running.needs_restart(&new), ["server.workers"], "it still does");
}

#[test]
fn tls_is_switched_by_a_restart_and_its_certificate_is_not() {
    let (folder, _) = write("");
    let pem = |name: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, include_str!("../../settings/tests/identity.pem")).unwrap();
        path
    };
    let tls = |name: &str| format!("server.tls = {{ cert = {0:?}, key = {0:?} }}", pem(name));
    let both = ["server.tls.cert", "server.tls.key"].map(ToOwned::to_owned).to_vec();
    assert_eq!(changes("", &tls("a")), (both.clone(), Vec::new()));
    assert_eq!(changes(&tls("a"), ""), (both.clone(), Vec::new()));
    assert_eq!(changes(&tls("a"), &tls("b")), (Vec::new(), both));
}

#[test]
fn a_changed_secret_is_named_once_whatever_its_form() {
    for (key, text) in [("admin.token", "admin.token = { file = @ }"), ("auth.key", "[auth]\nkey = { file = @ }")] {
        let (folder, config) = write("");
        let file = folder.path().join("secret");
        let text = text.replace('@', &format!("{file:?}"));
        std::fs::write(&config, &text).unwrap();
        let seen = |secret: &str| {
            std::fs::write(&file, secret).unwrap();
            Settings::load(std::slice::from_ref(&config), &[]).unwrap()
        };
        let running = Running::of(&seen("a"));
        assert_eq!(Seen::of(&seen("a")).differences(&running.started), [""; 0]);
        assert_eq!(Seen::of(&seen("b")).differences(&running.started), [key]);
        let literal = text.replace(&format!("{{ file = {file:?} }}"), "\"a\"");
        assert_eq!(self::seen(&literal).differences(&running.started), [key]);
        assert_eq!(self::seen("").differences(&running.started), [key]);
    }
    assert_eq!(restarts("admin.token = \"a\"", "admin.token = \"b\""), ["admin.token"]);
}

#[test]
fn a_changed_file_of_keys_is_seen() {
    let (folder, config) = write("");
    let file = folder.path().join("jwks");
    std::fs::write(&config, format!("[auth]\nmode = \"jwt\"\njwks_file = {file:?}")).unwrap();
    let seen = |kid: &str| {
        let key = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE";
        let keys = format!(r#"{{"keys":[{{"kty":"oct","alg":"HS256","kid":{kid:?},"k":{key:?}}}]}}"#);
        std::fs::write(&file, keys).unwrap();
        Settings::load(std::slice::from_ref(&config), &[]).unwrap()
    };
    let running = Running::of(&seen("a"));
    assert_eq!(running.policy_changes(&Seen::of(&seen("a"))), [""; 0]);
    assert_eq!(running.policy_changes(&Seen::of(&seen("b"))), ["auth.jwks_file"]);
}

#[test]
fn nobody_is_let_in_on_an_address_that_tokens_opened() {
    let open = "server.bind = \"0.0.0.0:8080\"\n";
    let running = Running::of(&load(&format!("{open}{JWT}")));
    // Valid by itself: it names a loopback address, which only a restart would take.
    assert!(matches!(running.check_exposure(&load("")), Err(ReloadError::Exposed(_))));
    assert!(running.check_exposure(&load("auth.allow_insecure = true")).is_ok());
    assert!(running.check_exposure(&load(JWT)).is_ok());
    assert!(Running::of(&load(JWT)).check_exposure(&load("")).is_ok());
}
