//! The head of a response, as the HTTP library should see it.
//!
//! The library takes a response of HTTP/1.1 with neither a length nor chunks for one without a body, and reads up to the
//! end of the connection in HTTP/1.0 alone, though the rule is the same for both (RFC 9112, section 6.3, rule 8). So it
//! is shown such a head as one of HTTP/1.0. An interim response (RFC 9110, section 15.2) it would take for the answer; it
//! is shown none. What follows a head is none of this module's business: the next head is the first thing that comes
//! after another request.

use bytes::{Buf, BytesMut};
use httparse::{Header, ParserConfig, Status};

/// The largest head that is looked at, in bytes; far above what servers send. A larger one is shown as it came.
const MAX_HEAD: usize = 64 << 10;
/// The most headers that are looked at, which is what the library takes.
const MAX_HEADERS: usize = 96;

/// What a connection reads, from the request on whose response it waits.
#[derive(Debug, Default)]
pub(crate) struct Incoming {
    expects: Expects,
    /// The beginning of a head; once there is nothing to wait for, what the library has not yet taken.
    held: BytesMut,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Expects {
    /// Nothing that should be looked at.
    #[default]
    Anything,
    Head(Asked),
}

/// What the request was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    /// `HEAD`, to which no response has a body.
    ForHead,
    Other,
}

impl Incoming {
    /// The library sends this. Requests are not sent before the last response has come, so it is one request or its rest.
    pub(crate) fn asked(&mut self, request: &[u8]) {
        if self.expects == Expects::Anything && self.held.is_empty() && !request.is_empty() {
            let asked = if request.starts_with(b"HEAD ") { Asked::ForHead } else { Asked::Other };
            self.expects = Expects::Head(asked);
        }
    }

    /// Whether what comes has to be [`Self::came`].
    pub(crate) fn waits(&self) -> bool {
        self.expects != Expects::Anything
    }

    /// These bytes came while it waits.
    pub(crate) fn came(&mut self, bytes: &[u8]) {
        self.held.extend_from_slice(bytes);
        if let Expects::Head(asked) = self.expects
            && self.look(asked)
        {
            self.expects = Expects::Anything;
        }
    }

    /// Nothing more comes.
    pub(crate) fn ended(&mut self) {
        self.expects = Expects::Anything;
    }

    /// What the library is to be shown before anything else, up to so many bytes.
    pub(crate) fn take(&mut self, most: usize) -> BytesMut {
        if self.waits() { BytesMut::new() } else { self.held.split_to(most.min(self.held.len())) }
    }

    /// Whether there is nothing more to wait for.
    fn look(&mut self, asked: Asked) -> bool {
        loop {
            match Judgement::of(&self.held) {
                Judgement::Partial => return self.held.len() >= MAX_HEAD,
                Judgement::Interim { length } => self.held.advance(length),
                Judgement::ToTheEnd if asked == Asked::Other => {
                    as_http_1_0(&mut self.held);
                    return true;
                }
                Judgement::ToTheEnd | Judgement::AsItIs => return true,
            }
        }
    }
}

/// What the beginning of a response says.
#[derive(Debug, PartialEq, Eq)]
enum Judgement {
    /// Not enough.
    Partial,
    /// Another response follows this one, which is of so many bytes.
    Interim { length: usize },
    /// The end of the connection ends the body, if there may be one.
    ToTheEnd,
    /// The library knows what to make of it.
    AsItIs,
}

impl Judgement {
    fn of(bytes: &[u8]) -> Self {
        let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let mut response = httparse::Response::new(&mut headers);
        // As the library does.
        let mut config = ParserConfig::default();
        config.allow_spaces_after_header_name_in_responses(true);
        let bytes = &bytes[..bytes.len().min(MAX_HEAD)];
        let length = match config.parse_response(&mut response, bytes) {
            Ok(Status::Complete(length)) => length,
            Ok(Status::Partial) => return Self::Partial,
            Err(_) => return Self::AsItIs,
        };
        match response.code.unwrap_or_default() {
            // The protocol changes: no response follows.
            101 | 204 | 304 => Self::AsItIs,
            100..200 => Self::Interim { length },
            _ if response.version == Some(1) && !response.headers.iter().any(frames) => Self::ToTheEnd,
            _ => Self::AsItIs,
        }
    }
}

/// Whether a header says where the body ends.
fn frames(header: &Header<'_>) -> bool {
    ["content-length", "transfer-encoding"].iter().any(|name| header.name.eq_ignore_ascii_case(name))
}

