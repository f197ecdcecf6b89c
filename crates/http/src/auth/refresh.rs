//! When a JWKS is fetched again, and who waits for it.
//!
//! Anybody can make up a `kid`, so this has two bounds: how often somebody's wish leads to a fetch, and how many requests
//! wait for one.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{
    sync::{Semaphore, watch},
    time::timeout,
};

/// From the end of one fetch to the next that a token may cause.
const REFRESH_EVERY: Duration = Duration::from_secs(10);

/// How long a request waits for a fetch.
const REFRESH_WAIT: Duration = Duration::from_secs(3);

/// Requests that wait for a fetch at the same time; others are answered by what is known.
const REFRESH_WAITERS: usize = 256;

/// Shared by whoever fetches and whoever waits.
#[derive(Debug)]
pub(super) struct Refresh {
    state: watch::Sender<State>,
    waiters: Arc<Semaphore>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct State {
    url: Option<String>,
    /// Whether any keys are known.
    known: bool,
    /// A token names a key that is not.
    asked: bool,
    /// Fetches that ended, well or not.
    rounds: u64,
    /// When the last one did.
    ended_at: Option<Instant>,
}

/// A fetch that somebody may wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Round(u64);

impl State {
    /// How long the last fetch keeps the next one waiting.
    fn rest(&self, now: Instant) -> Duration {
        self.ended_at.map_or(Duration::ZERO, |ended| (ended + REFRESH_EVERY).saturating_duration_since(now))
    }

    /// After which time keys should be fetched; nothing when they need not be.
    fn due_in(&self, now: Instant) -> Option<Duration> {
        (self.url.is_some() && (self.asked || !self.known)).then(|| self.rest(now))
    }
}

impl Refresh {
    pub(super) fn new(url: Option<&str>) -> Self {
        let state = State { url: url.map(str::to_owned), ..State::default() };
        Self { state: watch::Sender::new(state), waiters: Arc::new(Semaphore::new(REFRESH_WAITERS)) }
    }

    pub(super) fn url(&self) -> Option<String> {
        self.state.borrow().url.clone()
    }

    /// The settings changed. Keys of another URL are fetched at once.
    pub(super) fn follow(&self, url: Option<&str>, known: bool) {
        self.state.send_if_modified(|state| {
            if state.url.as_deref() != url {
                *state = State { url: url.map(str::to_owned), rounds: state.rounds + 1, ..State::default() };
            }
            state.known = known;
            true
        });
    }

    /// A fetch ended.
    pub(super) fn ended(&self, known: bool, now: Instant) {
        self.state.send_modify(|state| {
            (state.known, state.asked) = (known, false);
            state.rounds += 1;
            state.ended_at = Some(now);
        });
    }

    /// Completes when keys should be fetched.
    pub(super) async fn wanted(&self) {
        let mut state = self.state.subscribe();
        loop {
            let due = state.borrow_and_update().due_in(Instant::now());
            let changed = match due {
                Some(Duration::ZERO) => return,
                Some(wait) => timeout(wait, state.changed()).await.unwrap_or(Ok(())),
                None => state.changed().await,
            };
            if changed.is_err() {
                // The sender is part of what is borrowed here: it can't be gone.
                return std::future::pending().await;
            }
        }
    }

    /// A token can't be checked by the keys that are known. Gives the fetch that may change this; nothing when there is none
    /// to wait for.
    pub(super) fn ask(&self, now: Instant) -> Option<Round> {
        let mut round = None;
        self.state.send_if_modified(|state| {
            if state.url.is_none() || !state.rest(now).is_zero() {
                return false;
            }
            round = Some(Round(state.rounds));
            !std::mem::replace(&mut state.asked, true)
        });
        round
    }

    /// Waits for the end of a fetch, for a while, unless too many do.
    pub(super) async fn end_of(&self, Round(round): Round) {
        let Ok(_permit) = self.waiters.try_acquire() else { return };
        let mut state = self.state.subscribe();
        // Whether it came or not: the keys that are known now are looked at next.
        let _ = timeout(REFRESH_WAIT, state.wait_for(|state| state.rounds != round)).await;
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{FutureExt as _, future::join_all};

    use super::*;

    fn is_wanted(refresh: &Refresh) -> bool {
        refresh.wanted().now_or_never().is_some()
    }

    fn due_in(refresh: &Refresh, now: Instant) -> Option<Duration> {
        refresh.state.borrow().due_in(now)
    }

    #[actix_web::test]
    async fn keys_are_wanted_until_some_are_known() {
        let refresh = Refresh::new(Some("https://login.example/jwks"));
        assert!(is_wanted(&refresh) && is_wanted(&refresh));
        refresh.ended(true, Instant::now());
        assert!(!is_wanted(&refresh));
        refresh.follow(Some("https://login.example/jwks"), true);
        assert!(!is_wanted(&refresh));
        refresh.follow(Some("https://other.example/jwks"), false);
        assert!(is_wanted(&refresh), "another url is not made to wait");
        refresh.follow(None, true);
        assert!(!is_wanted(&refresh) && refresh.url().is_none());
    }

    #[actix_web::test]
    async fn unknown_keys_cause_one_fetch_in_a_while() {
        let (refresh, start) = (Refresh::new(Some("u")), Instant::now());
        refresh.ended(true, start);
        for _ in 0..1000 {
            assert_eq!(refresh.ask(start + REFRESH_EVERY / 2), None, "nobody waits for what was just done");
        }
        assert_eq!(due_in(&refresh, start), None);
        let later = start + REFRESH_EVERY;
        let round = refresh.ask(later).expect("a fetch");
        assert_eq!(refresh.ask(later), Some(round), "others wait for the same one");
        assert_eq!(due_in(&refresh, later), Some(Duration::ZERO));
        refresh.ended(true, later);
        assert_eq!((due_in(&refresh, later), refresh.ask(later)), (None, None));
    }

    #[test]
    fn a_failed_fetch_is_repeated_in_a_while() {
        let (refresh, start) = (Refresh::new(Some("u")), Instant::now());
        refresh.ended(false, start);
        assert_eq!(due_in(&refresh, start), Some(REFRESH_EVERY));
        assert_eq!(refresh.ask(start), None);
    }

    #[actix_web::test]
    async fn whoever_waits_goes_on_when_the_fetch_ends_and_only_so_many_do() {
        let refresh = Refresh::new(Some("u"));
        let round = refresh.ask(Instant::now()).unwrap();
        let mut waiting: Vec<_> = (0..REFRESH_WAITERS).map(|_| Box::pin(refresh.end_of(round))).collect();
        for wait in &mut waiting {
            assert!(wait.as_mut().now_or_never().is_none());
        }
        assert!(refresh.end_of(round).now_or_never().is_some(), "one too many");
        refresh.ended(true, Instant::now());
        join_all(waiting).await;
    }
}
