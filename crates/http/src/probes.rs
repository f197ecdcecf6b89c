use std::time::{Duration, Instant};

use actix_web::{HttpResponse, web::Data};
use pushgate_journal::Health;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{Deps, edge::no_store_json, lifecycle::Phase, problem::Problem};

/// Where the liveness probe asks.
pub(crate) const HEALTHZ: &str = "/healthz";

/// Where the readiness probe asks.
pub(crate) const READYZ: &str = "/readyz";

/// All loops go round at least once a second, but for a commit that waits for a slow disk, which a restart can't heal;
/// one that has not gone round for so long is stuck.
const STUCK_AFTER: Duration = Duration::from_secs(30);

/// All is well.
#[derive(Serialize, ToSchema)]
#[schema(as = Status)]
struct StatusView {
    /// `ok` or `ready`.
    #[schema(example = "ok")]
    status: &'static str,
}

/// Whether the process is worth keeping
///
/// It does not fail for what a restart can't heal, such as a full disk or a service that is away.
#[utoipa::path(
    get,
    path = "/healthz",
    operation_id = "healthz",
    tag = "probes",
    security(()),
    responses(
        (status = 200, description = "The gateway's loops make progress", body = StatusView),
        (status = 503, description = "A loop stands still: `detail` says which"),
    )
)]
pub(crate) async fn healthz(deps: Data<Deps>) -> Result<HttpResponse, Problem> {
    let stuck = stuck(&[
        ("fan-out", deps.fanout.last_progress()),
        ("journal", deps.journal.last_progress()),
        ("connections", deps.vitals.last_progress()),
    ]);
    if stuck.is_empty() {
        Ok(no_store_json(&StatusView { status: "ok" }))
    } else {
        Err(Problem::Stuck { what: stuck.join(", "), seconds: STUCK_AFTER.as_secs() })
    }
}

/// Whether new streams should be sent here
///
/// Whatever the upstream service does; but not when connections panic so often that it is no matter of single tenants.
#[utoipa::path(
    get,
    path = "/readyz",
    operation_id = "readyz",
    tag = "probes",
    security(()),
    responses(
        (status = 200, description = "Listeners are open, tenants loaded and the journal writable", body = StatusView),
        (status = 503, description = "Starting, draining or failing: `type` and `detail` say what"),
    )
)]
pub(crate) async fn readyz(deps: Data<Deps>) -> Result<HttpResponse, Problem> {
    match deps.lifecycle.phase() {
        Phase::Ready => {}
        phase => return Err(Problem::NotServing(phase)),
    }
    if let Health::Failing { since, error } = &*deps.journal.health().borrow() {
        return Err(Problem::JournalFailing { since: *since, error: error.clone() });
    }
    match deps.vitals.failing() {
        None => Ok(no_store_json(&StatusView { status: "ready" })),
        Some(reason) => Err(Problem::ConnectionsFailing { reason }),
    }
}

/// The names of those that went round too long ago.
fn stuck(loops: &[(&'static str, Instant)]) -> Vec<&'static str> {
    loops.iter().filter(|(_, last)| last.elapsed() >= STUCK_AFTER).map(|(name, _)| *name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loop_that_stands_still_is_named() {
        let now = Instant::now();
        let old = now.checked_sub(STUCK_AFTER).expect("the machine runs for longer than that");
        assert_eq!(stuck(&[("fan-out", now), ("journal", now)]), [""; 0]);
        assert_eq!(stuck(&[("fan-out", now), ("journal", old)]), ["journal"]);
    }
}
