use std::time::Duration;

use serde_json::json;

use super::*;
use crate::auth::{Claims as Minted, SameSite, SigningKey, mint};

fn now() -> Timestamp {
    Timestamp::from_millis(1_000_000_000_000)
}

fn secret(n: u8) -> String {
    char::from(n).to_string().repeat(32)
}

fn token_by(n: u8, key_id: Option<&str>) -> String {
    let claims = Minted {
        tenants: Scope::All,
        presence: false,
        issuer: Some("me".to_owned()),
        audience: None,
        subject: None,
        issued_at: now(),
        expires_at: now().plus(Duration::from_secs(60)),
        key_id: key_id.map(str::to_owned),
    };
    mint(&SigningKey::new("HS256", &secret(n)).unwrap(), &claims)
}

/// Keys by the first letter of their secrets, with these ids.
fn set(keys: &[(u8, Option<&str>)]) -> Vec<VerifyKey> {
    let key = |(n, id): &(u8, Option<&str>)| VerifyKey::secret(secret(*n).as_bytes(), id.map(str::to_owned)).unwrap();
    keys.iter().map(key).collect()
}

fn jwt(keys: Keys) -> JwtConfig {
    JwtConfig { keys, issuer: None, audience: None, cookie: None }
}

fn known(keys: &[(u8, Option<&str>)]) -> JwtConfig {
    jwt(Keys::Known(set(keys)))
}

fn remote(url: &str) -> JwtConfig {
    jwt(Keys::Remote { url: url.to_owned() })
}

fn config(mode: AuthMode) -> AuthConfig {
    AuthConfig { mode, ticket_expiry: Duration::from_secs(30), cookie_same_site: SameSite::Strict }
}

fn tokens(jwt: JwtConfig) -> AuthConfig {
    config(AuthMode::Jwt(jwt))
}

fn keyring(admission: &Admission) -> &Keyring {
    match admission {
        Admission::Tokens(keyring) => keyring,
        Admission::Everybody { .. } => panic!("everybody is admitted"),
    }
}

fn verify(admission: &Admission, token: &str) -> Result<Lease, Refused> {
    keyring(admission).verify(&Token::parse(token)?, Way::Own, now()).map(|verified| verified.lease)
}

/// The end of a lease that a token of this key has.
fn revocation(admission: &Admission, n: u8, way: Way) -> Revocation {
    let token = token_by(n, None);
    keyring(admission).verify(&Token::parse(&token).unwrap(), way, now()).unwrap().lease.revocation
}

#[test]
fn a_key_id_selects_and_a_key_without_one_is_for_all_others() {
    let admission = Admission::new(&tokens(known(&[(b'a', Some("a")), (b'b', Some("b")), (b'c', None)])));
    let result = |n, id| verify(&admission, &token_by(n, id)).map(drop);
    assert_eq!((result(b'a', Some("a")), result(b'b', Some("b"))), (Ok(()), Ok(())));
    assert_eq!(result(b'a', Some("b")), Err(Refused::Signature), "another key's id");
    assert_eq!((result(b'c', Some("x")), result(b'c', None)), (Ok(()), Ok(())));
    assert_eq!((result(b'b', None), result(b'b', Some("x"))), (Ok(()), Err(Refused::Signature)));
    assert_eq!(result(b'd', None), Err(Refused::Signature));
    let named = Admission::new(&tokens(known(&[(b'a', Some("a"))])));
    assert_eq!(verify(&named, &token_by(b'a', Some("x"))).map(drop), Err(Refused::UnknownKey));
}

#[test]
fn so_many_keys_are_tried_and_no_more() {
    let letters: Vec<_> = (b'A'..).take(KEYS_TRIED + 1).collect();
    let keys: Vec<_> = letters.iter().map(|n| (*n, None)).collect();
    let admission = Admission::new(&tokens(known(&keys)));
    assert!(verify(&admission, &token_by(letters[KEYS_TRIED - 1], None)).is_ok());
    assert_eq!(verify(&admission, &token_by(letters[KEYS_TRIED], None)).map(drop), Err(Refused::Signature));
}

#[test]
fn a_lease_ends_with_its_token() {
    let admission = Admission::new(&tokens(known(&[(b'a', None)])));
    let lease = verify(&admission, &token_by(b'a', None)).unwrap();
    assert_eq!(lease.expires_at, Some(now().plus(Duration::from_secs(60))));
}

#[test]
fn a_key_that_stays_keeps_its_leases_and_one_that_goes_ends_them() {
    let before = Admission::new(&tokens(known(&[(b'a', Some("1")), (b'b', Some("2"))])));
    let (a, b) = (revocation(&before, b'a', Way::Own), revocation(&before, b'b', Way::Own));
    // The same key under another id, and twice, is the same key.
    let after = before.changed(&tokens(known(&[(b'a', Some("7")), (b'a', None), (b'c', None)])));
    assert_eq!((a.is_revoked(), b.is_revoked()), (false, true));
    let again = after.changed(&tokens(known(&[(b'c', None)])));
    assert!(a.is_revoked());
    assert!(!revocation(&again, b'c', Way::Own).is_revoked());
}

