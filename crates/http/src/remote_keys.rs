use crate::KeyError;

/// The way by which a fetched JWKS gets in. Whoever holds it fetches: this crate speaks HTTP as a server only.
#[derive(Clone, Debug)]
pub struct RemoteKeys;

impl RemoteKeys {
    /// Where the keys are now; nothing when none have to be fetched.
    pub fn url(&self) -> Option<String> {
        let _ = self;
        None
    }

    /// Completes when the keys should be fetched: none are known yet, a token names one that is not among them, the URL
    /// changed. However often that is wanted, fetch no more than once in a few seconds.
    pub async fn wanted(&self) {
        std::future::pending().await
    }

    /// Takes what was fetched from `url`. Streams whose key is no longer there end.
    ///
    /// # Errors
    /// It is no set of keys: those that are known stay.
    pub fn set(&self, url: &str, jwks: &str) -> Result<(), KeyError> {
        let _ = (url, jwks);
        Ok(())
    }

    /// Fetching did not succeed: whoever waits for it is answered by the keys that are known.
    pub fn failed(&self) {}
}
