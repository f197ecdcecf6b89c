use std::{io, time::Duration};

use pushgate_model::Answer;
use pushgate_protocol::{ClientFrame as Decoded, decode_client};
use socket2::SockRef;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::{
    frames::{BINARY, CLOSE, FIN, PING, PONG, frame, push},
    service::{PATIENCE, Request},
};

/// Nobody says so much to a service in one frame.
const MAX_FRAME: usize = 1 << 20;

/// One upgraded connection, from the service's side.
pub(crate) struct Peer {
    stream: TcpStream,
    /// What it was dialled with.
    pub(crate) request: Request,
}

/// What the client did. Everything else fails the test: it is never wrong to be strict with one's own side.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ClientFrame {
    Answer {
        id: String,
        ack: bool,
    },
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<u16>),
    /// The client ended the TCP connection.
    End,
}

impl Peer {
    pub(crate) fn new(stream: TcpStream, request: Request) -> Self {
        stream.set_nodelay(true).unwrap();
        Self { stream, request }
    }

    /// Sends bytes as they are.
    pub(crate) async fn raw(&mut self, bytes: &[u8]) {
        timeout(PATIENCE, self.stream.write_all(bytes)).await.expect("the client reads").unwrap();
    }

    /// Sends bytes for as long as the client takes them within `pause`; how many it took before it stopped, or ended the
    /// connection.
    pub(crate) async fn flood(&mut self, bytes: &[u8], pause: Duration) -> usize {
        let mut sent = 0;
        while sent < bytes.len() {
            match timeout(pause, self.stream.write(&bytes[sent..])).await {
                Ok(Ok(written)) if written > 0 => sent += written,
                _ => break,
            }
        }
        sent
    }

    /// Sends a binary frame.
    pub(crate) async fn binary(&mut self, payload: &[u8]) {
        self.raw(&frame(FIN | BINARY, payload)).await;
    }

    /// Sends a push with this id.
    pub(crate) async fn push(&mut self, id: &str) {
        self.binary(&push(id)).await;
    }

    pub(crate) async fn ping(&mut self, payload: &[u8]) {
        self.raw(&frame(FIN | PING, payload)).await;
    }

    pub(crate) async fn pong(&mut self, payload: &[u8]) {
        self.raw(&frame(FIN | PONG, payload)).await;
    }

    /// Says Close; the TCP connection stays.
    pub(crate) async fn close(&mut self, code: u16) {
        self.raw(&frame(FIN | CLOSE, &code.to_be_bytes())).await;
    }

    /// Ends the connection without a Close.
    pub(crate) fn cut(self) {
        drop(self.stream);
    }

    /// Ends the connection by a reset.
    pub(crate) fn reset(self) {
        SockRef::from(&self.stream).set_linger(Some(Duration::ZERO)).unwrap();
    }

    /// What the client does next.
    pub(crate) async fn next(&mut self) -> ClientFrame {
        timeout(PATIENCE, self.read()).await.expect("the client does something")
    }

    /// The next answer; pings before it are answered, pongs passed over.
    pub(crate) async fn answer(&mut self) -> (String, bool) {
        match self.next_but_heartbeat().await {
            ClientFrame::Answer { id, ack } => (id, ack),
            other => panic!("{other:?} instead of an answer"),
        }
    }

    /// The code of the client's Close; pings before it are answered, pongs passed over.
    pub(crate) async fn closed(&mut self) -> Option<u16> {
        match self.next_but_heartbeat().await {
            ClientFrame::Close(code) => code,
            other => panic!("{other:?} instead of a close"),
        }
    }

    /// Sends a push with this id, which gets an ACK.
    pub(crate) async fn is_acked(&mut self, id: &str) {
        self.push(id).await;
        assert_eq!(self.answer().await, (id.to_owned(), true));
    }

    /// The payload of the next pong; pings before it are answered.
    pub(crate) async fn ponged(&mut self) -> Vec<u8> {
        loop {
            match self.next().await {
                ClientFrame::Ping(payload) => self.pong(&payload).await,
                ClientFrame::Pong(payload) => return payload,
                other => panic!("{other:?} instead of a pong"),
            }
        }
    }

    /// The client ends the connection, and says no more than pings before.
    pub(crate) async fn ended(&mut self) {
        loop {
            match self.next().await {
                ClientFrame::End => return,
                ClientFrame::Ping(_) => {}
                other => panic!("{other:?} instead of the end"),
            }
        }
    }

    /// Everything until the client ends the connection.
    pub(crate) async fn rest(&mut self) -> Vec<ClientFrame> {
        let mut frames = Vec::new();
        loop {
            match self.next().await {
                ClientFrame::End => return frames,
                frame => frames.push(frame),
            }
        }
    }

    async fn next_but_heartbeat(&mut self) -> ClientFrame {
        loop {
            match self.next().await {
                ClientFrame::Ping(payload) => self.pong(&payload).await,
                ClientFrame::Pong(_) => {}
                frame => return frame,
            }
        }
    }

    async fn read(&mut self) -> ClientFrame {
        let mut start = [0; 2];
        if let Err(error) = self.stream.read_exact(&mut start).await {
            assert!(is_end(&error), "{error}");
            return ClientFrame::End;
        }
        let (first, second) = (start[0], start[1]);
        assert_eq!(first & 0xf0, FIN, "a client's frames are whole, and have no extension");
        assert!(second & 0x80 != 0, "a client's frames are masked");
        let payload = self.payload(second & 0x7f).await.unwrap();
        match first & 0x0f {
            BINARY => answer(&payload),
            PING => ClientFrame::Ping(payload),
            PONG => ClientFrame::Pong(payload),
            CLOSE => ClientFrame::Close(payload.first_chunk().map(|code| u16::from_be_bytes(*code))),
            other => panic!("a frame with opcode {other}"),
        }
    }

    async fn payload(&mut self, short: u8) -> io::Result<Vec<u8>> {
        let len = match short {
            126 => self.stream.read_u16().await?.into(),
            127 => self.stream.read_u64().await? as usize,
            len => len.into(),
        };
        assert!(len <= MAX_FRAME, "a frame of {len} bytes");
        let mut mask = [0; 4];
        self.stream.read_exact(&mut mask).await?;
        let mut payload = vec![0; len];
        self.stream.read_exact(&mut payload).await?;
        payload.iter_mut().zip(mask.iter().cycle()).for_each(|(byte, mask)| *byte ^= mask);
        Ok(payload)
    }
}

fn answer(payload: &[u8]) -> ClientFrame {
    match decode_client(payload, MAX_FRAME) {
        Ok(Decoded::Answer { push_id, answer }) => {
            ClientFrame::Answer { id: push_id.as_str().to_owned(), ack: answer == Answer::Ack }
        }
        other => panic!("{other:?} instead of an answer"),
    }
}

/// Whoever drops a socket with unread bytes in it resets the connection.
fn is_end(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};
    matches!(error.kind(), UnexpectedEof | ConnectionReset | BrokenPipe)
}
