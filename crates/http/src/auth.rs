//! Who may read what: a request becomes a [`Grant`], or a problem.
//!
//! A token is a JWT (RFC 7519) and comes as `Authorization: Bearer`, as a cookie, or behind a ticket. Begin reading at
//! [`Auth::authenticate`].

mod config;
mod grant;

use actix_web::HttpRequest;
use pushgate_fanout::{Fanout, Lease};

use crate::{problem::Problem, query::Query};

pub use config::{AuthConfig, AuthMode, CookieName, JwtConfig, KeyError, Keys, SameSite, VerifyKey};
pub(crate) use grant::{Grant, Scope};

/// What the public listener knows about access. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Auth {
    #[expect(dead_code, reason = "scaffold")]
    fanout: Fanout,
}

/// What a request wants to do, as far as it matters to a browser's ambient credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Intent {
    /// Read only.
    Read,
    /// Change something: a cookie alone does not do without a proof of where the request comes from.
    Change,
    /// Open a stream: a ticket may be redeemed.
    Stream,
}

impl Auth {
    /// `fanout` learns when streams have to look at their leases again.
    pub(crate) fn new(config: &AuthConfig, fanout: Fanout) -> Self {
        let _ = config;
        Self { fanout }
    }

    /// Takes other settings. What rested on a key that is gone, or on other rules, ends; all else goes on.
    pub(crate) fn reload(&self, config: &AuthConfig) {
        let _ = (self, config);
    }

    /// Finds out who asks.
    ///
    /// # Errors
    /// No credentials, none that count, or a cookie that another site may have made a browser send.
    #[expect(clippy::unused_async, reason = "scaffold")]
    pub(crate) async fn authenticate(
        &self,
        request: &HttpRequest,
        query: &Query,
        intent: Intent,
    ) -> Result<Grant, Problem> {
        let _ = (request, query, intent);
        Ok(Grant { scope: Scope::All, presence: true, lease: Lease::default(), token: None, cookie: None })
    }
}
