use std::{sync::Arc, time::Instant};

use actix_web::{
    HttpRequest,
    cookie::Cookie,
    http::{Method, header},
};
use pushgate_fanout::Revocation;
use pushgate_model::TenantId;
use secrecy::{ExposeSecret as _, SecretString};

use super::{
    CookieName, Inner, Intent, cookie,
    keyring::{Admission, Verified, Way},
    origin,
    refused::Refused,
    remaining,
};
use crate::{Policy, address::is_https, query::Query};

/// What a request asks for.
#[derive(Debug)]
pub(super) struct Ask<'a> {
    pub(super) request: &'a HttpRequest,
    pub(super) query: &'a Query,
    pub(super) intent: Intent,
    /// Which tenants it must be able to read.
    pub(super) tenants: &'a [TenantId],
    /// What is in force for all of this request.
    pub(super) policy: Arc<Policy>,
}

/// By what a request is admitted.
#[derive(Debug)]
pub(super) enum Source {
    /// By nothing: everybody is, until this is revoked.
    Open(Revocation),
    /// By a token.
    Token {
        /// Itself.
        text: SecretString,
        /// What it says.
        verified: Verified,
        /// How it came.
        by: By,
    },
}

/// How a token came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum By {
    /// In the header that is there for it.
    Header,
    /// Behind a ticket.
    Ticket,
    /// In a cookie.
    Cookie,
}

impl Ask<'_> {
    /// The ticket of a request that opens a stream: HEAD opens none.
    fn ticket(&self) -> Option<&str> {
        let opens = self.intent == Intent::Stream && self.request.method() == Method::GET;
        opens.then(|| self.query.get("ticket")).flatten()
    }

    fn comes_from_trusted_page(&self) -> bool {
        origin::is_trusted(self.request, self.intent, &self.policy)
    }
}

impl Inner {
    /// Finds what admits a request: the header before the ticket before the cookies. A header that is wrong is not made
    /// good by anything else; a ticket that is of no use may be: a browser repeats the URL with its used ticket whenever it
    /// reconnects, and then the cookie counts.
    pub(super) async fn source(&self, ask: &Ask<'_>) -> Result<Source, Refused> {
        let configured = match &**self.admission.load() {
            Admission::Everybody { revocation, .. } => return Ok(Source::Open(revocation.clone())),
            Admission::Tokens(keyring) => keyring.cookie().cloned(),
        };
        if let Some(text) = bearer(ask.request)? {
            let verified = self.verify(text, Way::Own).await?;
            verified.scope.check(ask.tenants)?;
            return Ok(Source::Token { text: text.into(), verified, by: By::Header });
        }
        let ticket = ask.ticket();
        if let Some(text) = ticket.and_then(|ticket| self.tickets.redeem(ticket, Instant::now())) {
            self.counts.tickets_redeemed.inc();
            // Its key may be gone since.
            if let Ok(verified) = self.verify(text.expose_secret(), Way::Own).await {
                verified.scope.check(ask.tenants)?;
                return Ok(Source::Token { text, verified, by: By::Ticket });
            }
        }
        let otherwise = if ticket.is_some() { Refused::Ticket } else { Refused::NoToken };
        self.by_cookies(ask, configured.as_ref(), otherwise).await
    }

    /// The first cookie that counts and covers the tenants.
    async fn by_cookies(
        &self,
        ask: &Ask<'_>,
        configured: Option<&CookieName>,
        otherwise: Refused,
    ) -> Result<Source, Refused> {
        let tokens = cookie::tokens(ask.request, configured);
        if !tokens.is_empty() && !ask.comes_from_trusted_page() {
            return Err(Refused::ForeignOrigin);
        }
        let mut refused = None;
        for (text, way) in tokens {
            let checked = match self.verify(text, way).await {
                // A reload came in between: what ends the streams of this cookie has gone by.
                Ok(_) if way == Way::Cookie && !self.takes(configured) => Err(otherwise.clone()),
                Ok(verified) => verified.scope.check(ask.tenants).map(|()| verified),
                Err(error) => Err(error),
            };
            match checked {
                Ok(verified) => return Ok(Source::Token { text: text.into(), verified, by: By::Cookie }),
                // Whoever is known, and may not read this, is told so.
                Err(error @ Refused::Forbidden(_)) => refused = Some(error),
                Err(error) => refused = refused.or(Some(error)),
            }
        }
        Err(refused.unwrap_or(otherwise))
    }

    /// Whether this is still the cookie of the settings.
    fn takes(&self, cookie: Option<&CookieName>) -> bool {
        matches!(&**self.admission.load(), Admission::Tokens(keyring) if keyring.cookie() == cookie)
    }

