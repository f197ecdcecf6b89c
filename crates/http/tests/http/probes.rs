use std::time::Duration;

use crate::{client::get, gateway::Gateway};

#[test]
fn a_gateway_that_goes_round_is_alive() {
    let gateway = Gateway::start_unready();
    let answer = get(gateway.admin, "/healthz", &[]);
    assert_eq!((answer.status, answer.json()["status"].as_str()), (200, Some("ok")));
}

#[test]
fn a_thread_of_connections_that_stands_still_fails_the_liveness_and_is_named() {
    let gateway = Gateway::start_still_for(Duration::from_secs(31));
    let answer = get(gateway.admin, "/healthz", &[]);
    assert_eq!((answer.status, answer.problem().as_str()), (503, "stuck"));
    assert!(answer.json()["detail"].as_str().unwrap().ends_with(": connections"), "it alone: {answer:?}");
    assert_eq!(get(gateway.admin, "/readyz", &[]).status, 200, "streams are still served");
    // So long is a slow moment yet.
    let gateway = Gateway::start_still_for(Duration::from_secs(5));
    assert_eq!(get(gateway.admin, "/healthz", &[]).status, 200);
}

#[test]
fn readiness_follows_the_lifecycle() {
    let gateway = Gateway::start_unready();
    let ask = || get(gateway.admin, "/readyz", &[]);
    assert_eq!((ask().status, ask().problem().as_str()), (503, "starting"));
    gateway.lifecycle.set_ready();
    assert_eq!((ask().status, ask().json()["status"].as_str()), (200, Some("ready")));
    gateway.lifecycle.set_draining();
    assert_eq!((ask().status, ask().problem().as_str()), (503, "draining"));
    assert!(ask().header("retry-after").is_some());
}

#[test]
fn readiness_follows_the_journal_and_says_what_is_wrong() {
    let gateway = Gateway::start();
    gateway.journal.set_failing(Some("database or disk is full"));
    let answer = get(gateway.admin, "/readyz", &[]);
    assert_eq!((answer.status, answer.problem().as_str()), (503, "journal-failing"));
    assert!(answer.body.contains("disk is full"), "{answer:?}");
    assert_eq!(get(gateway.admin, "/healthz", &[]).status, 200, "a restart would not heal it");
    gateway.journal.set_failing(None);
    assert_eq!(get(gateway.admin, "/readyz", &[]).status, 200);
}
