use std::time::Duration;

/// `[auth]`: who may subscribe.
#[derive(Clone, Debug)]
pub struct AuthConfig {
    /// How it is found out.
    pub mode: AuthMode,
    /// How long a ticket may wait to be redeemed.
    pub ticket_expiry: Duration,
    /// The `SameSite` of the cookie that a redeemed ticket sets.
    pub cookie_same_site: SameSite,
}

/// How it is found out who may subscribe.
#[derive(Clone, Debug)]
pub enum AuthMode {
    /// Everybody may, whatever he sends.
    None,
    /// Whoever has a token.
    Jwt(JwtConfig),
}

/// Which tokens count.
#[derive(Clone, Debug)]
pub struct JwtConfig {
    /// What they are signed with.
    pub keys: Keys,
    /// The `iss` that they must have.
    pub issuer: Option<String>,
    /// What their `aud` must name.
    pub audience: Option<String>,
    /// A cookie of the frontend's own login that may hold the token.
    pub cookie: Option<CookieName>,
}

/// What tokens are signed with.
#[derive(Clone, Debug)]
pub enum Keys {
    /// These keys, read from the settings.
    Known(Vec<VerifyKey>),
    /// A JWKS (RFC 7517) that is fetched, by whoever holds [`RemoteKeys`](crate::RemoteKeys).
    Remote {
        /// Where it is; a change of it forgets the keys that are known.
        url: String,
    },
}

/// One key and the one algorithm that it is for.
#[derive(Clone, Debug)]
pub struct VerifyKey;

/// Why a text is no key, without repeating it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct KeyError(pub String);

/// The name of a cookie (a token in the sense of RFC 9110, section 5.6.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CookieName(String);

/// Which requests a browser adds a cookie to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SameSite {
    /// Only those that pages of the same site make.
    Strict,
    /// Also links that lead here from elsewhere.
    Lax,
    /// All; browsers ask for TLS then.
    None,
}

impl VerifyKey {
    /// The algorithms that keys may be for.
    pub const ALGORITHMS: [&'static str; 4] = ["HS256", "RS256", "ES256", "EdDSA"];

    /// One key: the secret of HS256 (at least 32 bytes), or a public key in PEM of the others.
    ///
    /// # Errors
    /// The text is no key of this algorithm.
    pub fn new(algorithm: &str, text: &str) -> Result<Self, KeyError> {
        let _ = (algorithm, text);
        Ok(Self)
    }

    /// The keys of a JWKS that can be used here; others are passed over.
    ///
    /// # Errors
    /// The text is no JWKS, or holds no key that can be used.
    pub fn set(jwks: &str) -> Result<Vec<Self>, KeyError> {
        let _ = jwks;
        Ok(Vec::new())
    }
}

impl CookieName {
    /// Checks the name.
    ///
    /// # Errors
    /// What is allowed.
    pub fn new(name: &str) -> Result<Self, String> {
        Ok(Self(name.to_owned()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for AuthConfig {
    fn default() -> Self {
        Self { mode: AuthMode::None, ticket_expiry: Duration::from_secs(30), cookie_same_site: SameSite::Strict }
    }
}
