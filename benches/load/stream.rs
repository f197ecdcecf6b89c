use std::{
    io::{self, ErrorKind, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use anyhow::{Result, bail, ensure};
use rustix::io::Errno;
use socket2::{Domain, Protocol, Socket, Type};

use crate::{
    chunked::Chunked,
    clock::monotonic_nanos,
    events::{Item, scan},
    head::{Body, Head},
    push_line::PushLine,
    record::{Keep, Record},
    tally::Tally,
};

/// A push that is read so soon after it was sent is live, not replayed.
const LIVE: Duration = Duration::from_secs(1);
/// The longest event, in bytes.
const MAX_EVENT: usize = 16 << 20;

/// What a subscriber subscribes to.
#[derive(Clone, Debug)]
pub(crate) struct StreamSpec {
    /// Path and query.
    pub(crate) path: String,
    /// The indices of its tenants.
    pub(crate) tenants: Vec<usize>,
    /// Which of the groups it is measured with.
    pub(crate) group: usize,
    /// What is remembered of it.
    pub(crate) keep: Keep,
}

/// One subscriber: a plain socket that resumes by its cursor.
#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) spec: StreamSpec,
    pub(crate) record: Record,
    line: Option<Line>,
    /// The id of the last event.
    cursor: Vec<u8>,
    /// What the gateway said last of how long to wait before a connect.
    pub(crate) retry: Option<Duration>,
    /// Since when it has been on its way back to live, in nanoseconds of `CLOCK_MONOTONIC`.
    pub(crate) resuming: Option<u64>,
}

/// One socket of a stream.
#[derive(Debug)]
struct Line {
    socket: TcpStream,
    asked: bool,
    opened: bool,
    framing: Framing,
    /// Bytes that are not a whole head or event yet.
    carry: Vec<u8>,
}

/// How the response's body is put on the wire.
#[derive(Debug)]
enum Framing {
    Chunked(Chunked),
    /// As it is: it ends with the connection.
    Bare,
}

/// Buffers that all streams of a thread share.
pub(crate) struct Scratch {
    raw: Vec<u8>,
    text: Vec<u8>,
}

/// What a read led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// The connection is there, and the request is sent.
    Asked,
    /// There is no connection.
    Unreachable,
    /// The response began.
    Opened,
    /// It goes on.
    Going,
    /// The stream ended: by the gateway, or because what came is no stream.
    Ended,
}

impl Default for Scratch {
    fn default() -> Self {
        Self { raw: vec![0; 64 << 10], text: Vec::with_capacity(128 << 10) }
    }
}

impl Stream {
    pub(crate) fn new(spec: StreamSpec) -> Self {
        Self { spec, record: Record::default(), line: None, cursor: Vec::new(), retry: None, resuming: None }
    }

    pub(crate) fn socket(&self) -> Option<&TcpStream> {
        self.line.as_ref().map(|line| &line.socket)
    }

    pub(crate) fn is_open(&self) -> bool {
        self.line.as_ref().is_some_and(|line| line.opened)
    }

    pub(crate) fn close(&mut self) {
        self.line = None;
    }

    /// Begins to connect; nobody waits for it, because the thread has other streams to read.
    pub(crate) fn connect(&mut self, addr: SocketAddr) -> io::Result<()> {
        let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_nonblocking(true)?;
        match socket.connect(&addr.into()) {
            Err(error) if error.raw_os_error() != Some(Errno::INPROGRESS.raw_os_error()) => return Err(error),
            _ => {}
        }
        let (socket, framing) = (socket.into(), Framing::Bare);
        self.line = Some(Line { socket, asked: false, opened: false, framing, carry: Vec::new() });
        Ok(())
    }

    /// Asks for the stream, from its cursor on if it has one.
    fn ask(&mut self) -> io::Result<()> {
        let Some(line) = &mut self.line else { return Ok(()) };
        if let Some(error) = line.socket.take_error()? {
            return Err(error);
        }
        let resume = match std::str::from_utf8(&self.cursor) {
            Ok(cursor) if !cursor.is_empty() => format!("Last-Event-ID: {cursor}\r\n"),
            _ => String::new(),
        };
        let (path, addr) = (&self.spec.path, line.socket.peer_addr()?);
        let head = format!("GET {path} HTTP/1.1\r\nHost: {addr}\r\nAccept: text/event-stream\r\n{resume}\r\n");
        line.socket.write_all(head.as_bytes())?;
        line.asked = true;
        Ok(())
    }