    /// What lets the browser's own reconnect in after its ticket was redeemed.
    pub(super) fn cookie(&self, ask: &Ask<'_>, token: &SecretString, verified: &Verified) -> Option<Cookie<'static>> {
        let seconds = remaining(verified.expires_at).as_secs();
        // A page from which the cookie would not count gets none: it could be anybody's, with a ticket of his own.
        if seconds == 0 || !ask.comes_from_trusted_page() {
            return None;
        }
        let https = is_https(ask.request, &ask.policy.trusted_proxies);
        let setting = cookie::Setting { same_site: ask.policy.auth.cookie_same_site, seconds, https };
        let cookie = cookie::set(token.expose_secret(), ask.request.uri().path(), setting);
        if cookie.is_none() {
            self.counts.cookies_too_long.inc();
            tracing::debug!("a redeemed ticket's token is too long for a cookie: a reconnect needs another ticket");
        }
        cookie
    }
}

/// The token of the header that is there for it.
///
/// # Errors
/// There are several, or another scheme.
fn bearer(request: &HttpRequest) -> Result<Option<&str>, Refused> {
    let mut lines = request.headers().get_all(header::AUTHORIZATION);
    let Some(line) = lines.next() else { return Ok(None) };
    let (scheme, token) = line.to_str().ok().and_then(|line| line.split_once(' ')).ok_or(Refused::Header)?;
    if lines.next().is_some() || !scheme.eq_ignore_ascii_case("Bearer") || token.trim().is_empty() {
        return Err(Refused::Header);
    }
    Ok(Some(token.trim()))
}

#[cfg(test)]
mod tests {
    use std::{pin::pin, time::Duration};

    use actix_web::test::TestRequest;
    use futures_util::FutureExt as _;
    use pushgate_fanout::{Fanout, FanoutConfig};
    use pushgate_journal::testing::MemoryJournal;
    use pushgate_upstream::Words;

    use super::*;
    use crate::{
        auth::{
            Auth, AuthConfig, AuthCounts, AuthMode, Claims, JwtConfig, Keys, Scope, SigningKey, VerifyKey, mint, now,
        },
        policy::LivePolicy,
        problem::Problem,
    };

    const URL: &str = "https://login.example/jwks";
    const SECRET: &str = "a secret of 32 bytes, or of more";

    fn config(cookie: Option<&str>) -> AuthConfig {
        let cookie = cookie.map(|name| CookieName::new(name).unwrap());
        let keys = Keys::Remote { url: URL.to_owned() };
        AuthConfig {
            mode: AuthMode::Jwt(JwtConfig { keys, issuer: None, audience: None, cookie }),
            ..AuthConfig::default()
        }
    }

    fn token() -> String {
        let claims = Claims {
            tenants: Scope::All,
            presence: false,
            issuer: None,
            audience: None,
            subject: None,
            issued_at: now(),
            expires_at: now().plus(Duration::from_secs(600)),
            key_id: None,
        };
        mint(&SigningKey::new("HS256", SECRET).unwrap(), &claims)
    }

    /// Asks by the cookie `session` of a gateway that has no keys yet, and takes these settings while that waits for them.
    async fn ask_across_a_reload(later: &AuthConfig) -> Result<(), Problem> {
        let (inlet, inbox) = Fanout::channel(1);
        let journal = MemoryJournal::new(Box::new(inlet));
        let fanout = Fanout::start(FanoutConfig::default(), journal, inbox, Arc::new(Words::default()));
        let policy = LivePolicy::new(Policy { auth: config(Some("session")), ..Policy::default() });
        let auth = Auth::new(policy, fanout, AuthCounts::default());
        let request =
            TestRequest::default().insert_header(("cookie", format!("session={}", token()))).to_http_request();
        let query = Query::of(&request);
        let mut asking = pin!(auth.authorize(&request, &query, Intent::Read, &[]));
        assert!(asking.as_mut().now_or_never().is_none(), "it waits for keys");
        auth.reload(later);
        auth.keys_fetched(URL, vec![VerifyKey::new("HS256", SECRET).unwrap()]);
        asking.await.map(drop)
    }

    #[actix_web::test]
    async fn a_cookie_that_a_reload_takes_out_counts_no_more_for_who_waits() {
        assert!(ask_across_a_reload(&config(Some("session"))).await.is_ok());
        for later in [config(None), config(Some("other"))] {
            assert!(matches!(ask_across_a_reload(&later).await, Err(Problem::NoToken)));
        }
    }
}
