//! `[auth]`: what tokens are signed with, and which keys need or exclude each other.

use std::time::Duration;

use pushgate_http::{AuthMode, Keys, SameSite};
use secrecy::ExposeSecret as _;

use super::{Files, IDENTITY, JWKS, Settings, load, places};

const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// Files named in a configuration: each `@NAME` in the text becomes the path of the file NAME, which holds a JWKS, a
/// certificate or a secret.
fn load_with_files(text: &str) -> Result<Settings, super::Mistakes> {
    let files = Files::new(&[""]);
    let mut text = text.to_owned();
    for (name, content) in [("jwks", JWKS), ("pem", IDENTITY), ("secret", SECRET)] {
        let path = files.folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        text = text.replace(&format!("@{name}"), path.to_str().unwrap());
    }
    std::fs::write(&files.paths[0], text).unwrap();
    files.load(&[("SECRET", SECRET)])
}

fn mode(text: &str) -> AuthMode {
    load_with_files(text).unwrap().http.policy.auth.mode
}

#[test]
fn a_key_is_a_literal_a_variable_or_a_file() {
    for form in [&format!("{SECRET:?}"), "{ env = \"SECRET\" }", "{ file = \"@secret\" }"] {
        let settings =
            load_with_files(&format!("[auth]\nmode = \"jwt\"\nalgorithm = \"HS256\"\nkey = {form}")).unwrap();
        assert!(matches!(&settings.http.policy.auth.mode, AuthMode::Jwt(jwt) if matches!(&jwt.keys, Keys::Known(_))));
        let tokens = settings.tokens;
        assert_eq!((tokens.algorithm, tokens.key.unwrap().expose_secret()), (Some("HS256"), SECRET));
        assert!(!settings.effective.to_string().contains(SECRET), "{form}");
    }
}

#[test]
fn a_later_form_of_the_key_replaces_the_earlier_one() {
    let files = Files::new(&[
        "[auth]\nmode = \"jwt\"\nalgorithm = \"HS256\"\nkey = { file = \"/nonexistent\" }",
        "[auth.key]\nenv = \"SECRET\"",
    ]);
    let settings = files.load(&[("SECRET", SECRET)]).unwrap();
    assert_eq!(settings.tokens.key.unwrap().expose_secret(), SECRET);
}

#[test]
fn a_set_of_keys_comes_from_a_file_or_a_url() {
    let AuthMode::Jwt(jwt) = mode("[auth]\nmode = \"jwt\"\njwks_file = \"@jwks\"") else { panic!("another mode") };
    assert!(matches!(jwt.keys, Keys::Known(_)));
    let text = "[auth]\nmode = \"jwt\"\njwks_url = \"https://h/jwks\"\nca_file = \"@pem\"\nissuer = \"i\"\n\
                audience = \"a\"\ncookie = \"session\"";
    let settings = load_with_files(text).unwrap();
    assert_eq!(settings.tokens.authorities.len(), 1);
    let AuthMode::Jwt(jwt) = settings.http.policy.auth.mode else { panic!("another mode") };
    assert!(matches!(&jwt.keys, Keys::Remote { url } if url == "https://h/jwks"));
    assert_eq!((jwt.issuer.as_deref(), jwt.audience.as_deref()), (Some("i"), Some("a")));
    assert_eq!(jwt.cookie.unwrap().as_str(), "session");
}

#[test]
fn cookies_and_tickets_have_their_ways() {
    let auth = load("").unwrap().http.policy.auth;
    assert_eq!((auth.cookie_same_site, auth.ticket_expiry), (SameSite::Strict, Duration::from_secs(30)));
    let auth = load("auth.cookie_same_site = \"lax\"\nauth.ticket_expiry = \"1m\"").unwrap().http.policy.auth;
    assert_eq!((auth.cookie_same_site, auth.ticket_expiry), (SameSite::Lax, Duration::from_secs(60)));
}

