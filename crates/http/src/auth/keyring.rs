use pushgate_fanout::{Lease, Revocation};
use pushgate_model::Timestamp;

use super::{
    AuthConfig, AuthMode, CookieName, JwtConfig, Keys, Scope, TokenDigest, VerifyKey,
    claims::{Claims, Rules},
    refused::Refused,
    token::Token,
};

/// Keys that are tried for a token that names none: each costs a signature's check, and anybody may ask.
const KEYS_TRIED: usize = 16;

/// Who is admitted now, and what was given on the strength of it.
#[derive(Debug)]
pub(super) enum Admission {
    /// Everybody.
    Everybody {
        /// Ends when tokens are asked for.
        revocation: Revocation,
        /// The keys before: their streams go on, and end if their keys are gone when tokens are asked for again.
        before: Option<Keyring>,
    },
    /// Whoever has a token.
    Tokens(Keyring),
}

/// Which tokens count.
#[derive(Clone, Debug)]
pub(super) struct Keyring {
    keys: Vec<HeldKey>,
    rules: Rules,
    cookie: Option<CookieName>,
    /// Where the keys are fetched from.
    url: Option<String>,
}

/// A key, and what ends the leases that rest on it.
#[derive(Clone, Debug)]
struct HeldKey {
    key: VerifyKey,
    /// Tokens that came by themselves or by a ticket.
    revocation: Revocation,
    /// Tokens that came by the frontend's cookie.
    by_cookie: Revocation,
}

/// By which way a token came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// As Bearer, by a ticket, or by the cookie that a ticket left.
    Own,
    /// By the cookie of the settings.
    Cookie,
}

/// A token that counts.
#[derive(Clone, Debug)]
pub(super) struct Verified {
    pub(super) scope: Scope,
    pub(super) presence: bool,
    pub(super) expires_at: Timestamp,
    pub(super) lease: Lease,
    pub(super) digest: TokenDigest,
}

impl Admission {
    pub(super) fn new(config: &AuthConfig) -> Self {
        Self::Everybody { revocation: Revocation::default(), before: None }.changed(config)
    }

    /// The same under other settings. Keys that stay keep what rests on them; all others are revoked.
    pub(super) fn changed(&self, config: &AuthConfig) -> Self {
        match (&config.mode, self) {
            (AuthMode::None, Self::Everybody { revocation, before }) => {
                Self::Everybody { revocation: revocation.clone(), before: before.clone() }
            }
            (AuthMode::None, Self::Tokens(keyring)) => {
                Self::Everybody { revocation: Revocation::default(), before: Some(keyring.clone()) }
            }
            (AuthMode::Jwt(jwt), Self::Everybody { revocation, before }) => {
                revocation.revoke();
                Self::Tokens(Keyring::new(jwt, before.as_ref()))
            }
            (AuthMode::Jwt(jwt), Self::Tokens(keyring)) => Self::Tokens(Keyring::new(jwt, Some(keyring))),
        }
    }

    /// Whether there is anything to check tokens by, where they are asked for.
    pub(super) fn knows_keys(&self) -> bool {
        match self {
            Self::Everybody { .. } => true,
            Self::Tokens(keyring) => !keyring.keys.is_empty(),
        }
    }

    /// Where keys are fetched from.
    pub(super) fn url(&self) -> Option<&str> {
        match self {
            Self::Everybody { .. } => None,
            Self::Tokens(keyring) => keyring.url.as_deref(),
        }
    }
}

impl Keyring {
    fn new(config: &JwtConfig, before: Option<&Self>) -> Self {
        let (url, keys) = match &config.keys {
            Keys::Known(keys) => (None, keys.clone()),
            Keys::Remote { url } => {
                let same = before.filter(|before| before.url.as_deref() == Some(url));
                let keys = same.map(|before| before.keys.iter().map(|held| held.key.clone()).collect());
                (Some(url.clone()), keys.unwrap_or_default())
            }
        };
        let empty = Self { keys: Vec::new(), rules: Rules::of(config), cookie: config.cookie.clone(), url };
        empty.holding(keys, before)
    }