    /// Reads once and takes what came.
    pub(crate) fn read(&mut self, scratch: &mut Scratch, tally: &mut Tally) -> Step {
        // An event that was on its way when the stream was closed.
        let Some(line) = &mut self.line else { return Step::Going };
        if !line.asked {
            return if self.ask().is_ok() { Step::Asked } else { Step::Unreachable };
        }
        let count = match line.socket.read(&mut scratch.raw) {
            Ok(0) => return Step::Ended,
            Ok(count) => count,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => return Step::Going,
            Err(_) => return Step::Ended,
        };
        let was_open = line.opened;
        match self.take(count, scratch, tally) {
            // The connection may stay open for another request, as after a drain.
            Ok(()) if self.line.as_ref().is_some_and(Line::ended) => Step::Ended,
            Ok(()) if self.is_open() && !was_open => Step::Opened,
            Ok(()) => Step::Going,
            Err(error) => {
                tally.strange(&error);
                Step::Ended
            }
        }
    }

    fn take(&mut self, count: usize, scratch: &mut Scratch, tally: &mut Tally) -> Result<()> {
        let now = monotonic_nanos();
        let Some(line) = &mut self.line else { return Ok(()) };
        tally.bytes += count as u64;
        let mut raw = &scratch.raw[..count];
        let first;
        if !line.opened {
            line.carry.extend_from_slice(raw);
            let Some(head) = Head::read(&line.carry)? else { return Ok(()) };
            ensure!(head.status == 200, "a stream is refused with status {}", head.status);
            if let Body::Length(_) = head.body {
                // A gateway that can't serve it says when to come back, in the words of a stream.
                scan(&line.carry[head.length..], |item| self.retry = retry(item).or(self.retry));
                bail!("a stream is turned away");
            }
            if head.body == Body::Chunked {
                line.framing = Framing::Chunked(Chunked::default());
            }
            line.opened = true;
            first = line.carry.split_off(head.length);
            line.carry = Vec::new();
            raw = &first;
        }
        let text = &mut scratch.text;
        text.clear();
        text.extend_from_slice(&line.carry);
        match &mut line.framing {
            Framing::Chunked(chunked) => chunked.decode(raw, text)?,
            Framing::Bare => text.extend_from_slice(raw),
        }
        let (record, cursor, spec) = (&mut self.record, &mut self.cursor, &self.spec);
        let (resuming, wait) = (&mut self.resuming, &mut self.retry);
        let mut last_id = None;
        let consumed = scan(text, |item| {
            *wait = retry(item).or(*wait);
            if let Some(since) = *resuming
                && is_live(item, now)
            {
                tally.live_after.add(now.saturating_sub(since));
                *resuming = None;
            }
            last_id = judge(item, now, spec, record, tally).or(last_id);
        });
        if let Some(id) = last_id {
            cursor.clear();
            cursor.extend_from_slice(id);
        }
        ensure!(text.len() - consumed <= MAX_EVENT, "an event of more than {MAX_EVENT} bytes");
        line.carry.clear();
        line.carry.extend_from_slice(&text[consumed..]);
        Ok(())
    }
}

impl Line {
    /// Whether the body said that it is over.
    fn ended(&self) -> bool {
        matches!(&self.framing, Framing::Chunked(chunked) if chunked.ended())
    }
}

/// Counts an item and answers its id, which is the cursor from now on.
fn judge<'a>(item: Item<'a>, now: u64, spec: &StreamSpec, record: &mut Record, tally: &mut Tally) -> Option<&'a [u8]> {
    match item {
        Item::Push { id, data } => {
            match seq(id).zip(PushLine::read(data)) {
                Some((seq, push)) => {
                    record.push(seq, push.id, spec.keep);
                    tally.push(spec.group, now, push.sent_at);
                }
                None => tally.strange(&anyhow::anyhow!("a push that can't be read")),
            }
            Some(id)
        }
        Item::Control { name, id } => {
            if name == b"gap" {
                record.gaps += 1;
            }
            id
        }
        Item::Retry(_) => None,
        Item::Comment => {
            tally.comments += 1;
            None
        }
    }
}

fn retry(item: Item<'_>) -> Option<Duration> {
    match item {
        Item::Retry(millis) => Some(Duration::from_millis(millis)),
        _ => None,
    }
}

/// Whether an item is a push that was sent just now.
fn is_live(item: Item<'_>, now: u64) -> bool {
    let Item::Push { data, .. } = item else { return false };
    let sent_at = PushLine::read(data).and_then(|push| push.sent_at);
    sent_at.is_some_and(|sent_at| Duration::from_nanos(now.saturating_sub(sent_at)) < LIVE)
}

