//! Many tenants at once.

use crate::{
    gateway::{Gateway, config, run},
    peer::Peer,
    service::Service,
};

/// More than the 100 connections that awc's pool holds unless it is told otherwise.
const CROWD: usize = 150;

#[test]
fn more_sockets_are_held_than_a_pool_of_the_library() {
    run(async {
        let service = Service::bind().await;
        let names: Vec<_> = (0..CROWD).map(|n| format!("t{n}")).collect();
        let tenants: Vec<_> = names.iter().map(|name| (name.as_str(), &service)).collect();
        let gateway = Gateway::start(&config(), &tenants);
        let mut peers: Vec<Peer> = Vec::new();
        for _ in 0..CROWD {
            peers.push(service.accept().await);
        }
        for peer in &mut peers {
            peer.is_acked("a").await;
        }
        assert_eq!(gateway.metrics.dials.get(), CROWD as u64);
        for name in &names {
            assert_eq!(gateway.until(name, |tenant| tenant.pushes == 1).await.attempt, 0);
        }
    });
}
