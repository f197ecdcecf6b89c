//! What several units together must hold.

/// The same tests, with streams that their shard writes to.
macro_rules! directly {
    ($($test:ident),+ $(,)?) => {
        mod directly {
            $(
                #[test]
                fn $test() {
                    crate::tests::world::directly(super::$test);
                }
            )+
        }
    };
}

mod blips;
mod delivery;
mod drains;
mod events;
mod gate;
mod leases;
mod listing;
mod long;
mod pages;
mod rates;
mod rest;
mod seam;
mod stalls;
mod streams;
mod turns;
mod world;

use std::sync::Arc;

use pushgate_model::{ConnectionState, Push, Seq, StoredPush, TenantId, TenantStatus, Timestamp};

pub(crate) fn tenant(id: &str) -> TenantId {
    id.parse().unwrap()
}

pub(crate) fn seq(value: u64) -> Seq {
    Seq::new(value).unwrap()
}

pub(crate) fn status(reason: &'static str) -> TenantStatus {
    TenantStatus { state: ConnectionState::Backoff, since: Timestamp::from_millis(0), reason: Some(reason.into()) }
}

pub(crate) fn push(id: &str, at: u64) -> Arc<StoredPush> {
    Arc::new(StoredPush {
        seq: seq(at),
        tenant: tenant(id),
        push: Push { id: "p".into(), created_at: "now".into(), title: "title".into(), body: "body".into() },
        received_at: Timestamp::from_millis(0),
    })
}
