//! A JWT (RFC 7519) in its compact form: read, and checked without trusting a word of it before its signature is.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::Algorithm;
use serde::{Deserialize, Deserializer, de::DeserializeOwned, de::IgnoredAny};
use sha2::{Digest as _, Sha256};

use super::{TokenDigest, VerifyKey, key::parse_algorithm, refused::Refused};

/// Bytes of a token; longer ones are not looked at. Proxies commonly take 8 KiB for all of a request's headers.
const TOKEN_BYTES: usize = 8 << 10;

/// A token that is well-formed, and no more than that.
#[derive(Debug)]
pub(super) struct Token<'a> {
    /// The header and the claims as they were signed.
    signed: &'a str,
    payload: &'a str,
    signature: &'a str,
    algorithm: Algorithm,
    key_id: Option<String>,
}

/// The members that matter here. Those by which a token brings its own key (`jwk`, `jku`, `x5c`, `x5u`) are not looked at.
#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    typ: Option<String>,
    #[serde(default, deserialize_with = "is_present")]
    crit: bool,
}

impl<'a> Token<'a> {
    pub(super) fn parse(text: &'a str) -> Result<Self, Refused> {
        if text.len() > TOKEN_BYTES {
            return Err(Refused::TooLong);
        }
        let (signed, signature) = text.rsplit_once('.').ok_or(Refused::Malformed)?;
        let (header, payload) = signed.split_once('.').ok_or(Refused::Malformed)?;
        if payload.contains('.') {
            return Err(Refused::Malformed);
        }
        let header: Header = object(header)?;
        if header.crit {
            return Err(Refused::Critical);
        }
        let known =
            |typ: &str| ["JWT", "at+jwt", "application/at+jwt"].iter().any(|name| name.eq_ignore_ascii_case(typ));
        if header.typ.is_some_and(|typ| !known(&typ)) {
            return Err(Refused::Type);
        }
        let algorithm = parse_algorithm(&header.alg).map_err(|_| Refused::Algorithm)?;
        Ok(Self { signed, payload, signature, algorithm, key_id: header.kid })
    }

    pub(super) fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    pub(super) fn key_id(&self) -> Option<&str> {
        self.key_id.as_deref()
    }

    /// Whether the key signed this, by the algorithm that the key is for.
    pub(super) fn is_signed_by(&self, key: &VerifyKey) -> bool {
        key.algorithm() == self.algorithm && key.verifies(self.signed, self.signature)
    }

    /// The claims. Ask for the signature first.
    pub(super) fn claims<T: DeserializeOwned>(&self) -> Result<T, Refused> {
        object(self.payload)
    }

    /// Of what was signed: of one token there may be several signatures that count.
    pub(super) fn digest(&self) -> TokenDigest {
        Sha256::digest(self.signed).into()
    }
}

/// One part of a token. A member that comes twice is an error, as RFC 7519, section 4, permits: whoever signed may have
/// looked at the other one.
fn object<T: DeserializeOwned>(part: &str) -> Result<T, Refused> {
    let json = URL_SAFE_NO_PAD.decode(part).map_err(|_| Refused::Malformed)?;
    // Arrays can be read into structs too.
    if json.trim_ascii_start().first() != Some(&b'{') {
        return Err(Refused::Malformed);
    }
    serde_json::from_slice(&json).map_err(|_| Refused::Malformed)
}

/// Whatever its value is, null too.
fn is_present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    IgnoredAny::deserialize(deserializer).map(|_| true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(header: &str) -> Result<(), Refused> {
        let header = URL_SAFE_NO_PAD.encode(header);
        Token::parse(&format!("{header}.e30.c2ln")).map(drop)
    }

    #[test]
    fn a_header_is_read_strictly() {
        for good in [
            r#"{"alg":"HS256"}"#,
            r#" {"typ":"jwt","alg":"RS256","kid":"a"}"#,
            r#"{"typ":"AT+JWT","alg":"ES256","x5c":["?"],"jku":"http://evil.example"}"#,
            r#"{"alg":"EdDSA","kid":null,"typ":null}"#,
        ] {
            assert_eq!(parse(good), Ok(()), "{good}");
        }
        for (bad, reason) in [
            (r#"{"alg":"none"}"#, Refused::Algorithm),
            (r#"{"alg":"None"}"#, Refused::Algorithm),
            (r#"{"alg":"HS512"}"#, Refused::Algorithm),
            (r#"{"alg":"hs256"}"#, Refused::Algorithm),
            (r#"{"alg":"HS256","crit":["exp"]}"#, Refused::Critical),
            (r#"{"alg":"HS256","crit":[]}"#, Refused::Critical),
            (r#"{"alg":"HS256","crit":null}"#, Refused::Critical),
            (r#"{"alg":"HS256","typ":"logout+jwt"}"#, Refused::Type),
            (r#"{"alg":"HS256","alg":"none"}"#, Refused::Malformed),
            (r#"{"alg":"HS256","kid":7}"#, Refused::Malformed),
            (r#"{"alg":256}"#, Refused::Malformed),
            ("{}", Refused::Malformed),
            (r#"["HS256",null,null,false]"#, Refused::Malformed),
            ("\"HS256\"", Refused::Malformed),
            ("", Refused::Malformed),
        ] {
            assert_eq!(parse(bad), Err(reason), "{bad}");
        }
    }

    #[test]
    fn a_token_has_three_parts_and_no_padding() {
        let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256"}"#);
        for bad in ["", ".", "..", "e30", &format!("{header}.e30"), &format!("{header}=.e30.c2ln"), "e3+/.e30.c2ln"] {
            assert_eq!(Token::parse(bad).map(drop), Err(Refused::Malformed), "{bad}");
        }
        let encrypted = format!("{header}.a.b.c.d");
        assert_eq!(Token::parse(&encrypted).map(drop), Err(Refused::Malformed));
        assert_eq!(Token::parse(&"a".repeat(TOKEN_BYTES + 1)).map(drop), Err(Refused::TooLong));
    }
}
