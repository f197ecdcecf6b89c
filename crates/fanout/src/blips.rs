use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use pushgate_model::{ConnectionState, TenantId, TenantStatus};

/// A change that is undone within this time is not told. Well below the two seconds within which subscribers are told of
/// every other change.
pub(crate) const BLIP: Duration = Duration::from_secs(1);
/// What waits is looked at no more often, for when the service goes, all tenants wait while dispatch goes round at each
/// commit.
const LOOK: Duration = Duration::from_millis(100);

/// Keeps from subscribers what lasts no longer than a blink: a service that restarts cuts every line, and most are back
/// at once.
///
/// Good news is told at once, all else once it has lasted for [`BLIP`], and then as it is by now; but of a connection that
/// tries and fails, what is told is why, and not the moment of the next try. A change back to what was told last leaves
/// nothing to tell. Time is an argument.
#[derive(Debug, Default)]
pub(crate) struct Blips {
    /// At most one for each tenant.
    waiting: HashMap<TenantId, Waiting>,
    look_at: Option<Instant>,
}

#[derive(Debug)]
struct Waiting {
    status: TenantStatus,
    /// When it came to that.
    since: Instant,
    /// What was before, when the present status is but a try.
    before: Option<TenantStatus>,
    /// [`BLIP`] after the connection left what was told; later changes do not put it off.
    due: Instant,
}

impl Blips {
    /// A tenant's connection changed. `told` is what its subscribers know; says what they are to be told at once.
    ///
    /// The first status of all is: until then they were told a mere guess.
    pub(crate) fn change(
        &mut self,
        tenant: &TenantId,
        told: Option<&TenantStatus>,
        status: TenantStatus,
        now: Instant,
    ) -> Option<TenantStatus> {
        let Some(told) = told else { return Some(status) };
        if (told.state, &told.reason) == (status.state, &status.reason) {
            self.forget(tenant);
            return None;
        }
        if status.state == ConnectionState::Connected && told.state != ConnectionState::Connected {
            self.forget(tenant);
            return Some(status);
        }
        if let Some(waiting) = self.waiting.get_mut(tenant) {
            waiting.change(status, now);
        } else {
            self.waiting.insert(tenant.clone(), Waiting { status, since: now, before: None, due: now + BLIP });
        }
        None
    }

    /// The tenant is gone, and with it what was to be told.
    pub(crate) fn forget(&mut self, tenant: &TenantId) {
        self.waiting.remove(tenant);
    }

    /// What has lasted, and is to be told now.
    pub(crate) fn due(&mut self, now: Instant) -> Vec<(TenantId, TenantStatus)> {
        if self.waiting.is_empty() || self.look_at.is_some_and(|at| now < at) {
            return Vec::new();
        }
        self.look_at = Some(now + LOOK);
        let mut due = Vec::new();
        self.waiting.retain(|tenant, waiting| match waiting.before.take_if(|_| waiting.due <= now) {
            // The try is told as well, if it lasts itself.
            Some(before) if now < waiting.since + BLIP => {
                due.push((tenant.clone(), before));
                waiting.due = waiting.since + BLIP;
                true
            }
            _ if waiting.due <= now => {
                due.push((tenant.clone(), waiting.status.clone()));
                false
            }
            _ => true,
        });
        due
    }
}

impl Waiting {
    fn change(&mut self, status: TenantStatus, now: Instant) {
        let before = std::mem::replace(&mut self.status, status);
        self.since = now;
        if !is_try(self.status.state) {
            self.before = None;
        } else if !is_try(before.state) {
            self.before = Some(before);
        }
    }
}