#[test]
fn other_rules_end_the_leases_of_the_old_ones() {
    let with = |issuer: Option<&str>, audience: Option<&str>| {
        let (issuer, audience) = (issuer.map(str::to_owned), audience.map(str::to_owned));
        tokens(JwtConfig { issuer, audience, ..known(&[(b'a', None)]) })
    };
    for (before, after, ends) in [
        (with(None, None), with(None, None), false),
        (with(Some("me"), None), with(Some("me"), None), false),
        (with(None, None), with(Some("me"), None), true),
        (with(None, None), with(None, Some("us")), true),
    ] {
        let before = Admission::new(&before);
        let revocation = revocation(&before, b'a', Way::Own);
        let after = before.changed(&after);
        assert_eq!(revocation.is_revoked(), ends);
        assert!(matches!(after, Admission::Tokens(_)));
    }
}

#[test]
fn another_cookie_ends_only_what_came_by_the_cookie() {
    let with = |name: &str| tokens(JwtConfig { cookie: CookieName::new(name).ok(), ..known(&[(b'a', None)]) });
    let before = Admission::new(&with("one"));
    let (own, cookie) = (revocation(&before, b'a', Way::Own), revocation(&before, b'a', Way::Cookie));
    let same = before.changed(&with("one"));
    assert!(!own.is_revoked() && !cookie.is_revoked());
    let after = same.changed(&with("other"));
    assert!(!own.is_revoked() && cookie.is_revoked());
    assert!(!revocation(&after, b'a', Way::Cookie).is_revoked());
}

#[test]
fn whom_everybody_was_admitted_with_goes_when_tokens_are_asked_for() {
    let before = Admission::new(&config(AuthMode::None));
    let Admission::Everybody { revocation, .. } = &before else { panic!() };
    let same = before.changed(&config(AuthMode::None));
    assert!(!revocation.is_revoked());
    let _ = same.changed(&tokens(known(&[(b'a', None)])));
    assert!(revocation.is_revoked());
}

#[test]
fn leases_outlast_a_while_without_tokens_if_their_key_comes_back() {
    let keys: &[(u8, Option<&str>)] = &[(b'a', None), (b'b', None)];
    let before = Admission::new(&tokens(known(keys)));
    let (a, b) = (revocation(&before, b'a', Way::Own), revocation(&before, b'b', Way::Own));
    let open = before.changed(&config(AuthMode::None));
    let open = open.changed(&config(AuthMode::None));
    assert!(!a.is_revoked() && !b.is_revoked());
    let _ = open.changed(&tokens(known(&[(b'a', None)])));
    assert_eq!((a.is_revoked(), b.is_revoked()), (false, true));
}

#[test]
fn fetched_keys_rotate_and_another_url_forgets_them() {
    let admission = Admission::new(&tokens(remote("https://one.example")));
    assert_eq!((admission.url(), admission.knows_keys()), (Some("https://one.example"), false));
    assert_eq!(verify(&admission, &token_by(b'a', None)).map(drop), Err(Refused::KeysUnknown));

    let first = Admission::Tokens(keyring(&admission).fetched(set(&[(b'a', Some("a"))])));
    let a = verify(&first, &token_by(b'a', Some("a"))).unwrap().revocation;
    assert_eq!(verify(&first, &token_by(b'b', Some("b"))).map(drop), Err(Refused::UnknownKey));

    let second = Admission::Tokens(keyring(&first).fetched(set(&[(b'a', Some("a")), (b'b', Some("b"))])));
    let b = verify(&second, &token_by(b'b', Some("b"))).unwrap().revocation;
    let third = Admission::Tokens(keyring(&second).fetched(set(&[(b'b', Some("b"))])));
    assert_eq!((a.is_revoked(), b.is_revoked()), (true, false));

    let same = third.changed(&tokens(remote("https://one.example")));
    assert!(!b.is_revoked() && verify(&same, &token_by(b'b', Some("b"))).is_ok());
    let other = same.changed(&tokens(remote("https://two.example")));
    assert!(b.is_revoked() && !other.knows_keys());
}

#[test]
fn a_fetched_key_without_an_id_does_not_hide_that_one_is_unknown() {
    let admission = Admission::new(&tokens(remote("https://one.example")));
    let admission = Admission::Tokens(keyring(&admission).fetched(set(&[(b'a', None)])));
    assert_eq!(verify(&admission, &token_by(b'b', Some("b"))).map(drop), Err(Refused::UnknownKey));
    assert_eq!(verify(&admission, &token_by(b'b', None)).map(drop), Err(Refused::Signature));
    assert!(verify(&admission, &token_by(b'a', Some("x"))).is_ok());
}

#[test]
fn what_a_token_says_is_read_only_once_it_is_signed() {
    let admission = Admission::new(&tokens(known(&[(b'a', None)])));
    let token = token_by(b'b', None);
    let (_, signature) = token.rsplit_once('.').unwrap();
    let forged = |claims: serde_json::Value| {
        use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
        let header = token.split('.').next().unwrap();
        format!("{header}.{}.{signature}", URL_SAFE_NO_PAD.encode(claims.to_string()))
    };
    for claims in [json!({"exp": 1}), json!([]), json!({"exp": 9_999_999_999_u64, "tenants": ["*"]})] {
        assert_eq!(verify(&admission, &forged(claims)).map(drop), Err(Refused::Signature));
    }
}