    /// The same with the keys that were fetched.
    pub(super) fn fetched(&self, keys: Vec<VerifyKey>) -> Self {
        Self { keys: Vec::new(), ..self.clone() }.holding(keys, Some(self))
    }

    /// Takes keys. What rests on those before goes on where key and rules are the same, and is revoked else.
    fn holding(mut self, keys: Vec<VerifyKey>, before: Option<&Self>) -> Self {
        let before = before.filter(|before| !before.keys.is_empty());
        let kept = before.filter(|before| before.rules == self.rules);
        let same_cookie = kept.is_some_and(|before| before.cookie == self.cookie);
        for key in keys {
            // One key may stand in a set under two ids.
            let twin = self.find(&key).cloned();
            let old = kept.and_then(|before| before.find(&key));
            let held = HeldKey {
                revocation: twin.as_ref().or(old).map(|held| held.revocation.clone()).unwrap_or_default(),
                by_cookie: twin
                    .as_ref()
                    .or(old.filter(|_| same_cookie))
                    .map(|held| held.by_cookie.clone())
                    .unwrap_or_default(),
                key,
            };
            self.keys.push(held);
        }
        let mut revoked = 0;
        for old in before.iter().flat_map(|before| &before.keys) {
            let stays = kept.is_some() && self.find(&old.key).is_some();
            if !stays {
                old.revocation.revoke();
                revoked += 1;
            }
            if !(stays && same_cookie) {
                old.by_cookie.revoke();
            }
        }
        if revoked > 0 {
            tracing::info!(
                keys = self.keys.len(),
                revoked,
                "keys of tokens were revoked: streams that rest on them end"
            );
        }
        self
    }

    fn find(&self, key: &VerifyKey) -> Option<&HeldKey> {
        self.keys.iter().find(|held| held.key.fingerprint() == key.fingerprint())
    }

    /// The cookie of the settings.
    pub(super) fn cookie(&self) -> Option<&CookieName> {
        self.cookie.as_ref()
    }

    /// Checks a token's signature, then what it says.
    ///
    /// # Errors
    /// The rule that it breaks. [`Refused::UnknownKey`] and [`Refused::KeysUnknown`] may change when keys are fetched.
    pub(super) fn verify(&self, token: &Token<'_>, way: Way, now: Timestamp) -> Result<Verified, Refused> {
        let held = self.key_of(token)?;
        let granted = self.rules.granted(&token.claims::<Claims>()?, now)?;
        let revocation = match way {
            Way::Own => held.revocation.clone(),
            Way::Cookie => held.by_cookie.clone(),
        };
        Ok(Verified {
            scope: granted.scope,
            presence: granted.presence,
            expires_at: granted.expires_at,
            lease: Lease { expires_at: Some(granted.expires_at), revocation },
            digest: token.digest(),
        })
    }

    /// The key that signed the token. A `kid` selects; keys without one are there for all tokens whose `kid` selects none.
    fn key_of(&self, token: &Token<'_>) -> Result<&HeldKey, Refused> {
        if self.keys.is_empty() {
            return Err(Refused::KeysUnknown);
        }
        let id = token.key_id();
        let named: Vec<_> = self.keys.iter().filter(|held| id.is_some() && held.key.id() == id).collect();
        let exact = !named.is_empty();
        let candidates = if exact {
            named
        } else {
            self.keys.iter().filter(|held| id.is_none() || held.key.id().is_none()).collect()
        };
        let of_algorithm = |held: &&&HeldKey| held.key.algorithm() == token.algorithm();
        let found = candidates.iter().filter(of_algorithm).take(KEYS_TRIED).find(|held| token.is_signed_by(&held.key));
        match found {
            Some(held) => Ok(held),
            None if candidates.is_empty() || (self.url.is_some() && !exact && id.is_some()) => Err(Refused::UnknownKey),
            None if candidates.iter().any(|held| of_algorithm(&held)) => Err(Refused::Signature),
            None => Err(Refused::Algorithm),
        }
    }
}

#[cfg(test)]
mod tests;
