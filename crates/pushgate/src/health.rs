use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use anyhow::{Context as _, anyhow};
use pushgate_subscriber::{HttpClient, HttpConfig};

use crate::failure::Failure;

/// How long the gateway may take to answer: less than the time-out of a container's health check.
const TIMEOUT: Duration = Duration::from_secs(2);
/// An answer is a few bytes.
const MAX_BODY: usize = 64 << 10;

/// Asks the gateway whose admin listener is there whether it is ready.
pub(crate) fn run(admin: SocketAddr) -> Result<(), Failure> {
    let url = format!("http://{}/readyz", reachable(admin));
    let config = HttpConfig { timeout: TIMEOUT, max_body: MAX_BODY, ..HttpConfig::default() };
    let answer = actix_rt::System::new().block_on(async { HttpClient::new(config).get(&url).await });
    let answer = answer.with_context(|| format!("no answer from {url}"))?;
    match answer.status {
        200 => Ok(()),
        status => Err(anyhow!("not ready: {url} answers {status}: {}", answer.text().trim()).into()),
    }
}

/// An address that listens everywhere is asked on loopback.
pub(crate) fn reachable(bind: SocketAddr) -> SocketAddr {
    let ip = match bind.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, bind.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_on_all_addresses_is_asked_on_loopback() {
        for (bind, asked) in [
            ("0.0.0.0:9090", "127.0.0.1:9090"),
            ("[::]:9090", "[::1]:9090"),
            ("127.0.0.2:1", "127.0.0.2:1"),
            ("10.0.0.1:9090", "10.0.0.1:9090"),
        ] {
            assert_eq!(reachable(bind.parse().unwrap()).to_string(), asked);
        }
    }
}
