use std::{
    pin::pin,
    time::{Duration, SystemTime},
};

use actix_web::{
    http::{StatusCode, header},
    rt::time::sleep,
};
use secrecy::ExposeSecret;

use super::Account;
use crate::problem::Problem;

/// A handshake that waits; counted for as long as this lives, for the gateway may leave meanwhile.
struct Held<'a>(&'a Account);

impl<'a> Held<'a> {
    fn new(account: &'a Account) -> Self {
        account.lock().held += 1;
        Self(account)
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.lock().held -= 1;
    }
}

impl Account {
    /// Keeps a handshake waiting while the account stalls, and then for the delay of its upgrades.
    pub(crate) async fn hold(&self) {
        let _held = Held::new(self);
        let delay = loop {
            let mut changed = pin!(self.faults_changed.notified());
            // Listens before it looks, so that no change is missed.
            changed.as_mut().enable();
            let faults = self.faults();
            if !faults.stall {
                break faults.upgrade_delay_ms;
            }
            changed.await;
        };
        if let Some(delay) = delay {
            sleep(Duration::from_millis(delay.into())).await;
        }
    }

    /// Whether a handshake with this `Authorization` passes.
    ///
    /// # Errors
    /// The answer of one that does not.
    pub(crate) fn admit(&self, authorization: Option<&str>) -> Result<(), Problem> {
        let mut state = self.lock();
        let faults = state.faults.clone();
        let refusal = faults.refuse.as_ref().filter(|refusal| state.handshakes.refuses(refusal));
        let refused = match refusal {
            Some(refusal) => Some(refusal.problem(SystemTime::now())),
            None if self.knows(authorization) => None,
            None => {
                let problem = Problem::new(StatusCode::UNAUTHORIZED, "the bearer token is missing or wrong");
                Some(problem.with_header(header::WWW_AUTHENTICATE, "Bearer".to_owned()))
            }
        };
        state.refused += u64::from(refused.is_some());
        refused.map_or(Ok(()), Err)
    }

    fn knows(&self, authorization: Option<&str>) -> bool {
        let Some(token) = &self.token else { return true };
        let given = authorization.and_then(|value| value.split_once(' '));
        given.is_some_and(|(scheme, given)| {
            scheme.eq_ignore_ascii_case("bearer") && given.trim_start() == token.expose_secret()
        })
    }
}
