use jsonwebtoken::Algorithm;
use serde_json::json;

use super::*;

// RFC 7517, appendix A.1, and RFC 8037, appendix A.2.
const RSA_N: &str = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw";
const EC_X: &str = "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4";
const EC_Y: &str = "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM";
const ED_X: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";

/// A key of RFC 7517 with members changed; null takes one away.
fn with(kty: &str, change: &Value) -> Value {
    let mut key = match kty {
        "oct" => json!({"k": URL_SAFE_NO_PAD.encode([7; 32])}),
        "RSA" => json!({"n": RSA_N, "e": "AQAB"}),
        "EC" => json!({"crv": "P-256", "x": EC_X, "y": EC_Y}),
        _ => json!({"crv": "Ed25519", "x": ED_X}),
    };
    key["kty"] = kty.into();
    for (name, value) in change.as_object().unwrap() {
        key[name] = value.clone();
    }
    key.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    key
}

fn read(keys: &[Value]) -> Result<Vec<(Algorithm, Option<String>)>, KeyError> {
    let keys = VerifyKey::set(&json!({"keys": keys}).to_string())?;
    Ok(keys.iter().map(|key| (key.algorithm(), key.id().map(str::to_owned))).collect())
}

const ALL: [(&str, Algorithm); 4] =
    [("oct", Algorithm::HS256), ("RSA", Algorithm::RS256), ("EC", Algorithm::ES256), ("OKP", Algorithm::EdDSA)];

#[test]
fn each_kind_of_key_is_for_one_algorithm() {
    for (kty, algorithm) in ALL {
        let name = format!("{algorithm:?}");
        for change in
            [json!({}), json!({"alg": name, "use": "sig", "key_ops": ["sign", "verify"], "x5c": [7], "unknown": {}})]
        {
            let keys = read(&[with(kty, &change)]).unwrap();
            assert_eq!(keys, [(algorithm, None)], "{kty} {change}");
        }
        assert_eq!(read(&[with(kty, &json!({"kid": "one"}))]).unwrap(), [(algorithm, Some("one".to_owned()))]);
        for (_, other) in ALL.iter().filter(|(_, other)| *other != algorithm) {
            assert!(read(&[with(kty, &json!({"alg": format!("{other:?}")}))]).is_err(), "{kty} for {other:?}");
        }
    }
}

#[test]
fn what_can_not_be_used_is_passed_over() {
    let bad = [
        with("oct", &json!({"k": "c2hvcnQ"})),
        with("oct", &json!({"k": null})),
        with("oct", &json!({"k": URL_SAFE_NO_PAD.encode(include_str!("../../../tests/http/keys/rsa.pub.pem"))})),
        with("RSA", &json!({"n": "AQAB"})),
        with("RSA", &json!({"e": "AA"})),
        with("RSA", &json!({"n": "!"})),
        with("RSA", &json!({"alg": "RS512"})),
        with("RSA", &json!({"alg": "PS256"})),
        with("RSA", &json!({"d": "AQAB"})),
        with("EC", &json!({"crv": "P-384"})),
        with("EC", &json!({"x": ED_X})),
        with("EC", &json!({"y": "AQAB"})),
        with("EC", &json!({"y": null})),
        with("OKP", &json!({"crv": "X25519"})),
        with("OKP", &json!({"x": "AQAB"})),
        with("OKP", &json!({"x": ""})),
        with("OKP", &json!({"d": ED_X})),
        with("EC", &json!({"use": "enc"})),
        with("EC", &json!({"key_ops": ["sign"]})),
        with("EC", &json!({"kid": 7})),
        json!({"kty": "new"}),
        json!({}),
        json!("key"),
        Value::Null,
    ];
    for key in &bad {
        assert!(read(std::slice::from_ref(key)).is_err(), "{key}");
    }
    let among: Vec<_> = bad.into_iter().chain([with("EC", &json!({"kid": "good"}))]).collect();
    assert_eq!(read(&among).unwrap(), [(Algorithm::ES256, Some("good".to_owned()))]);
}

#[test]
fn a_set_has_a_form_and_limits() {
    for bad in ["", "null", "[]", "{}", r#"{"keys":{}}"#, r#"{"keys":[]}"#, r#"{"keys":[{"kty":"oct","k":"s3cret"}"#] {
        let error = VerifyKey::set(bad).unwrap_err();
        assert!(!error.to_string().contains("s3cret"), "{error}");
    }
    let many = |count| read(&vec![with("EC", &json!({})); count]);
    assert_eq!(many(JWKS_KEYS).unwrap().len(), JWKS_KEYS);
    assert!(many(JWKS_KEYS + 1).is_err());
    let padded = |bytes: usize| format!("{{\"keys\":[{}]}}{}", with("EC", &json!({})), " ".repeat(bytes));
    assert!(VerifyKey::set(&padded(1000)).is_ok() && VerifyKey::set(&padded(JWKS_BYTES)).is_err());
}
