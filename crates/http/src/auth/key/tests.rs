use super::*;

const RSA: &str = include_str!("../../../tests/http/keys/rsa.pub.pem");
const RSA_PKCS1: &str = include_str!("../../../tests/http/keys/rsa.pkcs1.pub.pem");
const RSA_1024: &str = include_str!("../../../tests/http/keys/rsa-1024.pub.pem");
const P256: &str = include_str!("../../../tests/http/keys/p256.pub.pem");
const P384: &str = include_str!("../../../tests/http/keys/p384.pub.pem");
const ED25519: &str = include_str!("../../../tests/http/keys/ed25519.pub.pem");
const CERTIFICATE: &str = include_str!("../../../tests/http/keys/p256.cert.pem");
const PRIVATE: [&str; 4] = [
    include_str!("../../../tests/http/keys/rsa.pem"),
    include_str!("../../../tests/http/keys/p256.pem"),
    include_str!("../../../tests/http/keys/p256.sec1.pem"),
    include_str!("../../../tests/http/keys/ed25519.pem"),
];

const SECRET: &str = "0123456789abcdef0123456789abcdef";

fn base64_of(pem: &str) -> String {
    pem.lines().filter(|line| !line.starts_with("-----")).collect()
}

#[test]
fn each_algorithm_takes_its_own_key_alone() {
    let table = [("HS256", SECRET), ("RS256", RSA), ("ES256", P256), ("EdDSA", ED25519)];
    for (algorithm, _) in table {
        for (of, text) in table {
            assert_eq!(VerifyKey::new(algorithm, text).is_ok(), algorithm == of, "{of} under {algorithm}");
        }
    }
    assert!(VerifyKey::new("RS256", RSA_PKCS1).is_ok());
    assert!(VerifyKey::new("ES256", &format!("Some notes\n{P256}")).is_ok());
    for unknown in ["", "none", "HS512", "hs256", "PS256", "ES384", "Ed25519"] {
        assert!(VerifyKey::new(unknown, SECRET).is_err(), "{unknown}");
    }
}

#[test]
fn a_public_key_is_no_secret() {
    for pem in [RSA, RSA_PKCS1, P256, P384, ED25519, CERTIFICATE] {
        assert!(VerifyKey::new("HS256", pem).is_err(), "{pem}");
        assert!(VerifyKey::new("HS256", &format!("\n  {pem}")).is_err(), "{pem}");
    }
    for pem in [RSA, P256, ED25519] {
        assert!(VerifyKey::new("HS256", &base64_of(pem)).is_err(), "without its first and last line: {pem}");
    }
    for text in
        ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFrandomrandomrandom", r#"{"keys":[{"kty":"oct","k":"0123456789"}]}"#]
    {
        assert!(VerifyKey::new("HS256", text).is_err(), "{text}");
    }
    // Base64 of something else is a fine secret.
    assert!(VerifyKey::new("HS256", &STANDARD.encode([7; 48])).is_ok());
}

#[test]
fn weak_and_private_keys_are_refused() {
    assert!(VerifyKey::new("HS256", &SECRET[..SECRET_BYTES - 1]).is_err());
    assert!(VerifyKey::new("RS256", RSA_1024).is_err());
    assert!(VerifyKey::new("ES256", P384).is_err());
    for algorithm in VerifyKey::ALGORITHMS {
        for text in PRIVATE {
            assert!(VerifyKey::new(algorithm, text).is_err(), "{algorithm}");
        }
    }
    assert!(VerifyKey::new("ES256", CERTIFICATE).is_err());
}

#[test]
fn what_is_no_key_is_an_error_that_does_not_repeat_it() {
    let cut = RSA.replace("MII", "M!I");
    let swapped = P256.replace("PUBLIC KEY", "EC PARAMETERS");
    for text in [
        "",
        "s3cret",
        "-----BEGIN PUBLIC KEY-----",
        &cut,
        &swapped,
        "-----BEGIN PUBLIC KEY-----\ns3cr\n-----END PUBLIC KEY-----",
    ] {
        for algorithm in ["RS256", "ES256", "EdDSA"] {
            let error = VerifyKey::new(algorithm, text).unwrap_err();
            assert!(!error.to_string().contains("s3cr"), "{error}");
        }
    }
}

#[test]
fn an_rsa_key_has_a_usual_size_and_exponent() {
    let n = |bytes: usize| [vec![0, 0xc0], vec![1; bytes - 1]].concat();
    let e = [1, 0, 1];
    assert!(VerifyKey::rsa(&n(256), &e, None).is_ok() && VerifyKey::rsa(&n(512), &e, None).is_ok());
    for (n, e) in [
        (n(255), &e[..]),
        (n(513), &e),
        (vec![], &e),
        (n(256), &[]),
        (n(256), &[1]),
        (n(256), &[1, 0, 0]),
        (n(256), &[2, 0, 0, 0, 1]),
        (n(256), &[1; 300]),
        ([n(256), vec![2]].concat(), &e),
    ] {
        assert!(VerifyKey::rsa(&n, e, None).is_err(), "{} bytes, {e:?}", n.len());
    }
}

#[test]
fn a_key_is_told_by_what_it_is() {
    let print = |algorithm, text| VerifyKey::new(algorithm, text).unwrap().fingerprint();
    assert_eq!(print("RS256", RSA), print("RS256", RSA_PKCS1));
    assert_ne!(print("HS256", SECRET), print("HS256", &SECRET.replace('0', "1")));
    let shown = format!("{:?}", VerifyKey::new("HS256", SECRET).unwrap());
    assert!(!shown.contains("0123") && !shown.contains("48, 49"), "{shown}");
}
