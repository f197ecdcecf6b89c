//! A tunnel through an HTTP proxy (RFC 9110, section 9.3.6). The service's name is resolved by the proxy.

use std::time::Duration;

use actix_rt::net::TcpStream;
use base64::{Engine, prelude::BASE64_STANDARD};
use pushgate_session::Ending;
use secrecy::ExposeSecret;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::{ProxyConfig, connector::Target, tcp};

/// Longest answer of a proxy, in bytes, headers and interim answers included; a longer one is no tunnel.
const MAX_HEAD: usize = 8 * 1024;
/// Most headers in it.
const MAX_HEADERS: usize = 64;

/// A whole answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Answer {
    status: u16,
    /// Bytes of its head.
    length: usize,
}

/// Opens a tunnel. Its time limit is the dial's.
///
/// # Errors
/// [`Ending::Proxy`], whatever goes wrong.
pub(crate) async fn tunnel(proxy: &ProxyConfig, target: Target<'_>, dead_after: Duration) -> Result<TcpStream, Ending> {
    let failed = |error: String| Ending::Proxy { error, status: None };
    let mut stream = tcp::connect(&proxy.host, proxy.port, dead_after)
        .await
        .map_err(|error| failed(format!("can't be reached: {error}")))?;
    stream.write_all(request(proxy, target).as_bytes()).await.map_err(|error| failed(error.to_string()))?;
    match read_answer(&mut stream).await.map_err(failed)? {
        200..=299 => Ok(stream),
        status => Err(Ending::Proxy { error: format!("answered {status}"), status: Some(status) }),
    }
}

fn request(proxy: &ProxyConfig, target: Target<'_>) -> String {
    let authority = target.authority();
    let authorization = proxy.credentials.as_ref().map_or_else(String::new, |(user, password)| {
        let pair = BASE64_STANDARD.encode(format!("{user}:{}", password.expose_secret()));
        format!("Proxy-Authorization: Basic {pair}\r\n")
    });
    format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n{authorization}\r\n")
}

/// The status of the final answer.
async fn read_answer(stream: &mut TcpStream) -> Result<u16, String> {
    let mut head = Vec::new();
    loop {
        let room = (MAX_HEAD - head.len()) as u64;
        if room == 0 {
            return Err(format!("its answer is longer than {MAX_HEAD} bytes"));
        }
        let read = (&mut *stream).take(room).read_buf(&mut head).await.map_err(|error| error.to_string())?;
        if read == 0 {
            return Err("closed the connection without an answer".to_owned());
        }
        let mut unread = head.as_slice();
        while let Some(answer) = parse(unread)? {
            unread = &unread[answer.length..];
            match answer.status {
                // An interim answer; the final one follows.
                100 | 102..=199 => {}
                // The service never speaks first, so these are not its bytes.
                200..=299 if !unread.is_empty() => return Err("sent more than its answer".to_owned()),
                status => return Ok(status),
            }
        }
    }
}

fn parse(bytes: &[u8]) -> Result<Option<Answer>, String> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut response = httparse::Response::new(&mut headers);
    match response.parse(bytes) {
        Ok(httparse::Status::Complete(length)) => Ok(response.code.map(|status| Answer { status, length })),
        Ok(httparse::Status::Partial) => Ok(None),
        Err(error) => Err(format!("its answer is not HTTP: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read_whole_or_not_at_all() {
        let whole = b"HTTP/1.1 200 Connection established\r\nVia: x\r\n\r\n";
        assert_eq!(parse(whole).unwrap(), Some(Answer { status: 200, length: whole.len() }));
        for length in 0..whole.len() {
            assert_eq!(parse(&whole[..length]).unwrap(), None, "{length}");
        }
        assert!(parse(b"SSH-2.0-OpenSSH_9.9\r\n").is_err());
    }

    #[test]
    fn credentials_are_sent_as_basic_and_ipv6_in_brackets() {
        let mut proxy = ProxyConfig { host: "p".to_owned(), port: 1, credentials: None };
        let target = Target { host: "::1", port: 443 };
        assert_eq!(request(&proxy, target), "CONNECT [::1]:443 HTTP/1.1\r\nHost: [::1]:443\r\n\r\n");
        // The example of RFC 7617, section 2.
        proxy.credentials = Some(("Aladdin".to_owned(), "open sesame".into()));
        let request = request(&proxy, target);
        assert!(request.ends_with("\r\nProxy-Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n\r\n"), "{request}");
    }
}