/// Whether a connection only passes through this state on its way to another one.
fn is_try(state: ConnectionState) -> bool {
    matches!(state, ConnectionState::Waiting | ConnectionState::Connecting)
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use ConnectionState::{Backoff, Connected, Connecting, Draining, Paused, RateLimited, Waiting as Queued};
    use pushgate_model::Timestamp;

    use super::*;
    use crate::tests::tenant;

    type Change = (u64, ConnectionState, Option<&'static str>);

    /// What subscribers are told of these changes, and when, in milliseconds.
    fn told(changes: &[Change]) -> Vec<Change> {
        let base = Instant::now();
        let (mut blips, mut last, mut told) = (Blips::default(), None::<TenantStatus>, Vec::new());
        for at in (0..8_000).step_by(100) {
            let now = base + Duration::from_millis(at);
            let mut tell = |status: TenantStatus, last: &mut Option<TenantStatus>| {
                let reason = status.reason.clone().map(|reason| match reason {
                    Cow::Borrowed(reason) => reason,
                    Cow::Owned(_) => unreachable!("only literals"),
                });
                told.push((at, status.state, reason));
                *last = Some(status);
            };
            for &(_, state, reason) in changes.iter().filter(|change| change.0 == at) {
                let since = Timestamp::from_millis(at);
                let status = TenantStatus { state, since, reason: reason.map(Cow::Borrowed) };
                if let Some(status) = blips.change(&tenant("a"), last.as_ref(), status, now) {
                    tell(status, &mut last);
                }
            }
            for (_, status) in blips.due(now) {
                tell(status, &mut last);
            }
        }
        assert!(blips.waiting.is_empty());
        told
    }

    #[test]
    fn only_what_lasts_is_told() {
        let up = (0, Connected, None);
        let table: [(&[Change], &[Change]); 11] = [
            // The first status is told at once, whatever it is.
            (&[(0, Paused, None)], &[(0, Paused, None)]),
            // A short loss is not told, nor is the return.
            (&[up, (1_000, Backoff, Some("eof")), (1_900, Connected, None)], &[up]),
            (
                &[
                    up,
                    (1_000, Backoff, None),
                    (1_100, Connected, None),
                    (1_500, Backoff, None),
                    (2_400, Connected, None),
                ],
                &[up],
            ),
            // One that lasts is told a second after it began, by its reason; a try too, if it lasts itself; the return at once.
            (
                &[up, (1_000, Backoff, Some("eof")), (1_700, Connecting, None), (3_000, Connected, None)],
                &[up, (2_000, Backoff, Some("eof")), (2_700, Connecting, None), (3_000, Connected, None)],
            ),
            // Tries that fail fast are not told, whenever one looks.
            (
                &[
                    up,
                    (1_000, Backoff, Some("eof")),
                    (1_900, Queued, None),
                    (2_000, Connecting, None),
                    (2_100, Backoff, Some("eof")),
                    (2_900, Connecting, None),
                    (3_000, Backoff, Some("eof")),
                ],
                &[up, (2_000, Backoff, Some("eof"))],
            ),
            // From the start to the first connection.
            (
                &[(0, Queued, None), (100, Connecting, None), (200, Connected, None)],
                &[(0, Queued, None), (200, Connected, None)],
            ),
            // Attempts that fail at once are no news while the reason is the same.
            (
                &[(0, Backoff, Some("x")), (1_000, Connecting, None), (1_300, Backoff, Some("x"))],
                &[(0, Backoff, Some("x"))],
            ),
            (
                &[(0, Backoff, Some("x")), (1_000, Connecting, None), (1_300, Backoff, Some("y"))],
                &[(0, Backoff, Some("x")), (2_000, Backoff, Some("y"))],
            ),
            // A reason that comes and goes while connected, and one that stays.
            (&[up, (1_000, Connected, Some("shedding")), (1_500, Connected, None)], &[up]),
            (
                &[up, (1_000, Connected, Some("shedding")), (3_000, Connected, None)],
                &[up, (2_000, Connected, Some("shedding")), (4_000, Connected, None)],
            ),
            // No state is told faster because it is final.
            (&[up, (1_000, RateLimited, None), (1_500, Draining, None)], &[up, (2_000, Draining, None)]),
        ];
        for (changes, expected) in table {
            assert_eq!(told(changes), expected, "{changes:?}");
        }
    }

    #[test]
    fn a_tenant_that_is_gone_has_nothing_to_tell() {
        let now = Instant::now();
        let mut blips = Blips::default();
        let status = |state| TenantStatus { state, since: Timestamp::from_millis(0), reason: None };
        for id in ["a", "b"] {
            assert_eq!(blips.change(&tenant(id), Some(&status(Connected)), status(Backoff), now), None);
        }
        blips.forget(&tenant("a"));
        let due: Vec<_> = blips.due(now + BLIP).into_iter().map(|(tenant, _)| tenant).collect();
        assert_eq!(due, [tenant("b")]);
    }
}
