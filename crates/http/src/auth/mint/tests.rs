use super::*;

const RSA: &str = include_str!("../../../tests/http/keys/rsa.pem");
const P256: &str = include_str!("../../../tests/http/keys/p256.pem");
const SEC1: &str = include_str!("../../../tests/http/keys/p256.sec1.pem");
const ED25519: &str = include_str!("../../../tests/http/keys/ed25519.pem");
const PUBLIC: &str = include_str!("../../../tests/http/keys/p256.pub.pem");
const SECRET: &str = "0123456789abcdef0123456789abcdef";

#[test]
fn each_algorithm_signs_by_its_own_key_alone() {
    let table = [("HS256", SECRET), ("RS256", RSA), ("ES256", P256), ("EdDSA", ED25519)];
    for (algorithm, _) in table {
        for (of, text) in table {
            assert_eq!(SigningKey::new(algorithm, text).is_ok(), algorithm == of, "{of} under {algorithm}");
        }
    }
    for (algorithm, text) in [("ES256", SEC1), ("ES256", PUBLIC), ("HS256", "short"), ("none", SECRET), ("RS256", "")] {
        assert!(SigningKey::new(algorithm, text).is_err(), "{algorithm}");
    }
    let cut = RSA.replacen("-----BEGIN PRIVATE KEY-----\nMII", "-----BEGIN PRIVATE KEY-----\nMIJ", 1);
    assert!(SigningKey::new("RS256", &cut).is_err());
    let shown = format!("{:?}", SigningKey::new("HS256", SECRET).unwrap());
    assert!(!shown.contains("0123") && !shown.contains("48, 49"), "{shown}");
}

#[test]
fn a_token_says_what_it_was_asked_to() {
    let claims = Claims {
        tenants: Scope::Some(vec!["acme".parse().unwrap()]),
        presence: true,
        issuer: Some("me".to_owned()),
        audience: None,
        subject: Some("you".to_owned()),
        issued_at: Timestamp::from_millis(1_500),
        expires_at: Timestamp::from_millis(9_999),
        key_id: Some("one".to_owned()),
    };
    let key = SigningKey::new("HS256", SECRET).unwrap();
    let token = mint(&key, &claims);
    let part = |index: usize| {
        use base64::Engine as _;
        let text = token.split('.').nth(index).unwrap();
        String::from_utf8(base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(text).unwrap()).unwrap()
    };
    assert_eq!(part(0), r#"{"typ":"JWT","alg":"HS256","kid":"one"}"#);
    assert_eq!(part(1), r#"{"iss":"me","sub":"you","iat":1,"exp":9,"tenants":["acme"],"presence":true}"#);
    let all = mint(&key, &Claims { tenants: Scope::All, presence: false, subject: None, key_id: None, ..claims });
    assert_ne!(all, token);
}
