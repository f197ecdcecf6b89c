use std::time::Duration;

use super::{VerifyKey, cookie};

/// The longest name of a cookie, in bytes.
const COOKIE_NAME_BYTES: usize = 128;

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

impl CookieName {
    /// Checks the name.
    ///
    /// # Errors
    /// What is allowed.
    pub fn new(name: &str) -> Result<Self, String> {
        let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        if name.is_empty() || name.len() > COOKIE_NAME_BYTES || !name.bytes().all(token) {
            return Err(format!("1 to {COOKIE_NAME_BYTES} letters, digits and !#$%&'*+-.^_`|~"));
        }
        if name == cookie::NAME {
            return Err(format!("a name other than {}, which redeemed tickets set", cookie::NAME));
        }
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
