use crate::{KeyError, VerifyKey, auth::Auth};

/// The way by which a fetched JWKS gets in. Whoever holds it fetches: this crate speaks HTTP as a server only.
#[derive(Clone, Debug)]
pub struct RemoteKeys(Auth);

impl RemoteKeys {
    pub(crate) fn new(auth: Auth) -> Self {
        Self(auth)
    }

    /// Where the keys are now; nothing when none have to be fetched.
    pub fn url(&self) -> Option<String> {
        self.0.keys_url()
    }

    /// Completes when the keys should be fetched: none are known yet, a token names one that is not among them, the URL
    /// changed. After each fetch, well or not, there is a pause of 10 s, unless the URL changed.
    pub async fn wanted(&self) {
        self.0.keys_wanted().await;
    }

    /// Takes what was fetched from `url`. Streams whose key is no longer there end.
    ///
    /// # Errors
    /// It is no set of keys: those that are known stay. Say [`RemoteKeys::failed`] then, as when nothing came at all.
    pub fn set(&self, url: &str, jwks: &str) -> Result<(), KeyError> {
        self.0.keys_fetched(url, VerifyKey::set(jwks)?);
        Ok(())
    }

    /// Fetching did not succeed: whoever waits for it is answered by the keys that are known.
    pub fn failed(&self) {
        self.0.keys_failed();
    }
}