/// Changes the version of a head, which stands before everything but empty lines.
fn as_http_1_0(head: &mut [u8]) {
    const VERSION: &[u8] = b"HTTP/1.1";
    if let Some(at) = head.windows(VERSION.len()).position(|bytes| bytes == VERSION) {
        head[at + VERSION.len() - 1] = b'0';
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What the library is shown of these pieces when it takes a few bytes at a time, the first request being `request`.
    fn shown<'a>(request: &str, pieces: impl IntoIterator<Item = &'a [u8]>) -> String {
        let (mut incoming, mut shown) = (Incoming::default(), Vec::new());
        incoming.asked(request.as_bytes());
        for piece in pieces {
            if incoming.waits() {
                incoming.came(piece);
            } else {
                shown.extend_from_slice(piece);
                continue;
            }
            while let part = incoming.take(7)
                && !part.is_empty()
            {
                shown.extend_from_slice(&part);
            }
        }
        incoming.ended();
        shown.extend_from_slice(&incoming.take(usize::MAX));
        String::from_utf8(shown).unwrap()
    }

    const GET: &str = "GET / HTTP/1.1\r\n\r\n";
    const ENDLESS: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\nHTTP/1.1 is data here\n\n";

    fn http_1_0(text: &str) -> String {
        text.replacen("HTTP/1.1", "HTTP/1.0", 1)
    }

    #[test]
    fn a_head_without_a_length_is_shown_as_one_of_http_1_0() {
        let more = [
            ENDLESS,
            "\r\n\nHTTP/1.1 200 OK\n\nbody",
            "HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\nwhy",
            "HTTP/1.1 200\r\nX-Content-Length: 1\r\n\r\n",
        ];
        for text in more {
            assert_eq!(shown(GET, [text.as_bytes()]), http_1_0(text), "{text}");
        }
    }

    #[test]
    fn every_other_head_is_shown_as_it_came() {
        let long = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\nbody", "x".repeat(MAX_HEAD));
        let many = format!("HTTP/1.1 200 OK\r\n{}\r\nbody", "X: y\r\n".repeat(MAX_HEADERS + 1));
        let others = [
            "HTTP/1.1 200 OK\r\ncontent-LENGTH: 0\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding : chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n",
            "HTTP/1.0 200 OK\r\n\r\nbody",
            "HTTP/1.1 204 No Content\r\n\r\n",
            "HTTP/1.1 304 Not Modified\r\n\r\n",
            "HTTP/1.1 101 Switching Protocols\r\n\r\n",
            "HTTP/1.1 200 OK\r\nX: cut o",
            "HTTP/1.1 2x0 OK\r\n\r\n",
            "garbage\r\n\r\n",
            "",
            &long,
            &many,
        ];
        for text in others {
            assert_eq!(shown(GET, [text.as_bytes()]), text);
            assert_eq!(shown(GET, text.as_bytes().chunks(1021)), text);
        }
        assert_eq!(shown("HEAD / HTTP/1.1\r\n\r\n", [ENDLESS.as_bytes()]), ENDLESS);
    }

    #[test]
    fn interim_responses_are_not_shown() {
        let interim = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n";
        assert_eq!(shown(GET, [format!("{interim}{ENDLESS}").as_bytes()]), http_1_0(ENDLESS));
        assert_eq!(shown(GET, [interim.as_bytes()]), "");
    }

    #[test]
    fn each_request_has_a_head_of_its_own() {
        let mut incoming = Incoming::default();
        for (answer, wanted) in [
            ("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody", "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody"),
            ("HTTP/1.1 200 OK\r\n\r\nbody", "HTTP/1.0 200 OK\r\n\r\nbody"),
        ] {
            assert!(!incoming.waits(), "nothing was asked");
            incoming.asked(b"POST / HTTP/1.1\r\n\r\n");
            incoming.asked(b"the body of it");
            assert!(incoming.waits());
            incoming.came(answer.as_bytes());
            assert_eq!(incoming.take(usize::MAX), wanted.as_bytes());
        }
    }

    #[test]
    fn a_head_without_end_is_not_held() {
        let mut incoming = Incoming::default();
        incoming.asked(GET.as_bytes());
        incoming.came(b"HTTP/1.1 200 OK\r\nX: ");
        while incoming.waits() {
            incoming.came(&[b'x'; 4096]);
            assert!(incoming.held.len() < MAX_HEAD + 4096);
        }
    }

    proptest! {
        #[test]
        fn it_matters_not_how_the_bytes_are_cut(
            interim in 0_usize..3,
            headers in prop::collection::vec(
                prop::sample::select(vec!["Content-Length: 3", "Transfer-Encoding: chunked", "X: y", "Content-Lengt: 3"]),
                0..4,
            ),
            version in 0..2,
            status in prop::sample::select(vec![200, 204, 304, 404, 503]),
            body in "[a-zHTP/1. \r\n]{0,40}",
            cuts in prop::collection::vec(1_usize..20, 1..20),
        ) {
            let lines: String = headers.iter().flat_map(|line| [*line, "\r\n"]).collect();
            let answer = format!("HTTP/1.{version} {status} X\r\n{lines}\r\n{body}");
            let wire = "HTTP/1.1 103 Early Hints\r\n\r\n".repeat(interim) + &answer;
            let (mut rest, mut pieces) = (wire.as_bytes(), Vec::new());
            for cut in cuts.iter().cycle() {
                let (piece, behind) = rest.split_at((*cut).min(rest.len()));
                pieces.push(piece);
                rest = behind;
                if rest.is_empty() {
                    break;
                }
            }
            let framed = headers.iter().any(|line| line.starts_with("Content-Length") || line.starts_with("Transfer"));
            let without_body = status == 204 || status == 304;
            let wanted = if framed || without_body { answer } else { http_1_0(&answer) };
            prop_assert_eq!(shown(GET, pieces), wanted);
        }
    }
}
