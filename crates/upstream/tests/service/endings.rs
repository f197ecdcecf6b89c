//! How dials and sockets end, and that the next one follows.

use std::time::Duration;

use pushgate_model::ConnectionState::Connected;
use pushgate_session::HeartbeatConfig;
use pushgate_upstream::{ConnectConfig, UpstreamConfig};

use crate::{
    frames::{BINARY, FIN, header},
    gateway::{Gateway, config, run},
    peer::ClientFrame,
    service::Service,
};

#[test]
fn whatever_ends_a_dial_or_a_socket_another_dial_follows() {
    run(async {
        let connect = ConnectConfig { timeout: Duration::from_millis(300), ..config().connect };
        let service = Service::bind().await;
        let gateway = Gateway::start(&UpstreamConfig { connect, ..config() }, &[("acme", &service)]);
        service.refuse(500, &[]).await;
        service.refuse(401, &[]).await;
        service.refuse(200, &[]).await;
        service.answer(b"").await;
        drop(service.stall().await);
        let stalled = service.stall().await;
        service.accept().await.cut();
        drop(stalled);
        service.accept().await.reset();
        for code in [1000, 1008, 4004] {
            let mut peer = service.accept().await;
            peer.close(code).await;
            assert_eq!(peer.closed().await, Some(code));
        }
        service.accept().await.is_acked("a").await;
        for reason in
            ["http_500", "http_401", "http_200", "connect_timeout", "closed_1000", "closed_1008", "closed_4004"]
        {
            gateway.went_through("acme", reason).await;
        }
    });
}

#[test]
fn a_service_that_falls_silent_is_dropped_without_a_word() {
    run(async {
        let heartbeat = HeartbeatConfig { every: Duration::from_millis(50), dead_after: Duration::from_millis(200) };
        let service = Service::bind().await;
        let gateway = Gateway::start(&UpstreamConfig { heartbeat, ..config() }, &[("acme", &service)]);
        let mut peer = service.accept().await;
        // Half of a frame is no sign of life, nor are pings of our own.
        peer.raw(&[&header(FIN | BINARY, 100)[..], &[0; 50]].concat()).await;
        let said = peer.rest().await;
        assert!(said.len() > 1 && said.iter().all(|frame| matches!(frame, ClientFrame::Ping(_))), "{said:?}");
        gateway.went_through("acme", "dead_peer").await;
        let mut peer = service.accept().await;
        // By default a service may be silent, as long as it answers pings.
        peer.is_acked("a").await;
    });
}

#[test]
fn a_silent_service_that_answers_pings_is_kept() {
    run(async {
        let heartbeat = HeartbeatConfig { every: Duration::from_millis(50), dead_after: Duration::from_secs(2) };
        let service = Service::bind().await;
        let gateway = Gateway::start(&UpstreamConfig { heartbeat, ..config() }, &[("acme", &service)]);
        let mut peer = service.accept().await;
        for _ in 0..50 {
            assert_eq!(peer.next().await, ClientFrame::Ping(Vec::new()));
            peer.pong(b"").await;
        }
        gateway.shows("acme", Connected, None).await;
        peer.is_acked("a").await;
        assert_eq!(gateway.metrics.dials.get(), 1);
    });
}

#[test]
fn a_gateway_that_is_dropped_closes_its_sockets() {
    run(async {
        let service = Service::bind().await;
        let gateway = Gateway::start(&config(), &[("acme", &service)]);
        let mut peer = service.accept().await;
        peer.is_acked("a").await;
        drop(gateway);
        let said = peer.rest().await;
        assert!(said.iter().all(|frame| matches!(frame, ClientFrame::Ping(_) | ClientFrame::Close(Some(1001)))));
    });
}
