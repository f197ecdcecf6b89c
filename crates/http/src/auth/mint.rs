use std::fmt;

use jsonwebtoken::{Algorithm, EncodingKey, Header, crypto::rust_crypto::DEFAULT_PROVIDER, encode};
use pushgate_model::Timestamp;
use serde::Serialize;

use super::{
    KeyError, Scope, VerifyKey,
    claims::ALL_TENANTS,
    key::{check_secret, parse_algorithm, pem_label},
};

/// Signs tokens, by one algorithm.
#[derive(Clone)]
pub struct SigningKey {
    algorithm: Algorithm,
    key: EncodingKey,
}

/// What a token says.
#[derive(Clone, Debug)]
pub struct Claims {
    /// Whose pushes.
    pub tenants: Scope,
    /// Whether it may see who else subscribes.
    pub presence: bool,
    /// `iss`.
    pub issuer: Option<String>,
    /// `aud`.
    pub audience: Option<String>,
    /// `sub`, for whoever reads the token; the gateway does not look at it.
    pub subject: Option<String>,
    /// `iat`.
    pub issued_at: Timestamp,
    /// `exp`; whole seconds of it count.
    pub expires_at: Timestamp,
    /// Names the signing key in the token's header.
    pub key_id: Option<String>,
}

#[derive(Serialize)]
struct Payload<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    iss: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sub: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    aud: Option<&'a str>,
    iat: u64,
    exp: u64,
    tenants: Vec<&'a str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    presence: bool,
}

impl SigningKey {
    /// The secret of HS256 (at least 32 bytes), or a private key in PEM of the others: PKCS#8, of RSA also PKCS#1.
    ///
    /// # Errors
    /// The text is no such key.
    pub fn new(algorithm: &str, text: &str) -> Result<Self, KeyError> {
        let algorithm = parse_algorithm(algorithm)?;
        let key = match algorithm {
            Algorithm::HS256 => {
                VerifyKey::new("HS256", text)?;
                EncodingKey::from_secret(check_secret(text)?)
            }
            _ => private_key(algorithm, text)?,
        };
        let signing = Self { algorithm, key };
        // The library looks at a key only when it signs.
        signing.sign(&Header::new(algorithm), &()).ok_or_else(|| no_private_key(algorithm))?;
        Ok(signing)
    }

    fn sign(&self, header: &Header, payload: &impl Serialize) -> Option<String> {
        encode(header, payload, &self.key).ok()
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}

/// Makes a token.
pub fn mint(key: &SigningKey, claims: &Claims) -> String {
    let payload = Payload {
        iss: claims.issuer.as_deref(),
        sub: claims.subject.as_deref(),
        aud: claims.audience.as_deref(),
        iat: claims.issued_at.as_millis() / 1000,
        exp: claims.expires_at.as_millis() / 1000,
        tenants: match &claims.tenants {
            Scope::All => vec![ALL_TENANTS],
            Scope::Some(tenants) => tenants.iter().map(|tenant| tenant.as_str()).collect(),
        },
        presence: claims.presence,
    };
    let header = Header { kid: claims.key_id.clone(), ..Header::new(key.algorithm) };
    key.sign(&header, &payload).expect("the key has signed before, and plain members always serialize")
}

fn private_key(algorithm: Algorithm, text: &str) -> Result<EncodingKey, KeyError> {
    let label = pem_label(text).unwrap_or_default();
    if label == "EC PRIVATE KEY" {
        return Err(KeyError("this key is in SEC1 form: convert it by openssl pkcs8 -topk8 -nocrypt".to_owned()));
    }
    if label == "ENCRYPTED PRIVATE KEY" {
        return Err(KeyError("this key is encrypted: decrypt it by openssl pkcs8 -in FILE".to_owned()));
    }
    let rsa = algorithm == Algorithm::RS256;
    if label != "PRIVATE KEY" && !(rsa && label == "RSA PRIVATE KEY") {
        return Err(no_private_key(algorithm));
    }
    let pem = text.as_bytes();
    let key = match algorithm {
        Algorithm::RS256 => EncodingKey::from_rsa_pem(pem),
        Algorithm::ES256 => EncodingKey::from_ec_pem(pem),
        _ => EncodingKey::from_ed_pem(pem),
    };
    let key = key.map_err(|_| no_private_key(algorithm))?;
    if rsa {
        let components = DEFAULT_PROVIDER.key_utils.rsa_pub_components_from_private_key;
        let (n, e) = components(key.as_bytes()).map_err(|_| no_private_key(algorithm))?;
        VerifyKey::rsa(&n, &e, None)?;
    }
    Ok(key)
}

fn no_private_key(algorithm: Algorithm) -> KeyError {
    KeyError(format!("this is no private key of {algorithm:?} in PEM (-----BEGIN PRIVATE KEY-----)"))
}

#[cfg(test)]
mod tests;
