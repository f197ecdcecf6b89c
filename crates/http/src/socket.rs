use std::{
    any::Any,
    io,
    net::{SocketAddr, TcpListener},
    time::Duration,
};

use actix_web::rt::net::TcpStream;
use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};

/// Connections that wait for a worker; the kernel cuts it to `net.core.somaxconn`. Many come at once when a network
/// returns.
const BACKLOG: i32 = 4096;

/// When the kernel begins to ask whether an idle peer is still there. Heartbeats find out sooner on streams; this is for
/// connections between two requests.
const KEEPALIVE: Duration = Duration::from_secs(60);

/// Bytes that may wait in the kernel without having been sent. Without this bound each slow stream may hold megabytes
/// there, and would be "near the head" while its frames are old.
const UNSENT_BYTES: u32 = 128 << 10;

/// Opens a listener. The address may be in `TIME_WAIT` from the process before, but not in use by another one.
pub(crate) fn listen(addr: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.bind(&addr.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Prepares an accepted connection. On Linux the kernel closes one whose peer takes no bytes for `stall_timeout`, be it
/// gone or only not reading: `TCP_USER_TIMEOUT` counts a closed window too. The body of such a response is not polled any
/// more, so it could not end itself.
pub(crate) fn prepare(connection: &dyn Any, stall_timeout: Duration) {
    let Some(stream) = connection.downcast_ref::<TcpStream>() else { return };
    if let Err(error) = set_options(&SockRef::from(stream), stall_timeout) {
        tracing::debug!(%error, "socket options could not be set");
    }
}

fn set_options(socket: &SockRef<'_>, stall_timeout: Duration) -> io::Result<()> {
    socket.set_tcp_nodelay(true)?;
    socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEPALIVE))?;
    #[cfg(target_os = "linux")]
    {
        socket.set_tcp_user_timeout(Some(stall_timeout))?;
        socket.set_tcp_notsent_lowat(UNSENT_BYTES)?;
    }
    Ok(())
}
