//! What goes wrong inside of the gateway itself, and how far it reaches.

use std::time::Duration;

use pushgate_model::{ConnectionState, TenantId};
use pushgate_upstream::testing::Fault;

use crate::stack::{Stack, run, until};

fn tenant(id: &str) -> TenantId {
    id.parse().expect("valid")
}

#[test]
fn a_panic_ends_one_socket_and_is_healed() {
    run(async {
        let stack = Stack::start().await;
        let mut stream = stack.gateway.subscribe("/events?tenant=a&tenant=b");
        stream.opened().await;
        stack.gateway.tenants.inject(&tenant("a"), Fault::Panic(1)).unwrap();
        stack.gateway.reaches("a", ConnectionState::Crashed).await;
        let id = stack.service.push("b", "siblings go on");
        assert_eq!(stream.push().await.id, id);
        let id = stack.service.push("a", "sent again after the restart");
        assert_eq!(stream.push().await.id, id);
        stack.gateway.reaches("a", ConnectionState::Connected).await;
        let transitions = stack.gateway.directory.transitions(&tenant("a")).unwrap();
        assert!(transitions.iter().any(|transition| transition.reason.as_deref() == Some("panic")));
        let connects = stack.service.control("accounts/b").await["connects"].clone();
        assert_eq!(connects, 1, "the sibling's socket was not touched");
        stack.stop().await;
    });
}

#[test]
fn panics_over_many_tenants_fail_the_readiness() {
    run(async {
        let stack = Stack::start().await;
        assert_eq!(stack.gateway.admin("/readyz").await.status, 200);
        for round in 0..4 {
            for id in ["a", "b", "c"] {
                stack.gateway.reaches(id, ConnectionState::Connected).await;
                stack.gateway.tenants.inject(&tenant(id), Fault::Panic(round)).unwrap();
                stack.gateway.reaches(id, ConnectionState::Crashed).await;
                // An operator does not wait for the pause.
                stack.gateway.tenants.reconnect(&tenant(id)).await.unwrap();
            }
        }
        let answer = stack.gateway.admin("/readyz").await;
        assert_eq!(answer.status, 503);
        assert!(answer.text().contains("panicked"), "{}", answer.text());
        assert_eq!(stack.gateway.admin("/healthz").await.status, 200, "it lives");
        stack.stop().await;
    });
}

#[test]
fn a_thread_of_connections_that_stands_still_is_seen() {
    run(async {
        let stack = Stack::start().await;
        let before = stack.gateway.vitals.last_progress();
        until("a beat", || async { (stack.gateway.vitals.last_progress() > before).then_some(()) }).await;
        stack.gateway.tenants.inject(&tenant("a"), Fault::Stall(Duration::from_secs(2))).unwrap();
        let still = until("a thread that stands still", || async {
            let last = stack.gateway.vitals.last_progress();
            (last.elapsed() > Duration::from_secs(1)).then_some(last)
        })
        .await;
        until("the thread going on", || async { (stack.gateway.vitals.last_progress() > still).then_some(()) }).await;
        stack.stop().await;
    });
}
