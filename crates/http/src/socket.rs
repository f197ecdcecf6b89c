use std::{
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

/// Lets no further connection begin. Whoever tries gets no answer and tries again, after a second at first; by then the next
/// process may listen. Closing the listener instead would reset those that are in its queue.
///
/// Handshakes that have begun come to their end, and connections in the queue can still be accepted.
///
/// # Errors
/// The kernel can't do it.
#[cfg(target_os = "linux")]
pub(crate) fn refuse_silently(listener: &TcpListener) -> io::Result<()> {
    use socket2::SockFilter;

    // A classic BPF program that sees a segment from its TCP header on: drop what has SYN without ACK (RFC 9293, section
    // 3.1: flags in the byte at 13), pass the rest. Accepted sockets inherit it, where it never finds anything to drop.
    const FLAGS: u32 = 13;
    const SYN: u32 = 0x02;
    const ACK: u32 = 0x10;
    const LOAD_BYTE: u16 = 0x30;
    const AND: u16 = 0x54;
    const JUMP_IF_EQUAL: u16 = 0x15;
    const RETURN: u16 = 0x06;
    let program = [
        SockFilter::new(LOAD_BYTE, 0, 0, FLAGS),
        SockFilter::new(AND, 0, 0, SYN | ACK),
        SockFilter::new(JUMP_IF_EQUAL, 0, 1, SYN),
        SockFilter::new(RETURN, 0, 0, 0),
        SockFilter::new(RETURN, 0, 0, u32::MAX),
    ];
    SockRef::from(listener).attach_filter(&program)
}

/// Elsewhere connections are taken, and their requests answered, until the listener closes.
#[cfg(not(target_os = "linux"))]
pub(crate) fn refuse_silently(_: &TcpListener) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Prepares an accepted connection. On Linux the kernel closes one whose peer takes no bytes for `stall_timeout`, be it
/// gone or only not reading: `TCP_USER_TIMEOUT` counts a closed window too. The body of such a response is not polled any
/// more, so it could not end itself.
pub(crate) fn prepare(connection: &TcpStream, stall_timeout: Duration) {
    if let Err(error) = set_options(&SockRef::from(connection), stall_timeout) {
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
