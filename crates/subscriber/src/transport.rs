use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use actix_rt::net::{ActixStream, Ready, TcpStream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::client::TlsStream;

use crate::head::Incoming;

/// A connection to a server, whose responses are shown to the HTTP library as [`Incoming`] has it.
#[derive(Debug)]
pub(crate) struct Transport {
    socket: Socket,
    incoming: Incoming,
}

#[derive(Debug)]
enum Socket {
    Plain(TcpStream),
    Secure(Box<TlsStream<TcpStream>>),
}

/// Both kinds of socket, as far as the HTTP library can tell.
trait Io: AsyncRead + AsyncWrite + Unpin {}

impl<T: AsyncRead + AsyncWrite + Unpin> Io for T {}

impl Transport {
    pub(crate) fn plain(tcp: TcpStream) -> Self {
        Self { socket: Socket::Plain(tcp), incoming: Incoming::default() }
    }

    pub(crate) fn secure(tls: TlsStream<TcpStream>) -> Self {
        Self { socket: Socket::Secure(Box::new(tls)), incoming: Incoming::default() }
    }
}

impl Socket {
    fn io(&mut self) -> Pin<&mut dyn Io> {
        match self {
            Self::Plain(tcp) => Pin::new(tcp),
            Self::Secure(tls) => Pin::new(tls),
        }
    }

    fn tcp(&self) -> &TcpStream {
        match self {
            Self::Plain(tcp) => tcp,
            Self::Secure(tls) => tls.get_ref().0,
        }
    }
}

impl AsyncRead for Transport {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Self { socket, incoming } = self.get_mut();
        // A read into no room would look like the end.
        while incoming.waits() && buf.remaining() > 0 {
            let before = buf.filled().len();
            ready!(socket.io().poll_read(cx, buf))?;
            match &buf.filled()[before..] {
                [] => incoming.ended(),
                bytes => incoming.came(bytes),
            }
            buf.set_filled(before);
        }
        let first = incoming.take(buf.remaining());
        if first.is_empty() {
            return socket.io().poll_read(cx, buf);
        }
        buf.put_slice(&first);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Transport {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let Self { socket, incoming } = self.get_mut();
        incoming.asked(bytes);
        socket.io().poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().socket.io().poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().socket.io().poll_shutdown(cx)
    }
}

impl ActixStream for Transport {
    fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<Ready>> {
        ActixStream::poll_read_ready(self.socket.tcp(), cx)
    }

    fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<Ready>> {
        ActixStream::poll_write_ready(self.socket.tcp(), cx)
    }
}
