//! A set of keys as RFC 7517 writes it.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::DecodingKey;
use serde::Deserialize;
use serde_json::Value;

use super::{KeyError, VerifyKey, key::check_secret};

/// Bytes of a JWKS. Those of login services have a few KiB.
const JWKS_BYTES: usize = 256 << 10;

/// Keys of a JWKS, also of those that can't be used here. Those of login services have two or three.
const JWKS_KEYS: usize = 64;

/// Bytes of each coordinate of a point of P-256.
const P256_BYTES: usize = 32;

#[derive(Deserialize)]
struct KeySet {
    keys: Vec<Value>,
}

/// The members that matter here. All else, such as certificates, is not looked at.
#[derive(Deserialize)]
struct Jwk {
    kty: String,
    alg: Option<String>,
    r#use: Option<String>,
    key_ops: Option<Vec<String>>,
    kid: Option<String>,
    crv: Option<String>,
    k: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
    /// The private part of a pair.
    d: Option<Value>,
}

impl VerifyKey {
    /// The keys of a JWKS that can be used here; others are passed over.
    ///
    /// # Errors
    /// The text is no JWKS, is larger than 256 KiB, has more than 64 keys, or none that can be used.
    pub fn set(jwks: &str) -> Result<Vec<Self>, KeyError> {
        if jwks.len() > JWKS_BYTES {
            return Err(KeyError(format!("a JWKS may have {JWKS_BYTES} bytes")));
        }
        let set: KeySet = serde_json::from_str(jwks).map_err(|error| {
            // Only where: what stands there may be a secret.
            KeyError(format!("this is no JWKS, an object with keys: line {}, column {}", error.line(), error.column()))
        })?;
        let all = set.keys.len();
        if all > JWKS_KEYS {
            return Err(KeyError(format!("a JWKS may have {JWKS_KEYS} keys")));
        }
        let keys: Vec<_> = set.keys.into_iter().filter_map(usable).collect();
        if keys.is_empty() {
            let algorithms = VerifyKey::ALGORITHMS.join(", ");
            return Err(KeyError(format!("no key of this JWKS can be used for one of {algorithms}")));
        }
        tracing::debug!(keys = keys.len(), passed_over = all - keys.len(), "a set of keys was read");
        Ok(keys)
    }
}

fn usable(value: Value) -> Option<VerifyKey> {
    let jwk: Jwk = serde_json::from_value(value).ok()?;
    let signs = jwk.r#use.as_deref().is_none_or(|usage| usage == "sig");
    let verifies = jwk.key_ops.as_ref().is_none_or(|operations| operations.iter().any(|name| name == "verify"));
    // A pair whose private part is published can't prove anything any more.
    if !signs || !verifies || jwk.d.is_some() {
        return None;
    }
    let is_for = |algorithm| jwk.alg.as_deref().is_none_or(|alg| alg == algorithm);
    match (jwk.kty.as_str(), jwk.crv.as_deref()) {
        ("oct", _) if is_for("HS256") => {
            let secret = decode(jwk.k.as_ref())?;
            // Somebody's public key in PEM is known to all.
            if str::from_utf8(&secret).is_ok_and(|text| check_secret(text).is_err()) {
                return None;
            }
            VerifyKey::secret(&secret, jwk.kid).ok()
        }
        ("RSA", _) if is_for("RS256") => {
            VerifyKey::rsa(&decode(jwk.n.as_ref())?, &decode(jwk.e.as_ref())?, jwk.kid).ok()
        }
        ("EC", Some("P-256")) if is_for("ES256") => {
            let (x, y) = (decode(jwk.x.as_ref())?, decode(jwk.y.as_ref())?);
            if x.len() != P256_BYTES || y.len() != P256_BYTES {
                return None;
            }
            // An uncompressed point (SEC 1, section 2.3.3).
            let point = [&[4], x.as_slice(), &y].concat();
            VerifyKey::p256(DecodingKey::from_ec_der(&point), jwk.kid).ok()
        }
        ("OKP", Some("Ed25519")) if is_for("EdDSA") => {
            VerifyKey::ed25519(DecodingKey::from_ed_der(&decode(jwk.x.as_ref())?), jwk.kid).ok()
        }
        _ => None,
    }
}

fn decode(text: Option<&String>) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text?.trim_end_matches('=')).ok()
}

#[cfg(test)]
mod tests;
