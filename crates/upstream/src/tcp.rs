use std::{io, net::SocketAddr, time::Duration};

use actix_rt::net::TcpStream;
use futures_util::{StreamExt, stream::FuturesUnordered};
use pushgate_session::Ending;
use socket2::{SockRef, TcpKeepalive};
use tokio::{
    net::lookup_host,
    time::{sleep, timeout},
};

/// An address that does not answer is given up after this long; the next one was begun long before.
const ADDRESS_TIMEOUT: Duration = Duration::from_secs(5);
/// An address that has not answered by then gets company (RFC 8305, section 5: 250 ms).
const STAGGER: Duration = Duration::from_millis(250);
/// Addresses of one name that are tried in one dial; a name may have any number.
const MAX_ADDRESSES: usize = 8;

/// Why there is no TCP connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TcpError {
    /// The name has no address.
    #[error("{0}")]
    Resolve(String),
    /// No address took the connection.
    #[error("{0}")]
    Connect(String),
}

impl From<TcpError> for Ending {
    fn from(error: TcpError) -> Self {
        match error {
            TcpError::Resolve(text) => Self::Resolve(text),
            TcpError::Connect(text) => Self::Connect(text),
        }
    }
}

/// Opens a TCP connection. The name is resolved anew each time, IPv6 and IPv4 addresses take turns, and one that is
/// silent is soon joined by the next: a black-holed address costs a quarter of a second, not the whole dial.
///
/// The socket gets `TCP_NODELAY` (an ack is tiny and waited for), keepalive, and `TCP_USER_TIMEOUT`, because keepalive
/// alone does not notice a peer that vanished while data was on its way. `dead_after` is the silence after which the
/// kernel gives it up.
///
/// # Errors
/// The name has no address, or none takes the connection.
pub(crate) async fn connect(host: &str, port: u16, dead_after: Duration) -> Result<TcpStream, TcpError> {
    let found = lookup_host((host, port)).await.map_err(|error| TcpError::Resolve(error.to_string()))?;
    let addresses = interleave(found);
    if addresses.is_empty() {
        return Err(TcpError::Resolve("the name has no address".to_owned()));
    }
    let stream = connect_any(&addresses).await.map_err(|error| TcpError::Connect(error.to_string()))?;
    tune(&stream, dead_after).map_err(|error| TcpError::Connect(error.to_string()))?;
    Ok(stream)
}

/// Both families in turn, beginning with the one that the resolver put first (RFC 8305, section 4).
fn interleave(found: impl Iterator<Item = SocketAddr>) -> Vec<SocketAddr> {
    let found: Vec<_> = found.collect();
    let first_is_v6 = found.first().is_some_and(SocketAddr::is_ipv6);
    let (first, second): (Vec<_>, Vec<_>) = found.into_iter().partition(|address| address.is_ipv6() == first_is_v6);
    let mut taken = Vec::with_capacity(MAX_ADDRESSES);
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

/// The first address that answers. One that fails is followed by the next at once, one that is silent after
/// [`STAGGER`]; what lost is dropped.
async fn connect_any(addresses: &[SocketAddr]) -> io::Result<TcpStream> {
    let mut left = addresses.iter();
    let mut tried = FuturesUnordered::new();
    let mut last = io::Error::other("no address");
    loop {
        tried.extend(left.next().map(|address| connect_one(*address)));
        tokio::select! {
            biased;
            answer = tried.next() => match answer {
                Some(Ok(stream)) => return Ok(stream),
                Some(Err(error)) => last = error,
                None => return Err(last),
            },
            () = sleep(STAGGER), if left.len() > 0 => {}
        }
    }
}

async fn connect_one(address: SocketAddr) -> io::Result<TcpStream> {
    match timeout(ADDRESS_TIMEOUT, TcpStream::connect(address)).await {
        Ok(answer) => answer.map_err(|error| io::Error::new(error.kind(), format!("{address}: {error}"))),
        Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, format!("{address}: no answer"))),
    }
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
    use tokio::net::{TcpListener, TcpSocket};

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
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = connect_any(&[listener.local_addr().unwrap()]).await.unwrap();
        tune(&stream, Duration::from_millis(1)).unwrap();
        assert!(stream.nodelay().unwrap());
    }

    /// An address that takes no connection and refuses none: its accept queue is full, so the kernel drops every SYN.
    async fn silent() -> (SocketAddr, Vec<TcpStream>, TcpListener) {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = socket.listen(1).unwrap();
        let address = listener.local_addr().unwrap();
        let mut fill = Vec::new();
        while let Ok(Ok(stream)) = timeout(Duration::from_millis(50), TcpStream::connect(address)).await {
            fill.push(stream);
        }
        (address, fill, listener)
    }

    #[tokio::test]
    async fn a_silent_address_is_overtaken_by_the_next() {
        let (silent, _fill, _kept) = silent().await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let good = listener.local_addr().unwrap();
        let stream = timeout(ADDRESS_TIMEOUT, connect_any(&[silent, good])).await.expect("not after the silent one");
        assert_eq!(stream.unwrap().peer_addr().unwrap(), good);
    }

    #[tokio::test]
    async fn a_refusal_is_followed_by_the_next_and_the_last_one_is_named() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let good = listener.local_addr().unwrap();
        let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        assert_eq!(connect_any(&[closed, good]).await.unwrap().peer_addr().unwrap(), good);
        let error = connect_any(&[closed]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        assert!(error.to_string().starts_with(&closed.to_string()), "{error}");
    }

    #[tokio::test]
    async fn a_name_without_an_address_is_told_from_one_that_refuses() {
        // A label of more than 63 bytes: no resolver is asked.
        let resolve = connect(&"a".repeat(100), 1, Duration::from_secs(60)).await;
        assert!(matches!(resolve, Err(TcpError::Resolve(_))), "{resolve:?}");
        let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
        let refused = connect("127.0.0.1", port, Duration::from_secs(60)).await;
        assert!(matches!(refused, Err(TcpError::Connect(_))), "{refused:?}");
    }
}
