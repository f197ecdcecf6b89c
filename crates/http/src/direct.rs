//! Streams that have left the framework.
//!
//! Over plain HTTP/1.1 a stream that has written its head has no use for what the framework keeps for each connection: two
//! buffers of 8 KiB, a dispatcher, a body that is asked, chunks round each piece. Its response ends with its connection
//! (RFC 9112, section 6.3, rule 8), so that what follows the head are the events and nothing else. The shard writes them
//! to the socket itself; what is left of the connection's task sleeps, until the socket is full, the subscriber hangs up,
//! or there is more to tell than pushes.

use std::{
    fmt,
    future::poll_fn,
    hint::black_box,
    io,
    net::Shutdown,
    os::fd::AsRawFd as _,
    pin::{Pin, pin},
    rc::Rc,
    task::{Context, Poll, ready},
    time::Duration,
};

use actix_web::{
    rt::{net::TcpStream, time::timeout},
    web::{Buf as _, Bytes},
};
use futures_util::{Stream as _, future::select};
use pushgate_fanout::{FrameSink, Subscriber};
use socket2::SockRef;

use crate::{limits::Permit, transport::Patience};

/// Bytes that a client may send into its stream, which no EventSource and no proxy does.
const HEARD: usize = 64 << 10;

/// How long a subscriber may take to close its end when the stream has ended.
const GOODBYE: Duration = Duration::from_secs(2);

/// A stream and its place in all counts.
pub(crate) struct OpenStream {
    pub(crate) subscriber: Subscriber,
    /// Gives the place back when the stream ends.
    #[expect(dead_code, reason = "it is there to be dropped")]
    pub(crate) permit: Permit,
}

/// A stream that has a socket for itself.
struct Direct {
    socket: Rc<Socket>,
    stream: Box<OpenStream>,
    /// What the stream yielded and the socket did not take yet.
    rest: Bytes,
    /// Bytes that the client sent.
    heard: usize,
}

/// The socket, as the shard knows it.
struct Socket(TcpStream);

impl FrameSink for Socket {
    fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        // Past the runtime, which has to know only when nothing fits: its own memory of each socket is not touched.
        SockRef::from(&self.0).send(bytes)
    }

    fn touch(&self) {
        black_box(self.0.as_raw_fd());
    }
}

impl OpenStream {
    /// Goes on with this socket, to the end of either. What was written to it before ends with a whole event.
    pub(crate) async fn run(mut self: Box<Self>, socket: TcpStream, patience: Rc<Patience>) {
        let socket = Rc::new(Socket(socket));
        self.subscriber.attach(Rc::clone(&socket) as Rc<dyn FrameSink>);
        let mut direct = Direct { socket, stream: self, rest: Bytes::new(), heard: 0 };
        let ended = poll_fn(|cx| direct.poll(cx)).await;
        // It is off all lists before it says goodbye.
        let Direct { socket, stream, .. } = direct;
        drop(stream);
        match ended {
            Ok(()) => Box::pin(say_goodbye(&socket.0, &patience)).await,
            Err(error) => tracing::debug!(%error, "a stream ended before its time"),
        }
    }
}

impl fmt::Debug for OpenStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenStream").field("subscriber", &self.subscriber).finish_non_exhaustive()
    }
}

impl Direct {
    /// One write at most, so that a stream that is far behind goes to the back of the thread's queue after each.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.listen(cx)?;
        ready!(self.write(cx))?;
        match ready!(Pin::new(&mut self.stream.subscriber).poll_next(cx)) {
            None => return Poll::Ready(Ok(())),
            Some(bytes) => self.rest = bytes,
        }
        if self.write(cx)?.is_ready() {
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }

    /// Writes what is left.
    fn write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.rest.is_empty() {
            match self.socket.0.try_write(&self.rest) {
                Ok(taken) => {
                    self.rest.advance(taken);
                    self.stream.subscriber.keeps_taking();
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    ready!(self.socket.0.poll_write_ready(cx))?;
                }
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Looks whether the subscriber has hung up: its end of the connection is the end of both.
    fn listen(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        while self.socket.0.poll_read_ready(cx)?.is_ready() {
            self.heard += match read(&self.socket.0)? {
                Some(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Some(bytes) => bytes,
                None => continue,
            };
            if self.heard > HEARD {
                return Err(io::Error::other("the client sends into its stream"));
            }
        }
        Ok(())
    }
}

/// Reads and throws away. Says how many bytes, if any are there.
fn read(socket: &TcpStream) -> io::Result<Option<usize>> {
    match socket.try_read(&mut [0; 1024]) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
        read => read.map(Some),
    }
}

/// Ends the response, and waits a little for the other end, though not longer than the listener: a socket that is closed with
/// unread bytes resets the connection, and may take back what is still on its way (RFC 9112, section 9.6).
async fn say_goodbye(socket: &TcpStream, patience: &Patience) {
    let goodbye = async {
        SockRef::from(socket).shutdown(Shutdown::Write)?;
        let mut heard = 0;
        loop {
            socket.readable().await?;
            match read(socket)? {
                None => {}
                Some(bytes) if bytes > 0 && heard < HEARD => heard += bytes,
                Some(_) => return Ok::<_, io::Error>(()),
            }
        }
    };
    // Whatever comes of it, this is the end.
    let _ = timeout(GOODBYE, select(pin!(goodbye), pin!(patience.stop.notified()))).await;
}
