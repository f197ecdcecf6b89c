//! What operators want takes effect at once, whatever a tenant's connection is at.

use std::time::Duration;

use pushgate_model::ConnectionState::{Backoff, Connected, Connecting, Paused, Waiting};
use pushgate_session::BackoffConfig;
use pushgate_upstream::{ConnectConfig, Precondition, Pushes, UpstreamConfig};
use tokio::{io::AsyncReadExt, net::TcpStream, time::timeout};

use crate::{
    gateway::{Gateway, config, id, run},
    service::{PATIENCE, Service},
};

impl Gateway {
    async fn pause(&self, name: &str) {
        self.tenants.pause(&id(name)).await.unwrap();
        self.shows(name, Paused, Some("operator")).await;
    }

    async fn resume(&self, name: &str) {
        self.tenants.resume(&id(name)).await.unwrap();
    }

    async fn reconnect(&self, name: &str) {
        self.tenants.reconnect(&id(name)).await.unwrap();
    }

    async fn delete(&self, name: &str) {
        self.tenants.delete(&id(name), Precondition::None, Pushes::Keep).await.unwrap();
        assert!(self.upstream.directory().was_removed(&id(name)));
    }
}

/// One dial at a time.
fn narrow() -> UpstreamConfig {
    UpstreamConfig { connect: ConnectConfig { concurrent: 1, ..config().connect }, ..config() }
}

/// Whoever has failed once dials again after a minute.
fn patient() -> UpstreamConfig {
    let minute = Duration::from_secs(60);
    let backoff = BackoffConfig { initial: minute, max: minute, healthy_after: minute };
    UpstreamConfig { backoff, ..config() }
}

async fn ended(mut stream: TcpStream) {
    // A reset is an end too.
    let _ = timeout(PATIENCE, stream.read_to_end(&mut Vec::new())).await.expect("the client ends the dial");
}

/// First's dial stalls and takes the only slot; acme, at the same host and port, waits for it.
async fn waits_behind(service: &Service) -> (Gateway, TcpStream) {
    let gateway = Gateway::start(&narrow(), &[("first", service)]);
    let stalled = service.stall().await;
    gateway.shows("first", Connecting, None).await;
    gateway.put("acme", service).await;
    gateway.until("acme", |_| !gateway.transitions("acme").is_empty()).await;
    gateway.shows("acme", Waiting, None).await;
    (gateway, stalled)
}

#[test]
fn a_tenant_that_waits_for_a_slot_follows() {
    run(async {
        let service = Service::bind().await;
        let (gateway, stalled) = waits_behind(&service).await;
        gateway.pause("acme").await;
        gateway.resume("acme").await;
        gateway.shows("acme", Waiting, None).await;
        gateway.reconnect("acme").await;
        gateway.shows("acme", Waiting, Some("requested")).await;
        gateway.delete("acme").await;
        gateway.put("acme", &service).await;
        assert_eq!(gateway.metrics.dials.get(), 1, "there was no slot");
        gateway.delete("first").await;
        ended(stalled).await;
        service.accept().await.is_acked("a").await;
        gateway.until("acme", |acme| acme.pushes == 1).await;
    });
}

#[test]
fn a_stalled_dial_is_dropped_by_a_pause_and_its_slot_is_free() {
    run(async {
        let service = Service::bind().await;
        let (gateway, stalled) = waits_behind(&service).await;
        gateway.pause("first").await;
        ended(stalled).await;
        service.accept().await.is_acked("a").await;
        gateway.until("acme", |acme| acme.pushes == 1).await;
        gateway.resume("first").await;
        service.accept().await.is_acked("b").await;
        gateway.until("first", |first| first.pushes == 1).await;
    });
}

