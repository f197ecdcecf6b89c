use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use jsonwebtoken::{Algorithm, DecodingKey, crypto, crypto::rust_crypto::DEFAULT_PROVIDER};
use sha2::{Digest as _, Sha256};

/// Bytes of an HS256 secret: as many as its hash has (RFC 7518, section 3.2).
const SECRET_BYTES: usize = 32;

/// Bits of an RSA key: RFC 7518, section 3.3, asks for the lower bound, the library can do no more than the upper one.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=4096;

/// The largest public exponent that the library takes; all in use are far below.
const RSA_EXPONENT_MAX: u64 = (1 << 33) - 1;

/// Bytes of an Ed25519 public key.
const ED25519_BYTES: usize = 32;

/// One key and the one algorithm that it is for.
#[derive(Clone)]
pub struct VerifyKey {
    algorithm: Algorithm,
    id: Option<String>,
    key: DecodingKey,
    fingerprint: Fingerprint,
}

/// Tells keys apart without showing them: SHA-256 over the algorithm and the key itself.
pub(super) type Fingerprint = [u8; 32];

/// Why a text is no key, without repeating it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct KeyError(pub String);

impl VerifyKey {
    /// The algorithms that keys may be for.
    pub const ALGORITHMS: [&'static str; 4] = ["HS256", "RS256", "ES256", "EdDSA"];

    /// One key: the secret of HS256 (at least 32 bytes), or a public key in PEM of the others.
    ///
    /// # Errors
    /// The text is no key of this algorithm.
    pub fn new(algorithm: &str, text: &str) -> Result<Self, KeyError> {
        match parse_algorithm(algorithm)? {
            Algorithm::HS256 => Self::secret(check_secret(text)?, None),
            Algorithm::RS256 => {
                let pem = public_pem(text, "an RSA")?;
                let key = DecodingKey::from_rsa_pem(pem).map_err(|_| no_public_key("an RSA"))?;
                let der = key.try_get_as_bytes().map_err(|_| no_public_key("an RSA"))?;
                let components = DEFAULT_PROVIDER.key_utils.rsa_pub_components_from_public_key;
                let (n, e) = components(der).map_err(|_| rsa_size())?;
                Self::rsa(&n, &e, None)
            }
            Algorithm::ES256 => {
                let pem = public_pem(text, "a P-256")?;
                let key = DecodingKey::from_ec_pem(pem).map_err(|_| no_public_key("a P-256"))?;
                Self::p256(key, None)
            }
            _ => {
                let pem = public_pem(text, "an Ed25519")?;
                let key = DecodingKey::from_ed_pem(pem).map_err(|_| no_public_key("an Ed25519"))?;
                Self::ed25519(key, None)
            }
        }
    }

    pub(super) fn secret(secret: &[u8], id: Option<String>) -> Result<Self, KeyError> {
        if secret.len() < SECRET_BYTES {
            return Err(KeyError(format!("a secret of HS256 has at least {SECRET_BYTES} bytes")));
        }
        Ok(Self::with(Algorithm::HS256, id, DecodingKey::from_secret(secret), &[secret]))
    }

    pub(super) fn rsa(n: &[u8], e: &[u8], id: Option<String>) -> Result<Self, KeyError> {
        let (n, e) = (without_leading_zeros(n), without_leading_zeros(e));
        let bits = n.first().map_or(0, |first| n.len() * 8 - first.leading_zeros() as usize);
        let exponent = e.iter().take(9).fold(0_u128, |value, byte| value << 8 | u128::from(*byte));
        let odd = n.last().is_some_and(|last| last % 2 == 1) && exponent % 2 == 1;
        if !RSA_BITS.contains(&bits) || !odd || !(3..=u128::from(RSA_EXPONENT_MAX)).contains(&exponent) {
            return Err(rsa_size());
        }
        Ok(Self::with(Algorithm::RS256, id, DecodingKey::from_rsa_raw_components(n, e), &[n, e]))
    }

    pub(super) fn p256(key: DecodingKey, id: Option<String>) -> Result<Self, KeyError> {
        let point = key.try_get_as_bytes().map(<[u8]>::to_vec).map_err(|_| no_public_key("a P-256"))?;
        // Building the verifier checks that this is a point of the curve.
        if (DEFAULT_PROVIDER.verifier_factory)(&Algorithm::ES256, &key).is_err() {
            return Err(no_public_key("a P-256"));
        }
        Ok(Self::with(Algorithm::ES256, id, key, &[&point]))
    }

    pub(super) fn ed25519(key: DecodingKey, id: Option<String>) -> Result<Self, KeyError> {
        let point = key.try_get_as_bytes().map(<[u8]>::to_vec).map_err(|_| no_public_key("an Ed25519"))?;
        // The length first: the library takes for granted that it is right, and would panic.
        if point.len() != ED25519_BYTES || (DEFAULT_PROVIDER.verifier_factory)(&Algorithm::EdDSA, &key).is_err() {
            return Err(no_public_key("an Ed25519"));
        }
        Ok(Self::with(Algorithm::EdDSA, id, key, &[&point]))
    }

    fn with(algorithm: Algorithm, id: Option<String>, key: DecodingKey, material: &[&[u8]]) -> Self {
        let mut hash = Sha256::new();
        hash.update(format!("{algorithm:?}"));
        for part in material {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        Self { algorithm, id, key, fingerprint: hash.finalize().into() }
    }

    pub(super) fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Its `kid`; a key of the settings has none.
    pub(super) fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    pub(super) fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// Whether this key made the signature (in base64url) of the message, by its own algorithm.
    pub(super) fn verifies(&self, message: &str, signature: &str) -> bool {
        crypto::verify(signature, message.as_bytes(), &self.key, self.algorithm).unwrap_or(false)
    }
}

impl fmt::Debug for VerifyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifyKey").field("algorithm", &self.algorithm).field("id", &self.id).finish_non_exhaustive()
    }
}

