use std::time::{Duration, Instant};

use actix_web::{HttpResponse, web::Data};
use pushgate_journal::Health;
use serde_json::json;

use crate::{Deps, edge::no_store_json, lifecycle::Phase, problem::Problem};

/// Where the liveness probe asks.
pub(crate) const HEALTHZ: &str = "/healthz";

/// Where the readiness probe asks.
pub(crate) const READYZ: &str = "/readyz";

/// Both loops go round at least once a second, but for a commit that waits for a slow disk, which a restart can't heal;
/// one that has not gone round for so long is stuck.
const STUCK_AFTER: Duration = Duration::from_secs(30);

/// `GET /healthz`: whether the process is worth keeping. It must not fail for what a restart can't heal, such as a full
/// disk or a service that is away.
pub(crate) async fn healthz(deps: Data<Deps>) -> Result<HttpResponse, Problem> {
    let stuck = stuck(&[("fan-out", deps.fanout.last_progress()), ("journal", deps.journal.last_progress())]);
    if stuck.is_empty() {
        Ok(no_store_json(&json!({ "status": "ok" })))
    } else {
        Err(Problem::Stuck { what: stuck.join(", "), seconds: STUCK_AFTER.as_secs() })
    }
}

/// `GET /readyz`: whether new streams should be sent here, whatever the upstream does.
pub(crate) async fn readyz(deps: Data<Deps>) -> Result<HttpResponse, Problem> {
    match deps.lifecycle.phase() {
        Phase::Ready => {}
        phase => return Err(Problem::NotServing(phase)),
    }
    match &*deps.journal.health().borrow() {
        Health::Writable => Ok(no_store_json(&json!({ "status": "ready" }))),
        Health::Failing { since, error } => Err(Problem::JournalFailing { since: *since, error: error.clone() }),
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
