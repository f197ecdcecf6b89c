//! A journal that is slow, fails, or has no room: what is answered, and on which socket.

use std::time::Duration;

use pushgate_model::ConnectionState::{Connected, Crashed, Draining};
use pushgate_session::{HeartbeatConfig, InFlightConfig};
use pushgate_upstream::{UpstreamConfig, testing::Fault};

use crate::{
    duo::Duo,
    frames::{binary, push_with},
    gateway::{config, eventually, id, run},
    peer::ClientFrame,
};

/// Own pings every 0.2 s; reading rests for a third of that when there is no room.
fn impatient() -> UpstreamConfig {
    let heartbeat = HeartbeatConfig { every: Duration::from_millis(200), dead_after: Duration::from_secs(60) };
    UpstreamConfig { heartbeat, ..config() }
}

#[test]
fn a_commit_that_outlives_its_socket_is_not_answered_on_the_next_one() {
    run(async {
        let mut duo = Duo::start(&config()).await;
        duo.gateway.journal.hold();
        duo.peer.push("late").await;
        duo.gateway.held(1).await;
        duo.peer.cut();
        duo.peer = duo.acme.accept().await;
        duo.gateway.journal.release();
        duo.gateway.until("acme", |acme| acme.pushes == 1).await;
        duo.peer.is_acked("b").await;
        assert_eq!(duo.gateway.ignored("stale_answer"), 1);
        duo.peer.is_acked("late").await;
    });
}

#[test]
fn a_stuck_journal_stops_neither_own_pings_nor_pongs() {
    run(async {
        let in_flight = InFlightConfig { pushes: 2, bytes: 1 << 20 };
        let mut duo = Duo::start(&UpstreamConfig { in_flight, ..impatient() }).await;
        duo.gateway.journal.hold();
        for name in ["a", "b"] {
            duo.peer.push(name).await;
        }
        duo.gateway.held(2).await;
        duo.peer.ping(b"there?").await;
        assert_eq!(duo.peer.ponged().await, b"there?");
        for _ in 0..3 {
            assert_eq!(duo.peer.next().await, ClientFrame::Ping(Vec::new()));
            duo.peer.pong(b"").await;
        }
        duo.gateway.shows("acme", Connected, Some("shedding")).await;
        duo.gateway.journal.release();
        for name in ["a", "b"] {
            assert_eq!(duo.peer.answer().await, (name.to_owned(), true));
        }
    });
}

#[test]
fn what_was_shed_is_stored_when_it_comes_again() {
    run(async {
        let in_flight = InFlightConfig { pushes: 1, bytes: 1 << 20 };
        let mut duo = Duo::start(&UpstreamConfig { in_flight, ..impatient() }).await;
        duo.gateway.journal.hold();
        for name in ["a", "shed"] {
            duo.peer.push(name).await;
        }
        eventually("a shed push", || (duo.gateway.ignored("shed") == 1).then_some(())).await;
        assert_eq!(duo.gateway.journal.held(), 1);
        duo.gateway.journal.release();
        assert_eq!(duo.peer.answer().await, ("a".to_owned(), true));
        duo.gateway.shows("acme", Connected, None).await;
        duo.peer.is_acked("shed").await;
    });
}

#[test]
fn what_could_not_be_stored_is_not_answered_and_the_socket_stays() {
    run(async {
        let mut duo = Duo::start(&config()).await;
        duo.gateway.journal.set_failing(Some("disk full"));
        duo.peer.push("a").await;
        duo.peer.ping(b"there?").await;
        assert_eq!(duo.peer.ponged().await, b"there?");
        let acme = duo.gateway.until("acme", |acme| acme.last_push_at.is_some() && acme.in_flight == 0).await;
        assert_eq!((acme.pushes, acme.answers), (0, 0));
        duo.gateway.journal.set_failing(None);
        duo.peer.is_acked("a").await;
    });
}

#[test]
fn a_drain_writes_the_answers_and_then_says_goodbye() {
    run(async {
        let mut duo = Duo::start(&config()).await;
        duo.gateway.journal.hold();
        for name in ["a", "b"] {
            duo.peer.push(name).await;
        }
        duo.gateway.held(2).await;
        let gateway = &duo.gateway;
        let services = async {
            assert_eq!(duo.neighbour.closed().await, Some(1001));
            duo.neighbour.cut();
            gateway.shows("acme", Draining, None).await;
            // Nothing is read any more.
            duo.peer.push("unread").await;
            gateway.journal.release();
            for name in ["a", "b"] {
                assert_eq!(duo.peer.answer().await, (name.to_owned(), true));
            }
            assert_eq!(duo.peer.closed().await, Some(1001));
            duo.peer.close(1001).await;
            duo.peer.ended().await;
        };
        tokio::join!(gateway.upstream.drain(), services);
        assert_eq!(gateway.journal.held(), 0);
    });
}

