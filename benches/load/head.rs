use anyhow::{Context, Result, bail};

/// The longest head of a response, in bytes.
const MAX_BYTES: usize = 16 << 10;

/// The head of an HTTP/1.1 response, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    /// The status code.
    pub(crate) status: u16,
    /// How the body ends.
    pub(crate) body: Body,
    /// Where the body begins.
    pub(crate) length: usize,
}

/// How a body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Body {
    /// With its last chunk.
    Chunked,
    /// After so many bytes.
    Length(usize),
    /// With the connection.
    Close,
}

impl Head {
    /// Reads the head at the beginning of `bytes`; nothing when more of it must come.
    pub(crate) fn read(bytes: &[u8]) -> Result<Option<Self>> {
        let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else {
            if bytes.len() > MAX_BYTES {
                bail!("the head of a response is longer than {MAX_BYTES} bytes");
            }
            return Ok(None);
        };
        let text = std::str::from_utf8(&bytes[..end]).context("the head of a response is no text")?;
        let mut lines = text.split("\r\n");
        let status = lines.next().and_then(|line| line.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok());
        let status = status.context("not an HTTP/1.1 response")?;
        let mut body = if status == 204 || status == 304 { Body::Length(0) } else { Body::Close };
        for (name, value) in lines.filter_map(|line| line.split_once(':')) {
            if name.eq_ignore_ascii_case("content-length") {
                body = Body::Length(value.trim().parse().context("not a length")?);
            } else if name.eq_ignore_ascii_case("transfer-encoding") {
                body = Body::Chunked;
            }
        }
        Ok(Some(Self { status, body, length: end + 4 }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_says_how_the_body_ends() {
        let read = |text: &str| Head::read(text.as_bytes()).unwrap();
        let chunked = "HTTP/1.1 200 OK\r\nTRANSFER-ENCODING: chunked\r\n\r\n4";
        assert_eq!(read(chunked), Some(Head { status: 200, body: Body::Chunked, length: chunked.len() - 1 }));
        assert_eq!(read("HTTP/1.1 503 X\r\ncontent-length: 7\r\n\r\n").unwrap().body, Body::Length(7));
        assert_eq!(read("HTTP/1.1 204 No Content\r\n\r\n").unwrap().body, Body::Length(0));
        assert_eq!(read("HTTP/1.1 200 OK\r\n"), None);
        assert!(Head::read(b"SSH-2.0\r\n\r\n").is_err());
    }
}