/// One of [`VerifyKey::ALGORITHMS`].
pub(super) fn parse_algorithm(name: &str) -> Result<Algorithm, KeyError> {
    let known = VerifyKey::ALGORITHMS.contains(&name).then(|| name.parse().ok()).flatten();
    known.ok_or_else(|| KeyError(format!("the algorithm must be one of {}", VerifyKey::ALGORITHMS.join(", "))))
}

/// What is a secret, and nothing that others know: whoever holds the public key of somebody could sign by it.
pub(super) fn check_secret(text: &str) -> Result<&[u8], KeyError> {
    let public = text.contains("-----BEGIN") || text.trim_start().starts_with("ssh-") || is_bare_key(text);
    if public {
        return Err(KeyError("this is a key of another algorithm: HS256 takes a secret".to_owned()));
    }
    if text.trim_start().starts_with('{') && text.contains("\"kty\"") {
        return Err(KeyError(
            "this is a JWK: HS256 takes the secret itself, a JWKS has a setting of its own".to_owned(),
        ));
    }
    Ok(text.as_bytes())
}

/// A key in PEM whose first and last line were cut off.
fn is_bare_key(text: &str) -> bool {
    let text: String = text.split_ascii_whitespace().collect();
    let Ok(der) = STANDARD.decode(text) else { return false };
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", STANDARD.encode(der));
    let pem = pem.as_bytes();
    DecodingKey::from_rsa_pem(pem)
        .or_else(|_| DecodingKey::from_ec_pem(pem))
        .or_else(|_| DecodingKey::from_ed_pem(pem))
        .is_ok()
}

/// The label of the first block of PEM.
pub(super) fn pem_label(text: &str) -> Option<&str> {
    text.split_once("-----BEGIN ")?.1.split_once("-----").map(|(label, _)| label)
}

fn public_pem<'a>(text: &'a str, kind: &str) -> Result<&'a [u8], KeyError> {
    match pem_label(text) {
        Some("PUBLIC KEY" | "RSA PUBLIC KEY") => Ok(text.as_bytes()),
        Some(label) if label.ends_with("PRIVATE KEY") => {
            Err(KeyError("this is a private key, which only signers need: give the public one".to_owned()))
        }
        Some("CERTIFICATE") => {
            Err(KeyError("this is a certificate: give its public key (openssl x509 -pubkey -noout)".to_owned()))
        }
        _ => Err(no_public_key(kind)),
    }
}

fn no_public_key(kind: &str) -> KeyError {
    KeyError(format!("this is not {kind} public key in PEM (-----BEGIN PUBLIC KEY-----)"))
}

fn rsa_size() -> KeyError {
    KeyError(format!("an RSA key has {} to {} bits, and a usual exponent", RSA_BITS.start(), RSA_BITS.end()))
}

fn without_leading_zeros(bytes: &[u8]) -> &[u8] {
    &bytes[bytes.iter().take_while(|byte| **byte == 0).count()..]
}

#[cfg(test)]
mod tests;