#[test]
fn a_stalled_dial_is_dropped_by_a_reconnect_and_begun_again() {
    run(async {
        let service = Service::bind().await;
        let (gateway, stalled) = waits_behind(&service).await;
        gateway.reconnect("first").await;
        ended(stalled).await;
        // Acme was before it.
        let mut acme = service.accept().await;
        acme.is_acked("a").await;
        gateway.until("acme", |acme| acme.pushes == 1).await;
        service.accept().await.is_acked("b").await;
        gateway.until("first", |first| first.pushes == 1).await;
    });
}

#[test]
fn a_stalled_dial_is_dropped_by_a_removal() {
    run(async {
        let service = Service::bind().await;
        let (gateway, stalled) = waits_behind(&service).await;
        gateway.delete("first").await;
        ended(stalled).await;
        service.accept().await.is_acked("a").await;
        gateway.until("acme", |acme| acme.pushes == 1).await;
    });
}

#[test]
fn a_connected_tenant_leaves_with_a_close_and_comes_back() {
    run(async {
        let service = Service::bind().await;
        let gateway = Gateway::start(&patient(), &[("acme", &service)]);
        let mut peer = service.accept().await;
        peer.is_acked("a").await;
        gateway.pause("acme").await;
        assert_eq!(peer.closed().await, Some(1001));
        peer.cut();
        gateway.resume("acme").await;
        let mut peer = service.accept().await;
        peer.is_acked("b").await;
        gateway.reconnect("acme").await;
        assert_eq!(peer.closed().await, Some(1001));
        peer.close(1001).await;
        peer.ended().await;
        let mut peer = service.accept().await;
        peer.is_acked("c").await;
        gateway.shows("acme", Connected, None).await;
        let service_side = async {
            assert_eq!(peer.closed().await, Some(1001));
            peer.cut();
        };
        tokio::join!(gateway.delete("acme"), service_side);
        assert_eq!(gateway.metrics.dials.get(), 3);
    });
}

#[test]
fn a_tenant_in_backoff_follows() {
    run(async {
        let service = Service::bind().await;
        let gateway = Gateway::start(&patient(), &[("acme", &service)]);
        service.refuse(500, &[]).await;
        assert!(gateway.shows("acme", Backoff, Some("http_500")).await.next_retry_at.is_some());
        gateway.reconnect("acme").await;
        service.refuse(500, &[]).await;
        gateway.shows("acme", Backoff, Some("http_500")).await;
        gateway.pause("acme").await;
        gateway.until("acme", |acme| acme.next_retry_at.is_none() && acme.attempt == 1).await;
        gateway.reconnect("acme").await;
        gateway.resume("acme").await;
        service.refuse(500, &[]).await;
        gateway.shows("acme", Backoff, Some("http_500")).await;
        assert_eq!(gateway.metrics.dials.get(), 3, "none while it was paused");
        gateway.delete("acme").await;
    });
}

#[test]
fn what_is_in_flight_is_answered_before_a_tenant_leaves() {
    run(async {
        let service = Service::bind().await;
        let gateway = Gateway::start(&patient(), &[("acme", &service)]);
        let mut peer = service.accept().await;
        gateway.journal.hold();
        peer.push("a").await;
        gateway.held(1).await;
        gateway.pause("acme").await;
        gateway.journal.release();
        assert_eq!(peer.answer().await, ("a".to_owned(), true));
        assert_eq!(peer.closed().await, Some(1001));
    });
}

#[test]
fn a_tenant_that_moves_leaves_one_service_and_dials_the_other() {
    run(async {
        let (old, new) = (Service::bind().await, Service::bind().await);
        let gateway = Gateway::start(&patient(), &[("acme", &old)]);
        let mut peer = old.accept().await;
        peer.is_acked("a").await;
        gateway.put("acme", &old).await;
        peer.is_acked("b").await;
        gateway.put("acme", &new).await;
        assert_eq!(peer.closed().await, Some(1001));
        peer.cut();
        new.accept().await.is_acked("c").await;
        assert_eq!(gateway.metrics.dials.get(), 2, "the same settings again are no change");
    });
}
