use std::{io, net::SocketAddr, time::Duration};

use actix_rt::net::TcpStream;
use actix_service::Service;
use actix_tls::connect::{ConnectError, ConnectInfo, Connection};
use awc::http::Uri;
use futures_util::future::LocalBoxFuture;
use socket2::{SockRef, TcpKeepalive};
use tokio::{net::lookup_host, time::timeout};

/// An address that does not answer gives way to the next one after this long.
const ADDRESS_TIMEOUT: Duration = Duration::from_secs(5);
/// Addresses of one name that are tried in one dial; a name may have any number.
const MAX_ADDRESSES: usize = 8;

/// Opens TCP connections: the name is resolved anew at each dial, IPv6 and IPv4 addresses take turns, each with a
/// time-out of its own, so that a black-holed one does not eat the whole dial.
///
/// The sockets get `TCP_NODELAY` (an ack is tiny and waited for), keepalive, and `TCP_USER_TIMEOUT`, because keepalive
/// alone does not notice a peer that vanished while data was on its way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TcpConnector {
    /// Silence after which the kernel gives a socket up.
    pub(crate) dead_after: Duration,
}

impl Service<ConnectInfo<Uri>> for TcpConnector {
    type Response = Connection<Uri, TcpStream>;
    type Error = ConnectError;
    type Future = LocalBoxFuture<'static, Result<Self::Response, Self::Error>>;

    actix_service::always_ready!();

    fn call(&self, info: ConnectInfo<Uri>) -> Self::Future {
        let dead_after = self.dead_after;
        Box::pin(async move {
            let uri = info.request().clone();
            let addresses = resolve(&uri).await?;
            let stream = connect_any(&addresses).await.map_err(ConnectError::Io)?;
            tune(&stream, dead_after).map_err(ConnectError::Io)?;
            Ok(Connection::new(uri, stream))
        })
    }
}

async fn resolve(uri: &Uri) -> Result<Vec<SocketAddr>, ConnectError> {
    let host = uri.host().unwrap_or_default();
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let secure = matches!(uri.scheme_str(), Some("wss" | "https"));
    let port = uri.port_u16().unwrap_or(if secure { 443 } else { 80 });
    let found = lookup_host((host, port)).await.map_err(|error| ConnectError::Resolver(Box::new(error)))?;
    let addresses = interleave(found);
    if addresses.is_empty() { Err(ConnectError::NoRecords) } else { Ok(addresses) }
}

/// Both families in turn, beginning with the one that the resolver put first (RFC 8305, section 4).
fn interleave(found: impl Iterator<Item = SocketAddr>) -> Vec<SocketAddr> {
    let found: Vec<_> = found.collect();
    let first_is_v6 = found.first().is_some_and(SocketAddr::is_ipv6);
    let (mut first, mut second) = (Vec::new(), Vec::new());
    for address in found {
        if address.is_ipv6() == first_is_v6 { first.push(address) } else { second.push(address) }
    }
    let mut taken = Vec::with_capacity(first.len() + second.len());
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    loop {
        let pair = (first.next(), second.next());
        if pair == (None, None) {
            break;
        }
        taken.extend(pair.0);
        taken.extend(pair.1);
    }
    taken.truncate(MAX_ADDRESSES);
    taken
}

async fn connect_any(addresses: &[SocketAddr]) -> io::Result<TcpStream> {
    let mut last = io::Error::other("no address");
    for address in addresses {
        match timeout(ADDRESS_TIMEOUT, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => last = io::Error::new(error.kind(), format!("{address}: {error}")),
            Err(_) => last = io::Error::new(io::ErrorKind::TimedOut, format!("{address}: no answer")),
        }
    }
    Err(last)
}

fn tune(stream: &TcpStream, dead_after: Duration) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let socket = SockRef::from(stream);
    // The kernel counts these in whole seconds and refuses zero.
    let whole = |part: Duration| part.max(Duration::from_secs(1));
    let keepalive =
        TcpKeepalive::new().with_time(whole(dead_after / 2)).with_interval(whole(dead_after / 4)).with_retries(2);
    socket.set_tcp_keepalive(&keepalive)?;
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(dead_after))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_take_turns_and_are_limited() {
        let parse = |texts: &[&str]| texts.iter().map(|t| t.parse().unwrap()).collect::<Vec<SocketAddr>>();
        let found = parse(&["[::1]:1", "[::2]:1", "[::3]:1", "10.0.0.1:1"]);
        assert_eq!(interleave(found.into_iter()), parse(&["[::1]:1", "10.0.0.1:1", "[::2]:1", "[::3]:1"]));
        let many = (0..100).map(|n| SocketAddr::from(([10, 0, 0, n], 1)));
        assert_eq!(interleave(many).len(), MAX_ADDRESSES);
    }

    #[tokio::test]
    async fn sockets_are_tuned_also_for_a_short_life() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = connect_any(&[listener.local_addr().unwrap()]).await.unwrap();
        tune(&stream, Duration::from_millis(1)).unwrap();
        assert!(stream.nodelay().unwrap());
    }
}
