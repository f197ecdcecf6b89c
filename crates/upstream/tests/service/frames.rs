use pushgate_model::Push;
use pushgate_protocol::encode_push;

/// The last, or only, fragment of a message.
pub(crate) const FIN: u8 = 0x80;
pub(crate) const CONTINUATION: u8 = 0x0;
pub(crate) const TEXT: u8 = 0x1;
pub(crate) const BINARY: u8 = 0x2;
pub(crate) const CLOSE: u8 = 0x8;
pub(crate) const PING: u8 = 0x9;
pub(crate) const PONG: u8 = 0xa;

/// The header alone of a frame that says it has so much payload (RFC 6455, section 5.2).
pub(crate) fn header(first: u8, len: u64) -> Vec<u8> {
    match len {
        0..=125 => vec![first, len as u8],
        126..=65_535 => [&[first, 126][..], &(len as u16).to_be_bytes()].concat(),
        _ => [&[first, 127][..], &len.to_be_bytes()].concat(),
    }
}

/// One frame; `first` is its first byte whole, so it may be a wrong one.
pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    [header(first, payload.len() as u64), payload.to_vec()].concat()
}

/// One frame as only the other side may write it. The payload is masked with this mask.
pub(crate) fn masked(first: u8, mask: [u8; 4], payload: &[u8]) -> Vec<u8> {
    let mut bytes = header(first, payload.len() as u64);
    bytes[1] |= 0x80;
    bytes.extend(mask);
    bytes.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    bytes
}

/// One message, a fragment for each part.
pub(crate) fn fragments(opcode: u8, parts: &[&[u8]]) -> Vec<u8> {
    let last = parts.len().saturating_sub(1);
    let of = |(n, part): (usize, &&[u8])| {
        let opcode = if n == 0 { opcode } else { CONTINUATION };
        frame(if n == last { FIN | opcode } else { opcode }, part)
    };
    parts.iter().enumerate().flat_map(of).collect()
}

/// What a good service puts into a binary frame.
pub(crate) fn push(id: &str) -> Vec<u8> {
    push_with(id, "body")
}

pub(crate) fn push_with(id: &str, body: &str) -> Vec<u8> {
    let created_at = "2026-01-02T03:04:05Z".to_owned();
    encode_push(&Push { id: id.into(), created_at, title: "title".to_owned(), body: body.to_owned() }).to_vec()
}

/// One length-delimited field of protobuf, of at most 127 bytes.
pub(crate) fn field(number: u8, payload: &[u8]) -> Vec<u8> {
    assert!(payload.len() < 128 && number < 16);
    [&[number << 3 | 2, payload.len() as u8][..], payload].concat()
}

/// A whole message.
pub(crate) fn binary(payload: &[u8]) -> Vec<u8> {
    frame(FIN | BINARY, payload)
}