/// The number behind the last hyphen of a cursor.
fn seq(id: &[u8]) -> Option<u64> {
    let digits = id.rsplit(|byte| *byte == b'-').next()?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::{fmt::Write as _, net::TcpListener};

    use super::*;

    const ID: &str = "0b46a13c-1111-4222-8333-444455556666";

    fn spec() -> StreamSpec {
        StreamSpec { path: "/events/t0".to_owned(), tenants: vec![0], group: 0, keep: Keep::Pushes }
    }

    /// As the gateway answers without TLS.
    fn bare(body: &str) -> String {
        format!("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{body}")
    }

    /// As it answers through some proxies.
    fn chunked(body: &str) -> String {
        let mut answer = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_owned();
        for part in body.as_bytes().chunks(11) {
            write!(answer, "{:x}\r\n{}\r\n", part.len(), std::str::from_utf8(part).unwrap()).unwrap();
        }
        answer
    }

    /// Connects to a listener of this test, which on loopback takes no time.
    fn connect(stream: &mut Stream, addr: SocketAddr, scratch: &mut Scratch, tally: &mut Tally) {
        stream.connect(addr).unwrap();
        while stream.read(scratch, tally) != Step::Asked {}
    }

    /// Serves one request: what was asked, once `answer` was sent and the connection ended.
    fn serve_once(listener: &TcpListener, answer: &str) -> String {
        let (mut socket, _) = listener.accept().unwrap();
        let mut asked = vec![0; 4096];
        let count = socket.read(&mut asked).unwrap();
        socket.write_all(answer.as_bytes()).unwrap();
        String::from_utf8(asked[..count].to_vec()).unwrap()
    }

    #[test]
    fn a_stream_resumes_by_the_id_of_its_last_event() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let (mut stream, mut scratch, mut tally) = (Stream::new(spec()), Scratch::default(), Tally::default());
        let body = format!(
            "id: e-4\nevent: open\ndata: {{}}\n\nid: e-5\ndata: {{\"tenant\":\"t0\",\"id\":\"{ID}\",\"body\":\"t=1;\"}}\n\n"
        );
        let mut asked = Vec::new();
        let cut = "id: e-5\nevent: open\ndata: {}\n\nid: e-9\nda";
        for answer in [bare(&body), chunked(cut), bare(cut), chunked("")] {
            connect(&mut stream, addr, &mut scratch, &mut tally);
            asked.push(serve_once(&listener, &answer));
            while stream.read(&mut scratch, &mut tally) != Step::Ended {}
            stream.close();
        }
        assert!(!asked[0].contains("Last-Event-ID"), "{asked:?}");
        assert!(asked[1..].iter().all(|asked| asked.contains("\r\nLast-Event-ID: e-5\r\n")), "{asked:?}");
        assert_eq!((stream.cursor.as_slice(), stream.record.pushes), (&b"e-5"[..], 1));
        assert_eq!(stream.record.seen[0].0, 5);
    }

    #[test]
    fn a_stream_ends_with_its_last_chunk() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (mut stream, mut scratch, mut tally) = (Stream::new(spec()), Scratch::default(), Tally::default());
        connect(&mut stream, listener.local_addr().unwrap(), &mut scratch, &mut tally);
        let (mut socket, _) = listener.accept().unwrap();
        socket.write_all((chunked("event: shutdown\ndata: {}\n\n") + "0\r\n\r\n").as_bytes()).unwrap();
        while stream.read(&mut scratch, &mut tally) != Step::Ended {}
        assert_eq!(tally.refused, 0);
    }

    #[test]
    fn a_stream_that_is_turned_away_knows_when_to_come_back() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (mut stream, mut scratch, mut tally) = (Stream::new(spec()), Scratch::default(), Tally::default());
        connect(&mut stream, listener.local_addr().unwrap(), &mut scratch, &mut tally);
        serve_once(&listener, "HTTP/1.1 200 OK\r\ncontent-length: 13\r\n\r\nretry: 4321\n\n");
        while stream.read(&mut scratch, &mut tally) != Step::Ended {}
        assert_eq!((stream.retry, stream.is_open()), (Some(Duration::from_millis(4321)), false));
    }

    #[test]
    fn a_stream_is_live_again_with_a_push_that_was_sent_just_now() {
        let push = |sent_at: u64| {
            format!("id: e-1\ndata: {{\"tenant\":\"t0\",\"id\":\"{ID}\",\"body\":\"t={sent_at};\"}}\n\n")
        };
        let now = 10 * LIVE.as_nanos() as u64;
        for (sent_at, live) in [(1, false), (now - 1, true)] {
            let text = push(sent_at);
            let mut found = false;
            scan(text.as_bytes(), |item| found |= is_live(item, now));
            assert_eq!(found, live, "{sent_at}");
        }
    }

    #[test]
    fn a_refused_stream_is_strange() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (mut stream, mut scratch, mut tally) = (Stream::new(spec()), Scratch::default(), Tally::default());
        connect(&mut stream, listener.local_addr().unwrap(), &mut scratch, &mut tally);
        serve_once(&listener, "HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n");
        while stream.read(&mut scratch, &mut tally) != Step::Ended {}
        assert_eq!((tally.refused, stream.is_open()), (1, false));
    }
}
