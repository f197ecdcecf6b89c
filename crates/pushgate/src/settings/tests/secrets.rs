use std::path::Path;

use secrecy::ExposeSecret as _;

use super::{Files, load};

const SECRET: &str = "s3cr3t";

fn token(files: &Files, env: &[(&str, &str)]) -> String {
    files.load(env).unwrap().http.admin.token.unwrap().expose_secret().to_owned()
}

#[test]
fn a_secret_is_a_literal_a_variable_or_a_file() {
    assert_eq!(token(&Files::new(&["admin.token = \"a\""]), &[]), "a");
    assert_eq!(token(&Files::new(&["admin.token = { env = \"T\" }"]), &[("T", "b")]), "b");
    for (content, expected) in [("c", "c"), ("c\n", "c"), ("c\r\n", "c")] {
        let files = Files::new(&[""]);
        let file = files.folder.path().join("token");
        std::fs::write(&file, content).unwrap();
        std::fs::write(&files.paths[0], format!("admin.token = {{ file = {file:?} }}")).unwrap();
        assert_eq!(token(&files, &[]), expected, "{content:?}");
    }
}

#[test]
fn an_empty_or_huge_file_is_no_secret() {
    for content in [String::new(), "\n".to_owned(), "x".repeat(100_000)] {
        let files = Files::new(&[""]);
        let file = files.folder.path().join("token");
        std::fs::write(&file, &content).unwrap();
        std::fs::write(&files.paths[0], format!("admin.token = {{ file = {file:?} }}")).unwrap();
        assert_eq!(files.load(&[]).unwrap_err().0[0].key, "admin.token", "{} bytes", content.len());
    }
}

#[test]
fn a_secret_that_would_be_waited_for_is_a_mistake() {
    let files = Files::new(&["", ""]);
    let (pipe, link) = (files.folder.path().join("pipe"), files.folder.path().join("link"));
    rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RUSR).unwrap();
    std::os::unix::fs::symlink(&pipe, &link).unwrap();
    for file in [pipe.as_path(), &link, files.folder.path(), Path::new("/dev/zero")] {
        std::fs::write(&files.paths[0], format!("admin.token = {{ file = {file:?} }}")).unwrap();
        std::fs::write(&files.paths[1], format!("upstream.ca_file = {file:?}")).unwrap();
        let mistakes = files.load(&[]).unwrap_err();
        let keys: Vec<_> = mistakes.0.iter().map(|mistake| mistake.key.as_str()).collect();
        assert_eq!(keys, ["admin.token", "upstream.ca_file"], "{file:?}");
        assert!(mistakes.0.iter().all(|mistake| mistake.allowed.contains("regular file")), "{mistakes}");
    }
}

#[test]
fn a_secret_may_stand_behind_links() {
    // As Kubernetes mounts secrets.
    let files = Files::new(&[""]);
    let folder = files.folder.path();
    std::fs::create_dir(folder.join("..1")).unwrap();
    std::fs::write(folder.join("..1/token"), "t").unwrap();
    std::os::unix::fs::symlink("..1", folder.join("..data")).unwrap();
    std::os::unix::fs::symlink("..data/token", folder.join("token")).unwrap();
    let token_file = folder.join("token");
    std::fs::write(&files.paths[0], format!("admin.token = {{ file = {token_file:?} }}")).unwrap();
    assert_eq!(token(&files, &[]), "t");
}

#[test]
fn a_later_form_of_a_secret_replaces_the_earlier_one() {
    let files = Files::new(&["admin.token = { file = \"/nonexistent\" }", "[admin]\ntoken = { env = \"T\" }"]);
    assert_eq!(token(&files, &[("T", "a")]), "a");
    assert_eq!(token(&files, &[("T", "a"), ("PUSHGATE__ADMIN__TOKEN", "b")]), "b");
    assert_eq!(token(&files, &[("U", "c"), ("PUSHGATE__ADMIN__TOKEN__ENV", "U")]), "c");
    let files = Files::new(&["admin.token = \"literal\"", "admin.token.env = \"T\""]);
    assert_eq!(token(&files, &[("T", "d")]), "d");
}

#[test]
fn secrets_are_never_shown() {
    let text = format!(
        "admin.token = \"{SECRET}\"\nupstream.url = \"ws://h/\"\n[[tenants]]\nid = \"a\"\nbearer = {{ env = \"T\" }}\n\
         headers = {{ X-Key = \"{SECRET}\", X-Ref = {{ env = \"T\" }} }}\nquery = {{ k = \"{SECRET}\" }}\n\
         proxy = \"http://user:{SECRET}@h\"\n"
    );
    let settings = Files::new(&[&text]).load(&[("T", SECRET)]).unwrap();
    let effective = settings.effective.to_string();
    assert!(!effective.contains(SECRET), "{effective}");
    assert!(!format!("{settings:?}").contains(SECRET));
    // A reference is no secret, and helps whoever looks for the reason.
    for line in [
        "token = \"***\"",
        "bearer = { env = \"T\" }",
        "X-Key = \"***\"",
        "X-Ref = { env = \"T\" }",
        "k = \"***\"",
        "proxy = \"***\"",
    ] {
        assert!(effective.lines().any(|shown| shown == line), "{line} is missing in: {effective}");
    }
}

#[test]
fn mistakes_do_not_show_secrets() {
    let tenant = "[[tenants]]\nid = \"a\"\nurl = \"ws://h/\"\n";
    for text in [
        format!("admin.token = \"{SECRET} {SECRET}\""),
        format!("admin.token = [\"{SECRET}\"]"),
        format!("admin.token = {{ env = [\"{SECRET}\"] }}"),
        format!("admin.token = {{ literal = \"{SECRET}\" }}"),
        format!("admin.tokn = \"{SECRET}\""),
        format!("admin = \"{SECRET}\""),
        format!("tenants = \"{SECRET}\""),
        format!("tenants = [\"{SECRET}\"]"),
        format!("upstream.url = \"wss://user:{SECRET}@h/\""),
        format!("upstream.url = \"wss://h/?key={SECRET}#\""),
        format!("upstream.url = [\"{SECRET}\"]"),
        format!("{tenant}bearer = \"{SECRET}\\n\""),
        format!("{tenant}headers = \"X-Key: {SECRET}\""),
        format!("{tenant}headers = {{ Host = \"{SECRET}\", X = \"{SECRET}\\n\" }}"),
        format!("{tenant}query = [\"{SECRET}\"]"),
        format!("{tenant}proxy = \"socks5://user:{SECRET}@h\""),
        format!("{tenant}proxy = \"http://user:{SECRET}%@h\""),
        format!("{tenant}client_cert = \"{SECRET}\"\nclient_key = \"{SECRET}\""),
        format!("{tenant}bearer = \"{SECRET}\" x"),
        format!("{tenant}bearer = \"{SECRET}"),
        format!("{tenant}bearer = {SECRET}"),
    ] {
        let mistakes = load(&text).unwrap_err();
        assert!(!format!("{mistakes}{mistakes:?}").contains(SECRET), "{text}: {mistakes}");
    }
}

#[test]
fn a_secret_that_is_not_utf8_is_a_mistake() {
    let files = Files::new(&["upstream.url = \"ws://h/\"\n[[tenants]]\nid = \"a\"\nquery = { k = { env = \"T\" } }"]);
    assert!(files.load(&[("T", "\u{fffd}")]).is_err());
}
