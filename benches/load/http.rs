use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};

use crate::{
    chunked::Chunked,
    head::{Body, Head},
};

/// How long a peer may send nothing.
const PATIENCE: Duration = Duration::from_secs(30);
/// The longest response, in bytes: all answers of a long run.
const MAX_BYTES: usize = 1 << 30;

/// What came back.
#[derive(Debug)]
pub(crate) struct Response {
    /// The status code.
    pub(crate) status: u16,
    /// The whole body.
    pub(crate) body: Vec<u8>,
}

impl Response {
    /// The body as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON of a successful response.
    pub(crate) fn json<T: serde::de::DeserializeOwned>(&self) -> Result<T> {
        ensure!((200..300).contains(&self.status), "status {}: {}", self.status, self.text());
        serde_json::from_slice(&self.body).with_context(|| format!("unexpected JSON: {:.200}", self.text()))
    }
}

/// One GET on a connection of its own.
pub(crate) fn get(addr: SocketAddr, path: &str) -> Result<Response> {
    request(addr, &format!("GET {path}"), &[])
}

/// One POST of JSON on a connection of its own.
pub(crate) fn post(addr: SocketAddr, path: &str, body: &serde_json::Value) -> Result<Response> {
    request(addr, &format!("POST {path}"), body.to_string().as_bytes())
}

/// One DELETE on a connection of its own.
pub(crate) fn delete(addr: SocketAddr, path: &str) -> Result<Response> {
    request(addr, &format!("DELETE {path}"), &[])
}

fn request(addr: SocketAddr, line: &str, body: &[u8]) -> Result<Response> {
    let mut socket = TcpStream::connect_timeout(&addr, PATIENCE).with_context(|| format!("{addr}: {line}"))?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.set_write_timeout(Some(PATIENCE))?;
    let head = format!(
        "{line} HTTP/1.1\r\nHost: {addr}\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n",
        body.len()
    );
    socket.write_all(&[head.as_bytes(), body].concat())?;
    receive(&mut socket).with_context(|| format!("{addr}: {line}"))
}

fn receive(socket: &mut TcpStream) -> Result<Response> {
    let mut buffer = vec![0; 64 << 10];
    let mut raw = Vec::new();
    let head = loop {
        let count = socket.read(&mut buffer)?;
        raw.extend_from_slice(&buffer[..count]);
        if let Some(head) = Head::read(&raw)? {
            break head;
        }
        ensure!(count > 0, "the connection ended within the head");
    };
    let mut chunked = Chunked::default();
    let mut body = Vec::new();
    let mut piece = raw.split_off(head.length);
    loop {
        match head.body {
            Body::Chunked => chunked.decode(&piece, &mut body)?,
            Body::Length(_) | Body::Close => body.extend_from_slice(&piece),
        }
        let done = match head.body {
            Body::Chunked => chunked.ended(),
            Body::Length(length) => body.len() >= length,
            Body::Close => false,
        };
        if done {
            break;
        }
        ensure!(body.len() <= MAX_BYTES, "a response of more than {MAX_BYTES} bytes");
        let count = socket.read(&mut buffer)?;
        if count == 0 {
            if head.body == Body::Close {
                break;
            }
            bail!("the connection ended within the body");
        }
        piece.clear();
        piece.extend_from_slice(&buffer[..count]);
    }
    Ok(Response { status: head.status, body })
}