#[test]
fn a_panic_gives_back_what_was_in_flight_and_the_tenant_goes_on() {
    run(async {
        let mut duo = Duo::start(&config()).await;
        duo.peer.is_acked("a").await;
        duo.gateway.journal.hold();
        duo.peer.push("b").await;
        duo.gateway.held(1).await;
        assert!(duo.gateway.metrics.in_flight_bytes.get() > 0);
        duo.gateway.tenants.inject(&id("acme"), Fault::Panic(1)).unwrap();
        duo.peer.ended().await;
        duo.gateway.shows("acme", Crashed, Some("panic")).await;
        assert_eq!(duo.gateway.metrics.in_flight_bytes.get(), 0);
        duo.gateway.journal.release();
        duo.neighbour.is_acked("n").await;
        duo.gateway.tenants.reconnect(&id("acme")).await.unwrap();
        duo.peer = duo.acme.accept().await;
        duo.peer.is_acked("b").await;
        let acme = duo.gateway.until("acme", |acme| acme.duplicates == 1).await;
        assert_eq!(acme.pushes, 1, "counts go on; the commit of the dead one is nobody's");
    });
}

#[test]
fn a_tenant_that_takes_all_room_starves_nobody_for_good() {
    run(async {
        let mut duo = Duo::start(&UpstreamConfig { in_flight_total: 10_000, ..impatient() }).await;
        duo.gateway.journal.hold();
        let flood = ["a", "b", "c"].map(|name| binary(&push_with(name, &"x".repeat(4000))));
        duo.peer.raw(&flood.concat()).await;
        duo.gateway.held(3).await;
        duo.neighbour.ping(b"read").await;
        assert_eq!(duo.neighbour.ponged().await, b"read");
        duo.neighbour.push("shed").await;
        eventually("a shed push", || (duo.gateway.ignored("shed") == 1).then_some(())).await;
        duo.gateway.shows("globex", Connected, Some("shedding")).await;
        duo.gateway.journal.release();
        for name in ["a", "b", "c"] {
            assert_eq!(duo.peer.answer().await, (name.to_owned(), true));
        }
        duo.gateway.shows("globex", Connected, None).await;
        duo.neighbour.is_acked("shed").await;
        assert_eq!(duo.gateway.metrics.in_flight_bytes.get(), 0);
    });
}

#[test]
fn a_journal_that_can_not_write_is_said_in_the_state_of_every_line() {
    run(async {
        let duo = Duo::start(&config()).await;
        for tenant in ["acme", "globex"] {
            duo.gateway.shows(tenant, Connected, None).await;
        }
        duo.gateway.journal.set_failing(Some("disk full"));
        for tenant in ["acme", "globex"] {
            duo.gateway.shows(tenant, Connected, Some("journal_failing")).await;
        }
        duo.gateway.journal.set_failing(None);
        for tenant in ["acme", "globex"] {
            duo.gateway.shows(tenant, Connected, None).await;
        }
    });
}

#[test]
fn unfinished_messages_without_room_are_read_no_further_and_hold_up_nobody_else() {
    run(async {
        let heartbeat = HeartbeatConfig { every: Duration::from_millis(200), dead_after: Duration::from_millis(800) };
        let mut duo = Duo::start(&UpstreamConfig { in_flight_total: 50_000, heartbeat, ..impatient() }).await;
        let message = binary(&push_with("a", &"x".repeat(100_000)));
        let (begin, _) = message.split_at(60_000);
        duo.peer.raw(begin).await;
        let taken = || (duo.gateway.metrics.in_flight_bytes.get() >= 50_000).then_some(());
        eventually("room that is taken", taken).await;
        // It is read no further, also to its pings, so it dies of silence; the neighbour is answered all the while.
        for name in ["n1", "n2", "n3"] {
            duo.neighbour.is_acked(name).await;
        }
        duo.peer.ended().await;
        duo.peer = duo.acme.accept().await;
        let given_back = || (duo.gateway.metrics.in_flight_bytes.get() == 0).then_some(());
        eventually("room that is given back", given_back).await;
        assert_eq!(duo.gateway.ignored("shed"), 0);
        duo.peer.is_acked("b").await;
    });
}