#[test]
fn mode_jwt_says_what_it_needs_and_what_would_not_count() {
    let jwt = |more: &str| {
        let text = format!("[auth]\nmode = \"jwt\"\n{more}");
        places(load_with_files(&text)).into_iter().map(|(_, key)| key).collect::<Vec<_>>()
    };
    assert_eq!(jwt(""), ["auth.key"]);
    assert_eq!(jwt("algorithm = \"HS256\""), ["auth.key"]);
    assert_eq!(jwt("key = \"0123456789abcdef0123456789abcdef\""), ["auth.algorithm"]);
    assert_eq!(jwt("algorithm = \"HS256\"\njwks_file = \"@jwks\""), ["auth.algorithm"]);
    assert_eq!(jwt("jwks_file = \"@jwks\"\njwks_url = \"https://h/\""), ["auth.jwks_url"]);
    assert_eq!(jwt("jwks_file = \"@jwks\"\nca_file = \"@pem\""), ["auth.ca_file"]);
    assert_eq!(jwt("jwks_url = \"http://h/\""), ["auth.jwks_url"]);
    assert_eq!(jwt("algorithm = \"none\"\nkey = { file = \"@secret\" }"), ["auth.algorithm"]);
}

#[test]
fn mode_none_leaves_the_other_keys_to_a_later_layer() {
    let text = "[auth]\nalgorithm = \"HS256\"\nkey = { file = \"@secret\" }\njwks_url = \"https://h/\"\nissuer = \"i\"";
    assert!(matches!(mode(text), AuthMode::None));
    // Not what can never be right.
    let wrong = "[auth]\nissuer = \"\"\nticket_expiry = \"11m\"\njwks_file = \"/nonexistent\"\nca_file = \"@jwks\"";
    let keys: Vec<_> = places(load_with_files(wrong)).into_iter().map(|(_, key)| key).collect();
    assert_eq!(keys, ["auth.jwks_file", "auth.ca_file", "auth.issuer", "auth.ticket_expiry"]);
}

#[test]
fn an_address_that_others_can_reach_needs_tokens_or_a_word() {
    let open = "server.bind = \"0.0.0.0:8080\"\n[auth]\n";
    assert_eq!(load(open).unwrap_err().0[0].key, "server.bind");
    assert!(load(&format!("{open}allow_insecure = true")).is_ok());
    assert!(load_with_files(&format!("{open}mode = \"jwt\"\njwks_file = \"@jwks\"")).is_ok());
    // A mistake elsewhere in the section is no second one.
    assert_eq!(load(&format!("{open}mode = \"jwt\"")).unwrap_err().0.len(), 1);
}

#[test]
fn what_is_no_key_of_its_algorithm_is_refused_without_being_shown() {
    let public = rcgen::KeyPair::generate().unwrap();
    let (public, private) = (public.public_key_pem(), public.serialize_pem());
    for (algorithm, key) in [
        ("HS256", "s3cr3t"),
        // A public key is no secret: whoever has it could sign.
        ("HS256", &public),
        ("HS256", &private),
        ("ES256", &private),
        ("RS256", &public),
        ("EdDSA", &public),
        ("ES256", "s3cr3t"),
    ] {
        let text = format!("[auth]\nmode = \"jwt\"\nalgorithm = {algorithm:?}\nkey = {key:?}");
        let mistakes = load(&text).unwrap_err();
        assert_eq!((mistakes.0.len(), mistakes.0[0].key.as_str()), (1, "auth.key"), "{algorithm} {mistakes}");
        let shown = mistakes.to_string();
        assert!(!shown.contains("s3cr3t") && key.lines().nth(1).is_none_or(|line| !shown.contains(line)), "{shown}");
    }
    assert!(load(&format!("[auth]\nmode = \"jwt\"\nalgorithm = \"ES256\"\nkey = {public:?}")).is_ok());
}

#[test]
fn a_file_of_keys_is_a_jwks_of_bounded_size() {
    let files = Files::new(&[""]);
    let jwks = files.folder.path().join("jwks");
    std::fs::write(&files.paths[0], format!("[auth]\nmode = \"jwt\"\njwks_file = {jwks:?}")).unwrap();
    let padded = |size: usize| format!("{JWKS}{}", " ".repeat(size - JWKS.len()));
    std::fs::write(&jwks, padded(super::super::MAX_JWKS)).unwrap();
    assert!(files.load(&[]).is_ok());
    for wrong in ["", "{}", "{\"keys\":[]}", "s3cr3t", &padded(super::super::MAX_JWKS + 1)] {
        std::fs::write(&jwks, wrong).unwrap();
        let mistakes = files.load(&[]).unwrap_err();
        assert_eq!((mistakes.0.len(), mistakes.0[0].key.as_str()), (1, "auth.jwks_file"), "{mistakes}");
        assert!(!mistakes.to_string().contains("s3cr3t"), "{mistakes}");
    }
}
