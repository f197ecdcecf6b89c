//! Pushes that can't be accepted, and a service that insists on them.

use std::time::Duration;

use pushgate_session::BackoffConfig;
use pushgate_upstream::UpstreamConfig;

use crate::{
    duo::Duo,
    frames::{field, push},
    gateway::{config, run},
};

#[test]
fn a_push_that_ends_every_socket_keeps_no_other_from_coming() {
    run(async {
        let backoff = BackoffConfig {
            initial: Duration::from_millis(5),
            max: Duration::from_secs(60),
            healthy_after: Duration::from_secs(600),
        };
        let mut duo = Duo::start(&UpstreamConfig { backoff, ..config() }).await;
        // By doubling alone the twelfth pause would be longer than this test's patience.
        for round in 0..14 {
            duo.peer.binary(&[0xff; 100]).await;
            duo.peer.is_acked(&format!("good-{round}")).await;
            duo.peer.cut();
            duo.peer = duo.acme.accept().await;
        }
        assert!(duo.gateway.transitions("acme").iter().all(|one| one.attempt <= 1));
        assert_eq!(duo.gateway.quarantined(1).await[0].count, 14);
        duo.neighbour.is_acked("n").await;
    });
}

#[test]
fn a_push_that_is_refused_and_sent_again_at_once_does_not_spin() {
    run(async {
        let mut duo = Duo::start(&config()).await;
        let broken = field(1, &[field(1, b"broken"), field(3, &[0xff])].concat());
        for _ in 0..50 {
            duo.peer.binary(&broken).await;
        }
        duo.peer.push("good").await;
        let mut refusals = 0;
        while duo.peer.answer().await != ("good".to_owned(), true) {
            refusals += 1;
        }
        // The first three, one that begins the pause, and one for each second that the test takes.
        assert!((4..25).contains(&refusals), "{refusals}");
        assert_eq!(duo.gateway.quarantined(1).await[0].count, 50);
    });
}

#[test]
fn a_known_id_with_other_bytes_is_answered_and_the_first_one_stays() {
    run(async {
        let mut duo = Duo::start(&config()).await;
        duo.peer.is_acked("a").await;
        duo.peer.binary(&crate::frames::push_with("a", "other")).await;
        assert_eq!(duo.peer.answer().await, ("a".to_owned(), true));
        duo.peer.binary(&push("b")).await;
        assert_eq!(duo.peer.answer().await, ("b".to_owned(), true));
        let acme = duo.gateway.until("acme", |acme| acme.duplicates == 1).await;
        assert_eq!(acme.pushes, 2);
    });
}
