//! Who may read what: a request becomes a [`Grant`], or a problem.
//!
//! A token is a JWT (RFC 7519) and comes as `Authorization: Bearer`, as a cookie, or behind a ticket. `token.rs` reads it,
//! `keyring.rs` checks it by the keys in force and holds what ends the leases that rest on each, `claims.rs` reads what it
//! grants. Begin reading at [`Auth::authorize`].
//!
//! Nothing here logs a token, a ticket or a cookie; a refusal names the rule, never what broke it.

mod claims;
mod config;
mod cookie;
mod counts;
mod grant;
mod jwks;
mod key;
mod keyring;
mod mint;
mod origin;
mod refresh;
mod refused;
mod request;
mod ticket;
mod token;

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use actix_web::{HttpRequest, http::StatusCode};
use arc_swap::ArcSwap;
use pushgate_fanout::{Fanout, Lease};
use pushgate_model::{TenantId, Timestamp};

use crate::{policy::LivePolicy, problem::Problem, query::Query};

use keyring::{Admission, Verified, Way};
use refresh::Refresh;
use refused::Refused;
use request::{Ask, By, Source};
use ticket::Tickets;
use token::Token;

pub use config::{AuthConfig, AuthMode, CookieName, JwtConfig, Keys, SameSite};
pub(crate) use counts::AuthCounts;
pub use grant::Scope;
pub(crate) use grant::{Grant, TokenDigest};
pub use key::{KeyError, VerifyKey};
pub use mint::{Claims, SigningKey, mint};

/// What the public listener knows about access. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Auth(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    admission: ArcSwap<Admission>,
    /// Held while `admission` changes: a change goes from the one before.
    changing: Mutex<()>,
    refresh: Refresh,
    tickets: Tickets,
    policy: LivePolicy,
    fanout: Fanout,
    counts: AuthCounts,
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

/// A ticket that was given out.
#[derive(Debug)]
pub(crate) struct IssuedTicket {
    /// What `?ticket=` takes.
    pub(crate) ticket: String,
    /// How long it waits to be redeemed.
    pub(crate) expires_in: Duration,
}

impl Auth {
    /// `fanout` learns when streams have to look at their leases again.
    pub(crate) fn new(policy: LivePolicy, fanout: Fanout, counts: AuthCounts) -> Self {
        let admission = Admission::new(&policy.get().auth);
        let refresh = Refresh::new(admission.url());
        let (admission, changing, tickets) = (ArcSwap::from_pointee(admission), Mutex::default(), Tickets::default());
        Self(Arc::new(Inner { admission, changing, refresh, tickets, policy, fanout, counts }))
    }

    /// Takes other settings. What rested on a key that is gone, or on other rules, ends; all else goes on.
    pub(crate) fn reload(&self, config: &AuthConfig) {
        self.change(|admission| Some(admission.changed(config)));
    }

    /// Where keys are fetched from.
    pub(crate) fn keys_url(&self) -> Option<String> {
        self.0.refresh.url()
    }

    /// Completes when keys should be fetched.
    pub(crate) async fn keys_wanted(&self) {
        self.0.refresh.wanted().await;
    }

    /// Takes keys that were fetched; those of another URL than the present one are of no use any more.
    pub(crate) fn keys_fetched(&self, url: &str, keys: Vec<VerifyKey>) {
        let taken = self.change(|admission| match admission {
            Admission::Tokens(keyring) if admission.url() == Some(url) => {
                Some(Admission::Tokens(keyring.fetched(keys)))
            }
            _ => None,
        });
        if taken {
            self.0.counts.fetched();
            self.0.refresh.ended(true, Instant::now());
        }
    }

    /// Keys could not be fetched.
    pub(crate) fn keys_failed(&self) {
        self.0.counts.fetch_failed();
        self.0.refresh.ended(self.0.admission.load().knows_keys(), Instant::now());
    }

