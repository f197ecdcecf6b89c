use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use pushgate_model::Timestamp;

/// How long before its end a stream is told of it by `auth-expiring`: time to fetch another token.
const WARNING: Duration = Duration::from_secs(30);

/// How long a stream may go on: until a time, and as long as what it was admitted by still counts.
///
/// `auth-expiring` is told 30 s before `expires_at`, or at once when less is left; then `auth-expired`, and the stream
/// ends. No push is written after either end.
#[derive(Clone, Debug, Default)]
pub struct Lease {
    /// When it ends; nothing is never.
    pub expires_at: Option<Timestamp>,
    /// What it rests on.
    pub revocation: Revocation,
}

/// Ends all leases that rest on one thing, such as a key. Clones share it.
///
/// Streams look at it before they write; [`Fanout::recheck`](crate::Fanout::recheck) has those look that are idle.
#[derive(Clone, Debug, Default)]
pub struct Revocation(Arc<AtomicBool>);

/// How a lease stands at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It counts.
    Good,
    /// It counts, and ends soon, at this time.
    Expiring(Timestamp),
    /// It ended at this time.
    Expired(Timestamp),
    /// What it rests on no longer counts.
    Revoked,
}

impl Lease {
    /// How it stands. The clock is only asked when that matters.
    pub(crate) fn standing(&self, now: impl FnOnce() -> Timestamp) -> Standing {
        if self.revocation.is_revoked() {
            return Standing::Revoked;
        }
        let Some(end) = self.expires_at else { return Standing::Good };
        match now() {
            now if now >= end => Standing::Expired(end),
            now if now >= end.minus(WARNING) => Standing::Expiring(end),
            _ => Standing::Good,
        }
    }

    /// When time alone changes next how it stands, in milliseconds of the wall clock; `u64::MAX` is never.
    pub(crate) fn turns_at(&self, now: Timestamp) -> u64 {
        let Some(end) = self.expires_at else { return u64::MAX };
        let warning = end.minus(WARNING);
        if now < warning { warning.as_millis() } else { end.as_millis() }
    }
}

impl Revocation {
    /// What rests on it no longer counts. For good.
    pub fn revoke(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Whether it was revoked.
    pub fn is_revoked(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_is_good_then_ends_soon_then_has_ended() {
        let at = Timestamp::from_millis;
        let lease = Lease { expires_at: Some(at(100_000)), ..Lease::default() };
        let table = [
            (0, Standing::Good, 70_000),
            (69_999, Standing::Good, 70_000),
            (70_000, Standing::Expiring(at(100_000)), 100_000),
            (99_999, Standing::Expiring(at(100_000)), 100_000),
            (100_000, Standing::Expired(at(100_000)), 100_000),
        ];
        for (now, standing, turns_at) in table {
            assert_eq!((lease.standing(|| at(now)), lease.turns_at(at(now))), (standing, turns_at), "at {now}");
        }
        lease.revocation.clone().revoke();
        assert_eq!(lease.standing(|| at(100_000)), Standing::Revoked);
    }

    #[test]
    fn a_lease_without_an_end_asks_no_clock() {
        let lease = Lease::default();
        assert_eq!(lease.standing(|| panic!("the clock was asked")), Standing::Good);
        assert_eq!(lease.turns_at(Timestamp::from_millis(5)), u64::MAX);
    }
}
