use std::time::{Duration, SystemTime};

use pushgate_http::{Claims, Scope, SigningKey, mint};
use pushgate_model::{TenantId, Timestamp};
use secrecy::{ExposeSecret as _, SecretString};

use crate::settings::TokenSettings;

/// The only algorithm whose key both checks and signs.
const ALGORITHM: &str = "HS256";
/// How long a token counts that is made for one connect: the stream is opened anew then, which costs a second or two.
const LIFE: Duration = Duration::from_secs(3600);

/// Makes tokens with the gateway's own secret: whoever can read that in the configuration may read every tenant.
#[derive(Debug)]
pub(super) struct Minter {
    key: SigningKey,
    /// Whose pushes its tokens open, and nobody else's.
    tenants: Vec<TenantId>,
    issuer: Option<String>,
    audience: Option<String>,
}

impl Minter {
    /// By the secret of these settings, if they have one.
    pub(super) fn of(tokens: TokenSettings, tenants: &[TenantId]) -> Option<Self> {
        let secret = tokens.key.filter(|_| tokens.algorithm == Some(ALGORITHM))?;
        let key = SigningKey::new(ALGORITHM, secret.expose_secret()).ok()?;
        Some(Self { key, tenants: tenants.to_vec(), issuer: tokens.issuer, audience: tokens.audience })
    }

    /// A token that counts from now on.
    pub(super) fn token(&self) -> SecretString {
        let now = Timestamp::from(SystemTime::now());
        let claims = Claims {
            tenants: Scope::Some(self.tenants.clone()),
            presence: false,
            issuer: self.issuer.clone(),
            audience: self.audience.clone(),
            subject: Some("pushgate tail".to_owned()),
            issued_at: now,
            expires_at: now.plus(LIFE),
            key_id: None,
        };
        mint(&self.key, &claims).into()
    }
}