    /// Goes from one admission to the next, if there is one. Streams look at their leases afterwards.
    fn change(&self, next: impl FnOnce(&Admission) -> Option<Admission>) -> bool {
        let inner = &self.0;
        let changing = inner.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let next = next(&inner.admission.load()).map(Arc::new);
        if let Some(next) = &next {
            inner.admission.store(Arc::clone(next));
            // Whoever waits for keys finds them from here on.
            inner.refresh.follow(next.url(), next.knows_keys());
        }
        drop(changing);
        if next.is_some() {
            inner.fanout.recheck();
        }
        next.is_some()
    }

    /// Finds out who asks, and whether he may read these tenants. Of several cookies the first that may counts.
    ///
    /// # Errors
    /// No credentials, none that count, a cookie that another site may have made a browser send, or a token that does not
    /// name one of the tenants.
    pub(crate) async fn authorize(
        &self,
        request: &HttpRequest,
        query: &Query,
        intent: Intent,
        tenants: &[TenantId],
    ) -> Result<Grant, Problem> {
        let ask = Ask { request, query, intent, tenants, policy: self.0.policy.get() };
        let source = self.0.counted(self.0.source(&ask).await)?;
        Ok(match source {
            Source::Open(revocation) => {
                let lease = Lease { expires_at: None, revocation };
                Grant { scope: Scope::All, presence: true, lease, token: None, cookie: None }
            }
            Source::Token { text, verified, by } => {
                let cookie = if by == By::Ticket { self.0.cookie(&ask, &text, &verified) } else { None };
                let Verified { scope, presence, lease, digest, .. } = verified;
                Grant { scope, presence, lease, token: Some(digest), cookie }
            }
        })
    }

    /// Gives out a ticket that stands for the token of the request.
    ///
    /// # Errors
    /// As [`Auth::authorize`], or too many wait already.
    pub(crate) async fn issue(&self, request: &HttpRequest, query: &Query) -> Result<IssuedTicket, Problem> {
        let inner = &self.0;
        let ask = Ask { request, query, intent: Intent::Change, tenants: &[], policy: inner.policy.get() };
        let source = inner.counted(inner.source(&ask).await)?;
        let ticket = ticket::random().map_err(|error| {
            tracing::error!(%error, "the system gives no random bytes for a ticket");
            Problem::Status(StatusCode::INTERNAL_SERVER_ERROR)
        })?;
        let mut expires_in = ask.policy.auth.ticket_expiry;
        // Where everybody is admitted, any ticket is: there is nothing to remember.
        if let Source::Token { text, verified, .. } = source {
            expires_in = expires_in.min(remaining(verified.expires_at));
            let stands_for = (text, verified.digest);
            inner.counted(inner.tickets.issue(&ticket, stands_for, (Instant::now(), expires_in)))?;
        }
        inner.counts.tickets_issued.inc();
        Ok(IssuedTicket { ticket, expires_in })
    }
}

impl Inner {
    fn counted<T>(&self, result: Result<T, Refused>) -> Result<T, Problem> {
        result.inspect_err(|refused| self.counts.refused(refused)).map_err(Problem::from)
    }

    /// Checks a token by the keys in force, and, where it names one that is not among them, by those that are fetched then.
    async fn verify(&self, text: &str, way: Way) -> Result<Verified, Refused> {
        let token = Token::parse(text)?;
        let refused = match self.verify_now(&token, way) {
            Err(refused @ (Refused::UnknownKey | Refused::KeysUnknown)) => refused,
            done => return done,
        };
        let Some(round) = self.refresh.ask(Instant::now()) else { return Err(refused) };
        self.refresh.end_of(round).await;
        self.verify_now(&token, way)
    }

    fn verify_now(&self, token: &Token<'_>, way: Way) -> Result<Verified, Refused> {
        match &**self.admission.load() {
            // A reload came in between; whoever asks again is admitted.
            Admission::Everybody { .. } => Err(Refused::UnknownKey),
            Admission::Tokens(keyring) => keyring.verify(token, way, now()),
        }
    }
}

fn now() -> Timestamp {
    SystemTime::now().into()
}

/// How long a token still counts.
fn remaining(expires_at: Timestamp) -> Duration {
    Duration::from_millis(expires_at.as_millis().saturating_sub(now().as_millis()))
}
