use proptest::prelude::*;

use super::*;

const MAX: usize = 1000;

fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    match payload.len() {
        len @ 0..=125 => bytes.push(len as u8),
        len @ 126..=65_535 => {
            bytes.push(126);
            bytes.extend((len as u16).to_be_bytes());
        }
        len => {
            bytes.push(127);
            bytes.extend((len as u64).to_be_bytes());
        }
    }
    bytes.extend(payload);
    bytes
}

/// Feeds `bytes` in pieces of `chunk`; what came out, and how much was ever held.
fn read(bytes: &[u8], chunk: usize) -> (Vec<Frame>, Result<(), CodecError>, usize) {
    read_with(MAX, bytes, chunk)
}

fn read_with(max: usize, bytes: &[u8], chunk: usize) -> (Vec<Frame>, Result<(), CodecError>, usize) {
    let mut codec = GuardCodec::new(max);
    let (mut src, mut frames, mut held) = (BytesMut::new(), Vec::new(), 0);
    for piece in bytes.chunks(chunk.max(1)) {
        src.extend_from_slice(piece);
        loop {
            match codec.decode(&mut src) {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(error) => return (frames, Err(error), held),
            }
        }
        held = held.max(src.len() + codec.message.bytes.len());
    }
    (frames, Ok(()), held)
}

fn binary(text: &[u8]) -> Frame {
    Frame::Binary(Bytes::copy_from_slice(text))
}

#[test]
fn fragments_are_joined_round_control_frames() {
    let bytes =
        [frame(0x02, b"ab"), frame(0x89, b"hi"), frame(0x00, b""), frame(0x00, b"c"), frame(0x80, b"d")].concat();
    let (frames, end, _) = read(&bytes, 1);
    assert!(end.is_ok());
    assert_eq!(frames, [Frame::Ping(Bytes::from_static(b"hi")), binary(b"abcd")]);
}

#[test]
fn an_oversized_message_is_read_past_and_the_next_one_is_whole() {
    let long = vec![7; MAX + 1];
    let bytes = [frame(0x82, &long), frame(0x82, b"next")].concat();
    let (frames, end, _) = read(&bytes, 100);
    assert!(end.is_ok());
    assert_eq!(frames, [Frame::Oversized { head: Bytes::from(long.clone()), len: long.len() as u64 }, binary(b"next")]);
}

#[test]
fn a_text_does_not_rub_off_on_the_next_message() {
    let long = vec![7; MAX + 1];
    let bytes = [frame(0x81, b"x"), frame(0x82, &long), frame(0x81, &long), frame(0x82, b"y")].concat();
    let oversized = Frame::Oversized { head: Bytes::from(long.clone()), len: long.len() as u64 };
    assert_eq!(read(&bytes, 50).0, [Frame::Text, oversized, Frame::Text, binary(b"y")]);
}

#[test]
fn oversized_fragments_keep_only_the_first_64_kib() {
    let mut codec = GuardCodec::new(1 << 20);
    let part = vec![1; 600 << 10];
    let mut src = BytesMut::from(&[frame(0x02, &part), frame(0x80, &part), frame(0x81, b"x")].concat()[..]);
    match codec.decode(&mut src) {
        Ok(Some(Frame::Oversized { head, len })) => assert_eq!((head.len(), len), (HEAD, 1200 << 10)),
        other => panic!("{other:?}"),
    }
    assert_eq!(codec.decode(&mut src).unwrap(), Some(Frame::Text));
}

#[test]
fn a_message_far_beyond_the_limit_is_cut_before_it_is_read() {
    let mut declared = vec![0x82, 127];
    declared.extend((1u64 << 40).to_be_bytes());
    assert!(matches!(read(&declared, 100).1, Err(CodecError::TooBig(_))));
    let endless: Vec<u8> =
        std::iter::once(frame(0x02, &[0; 900])).chain((0..1000).map(|_| frame(0x00, &[0; 900]))).flatten().collect();
    let (frames, end, held) = read_with(20 << 10, &endless, 512);
    assert!(frames.is_empty() && matches!(end, Err(CodecError::TooBig(_))));
    assert!(held <= HEAD + 1024, "{held}");
}

#[test]
fn what_is_no_websocket_is_refused() {
    let masked = [0x82, 0x81, 0, 0, 0, 0, 1];
    let masked_and_long = [&[0x82, 0xfe, 0x0f, 0xff][..], &[0; 100]].concat();
    let long_ping = frame(0x89, &[0; 126]);
    let reserved = frame(0xc2, b"x");
    let orphan = frame(0x80, b"x");
    let nested = [frame(0x02, b"x"), frame(0x82, b"y")].concat();
    for bytes in [&masked[..], &masked_and_long, &long_ping, &reserved, &orphan, &nested] {
        assert!(matches!(read(bytes, 1000).1, Err(CodecError::Protocol(_))), "{bytes:?}");
    }
}

#[test]
fn close_and_text_are_reported() {
    let bytes = [frame(0x81, b"hello"), frame(0x88, &[0x03, 0xe9])].concat();
    assert_eq!(read(&bytes, 3).0, [Frame::Text, Frame::Close(Some(1001))]);
    assert_eq!(read(&frame(0x88, b""), 3).0, [Frame::Close(None)]);
}

proptest! {
    #[test]
    fn any_chunking_gives_the_same_frames(
        messages in prop::collection::vec((prop::collection::vec(0u8..=255, 0..1500), 1usize..5), 1..6),
        chunk in 1usize..3000,
    ) {
        let mut bytes = Vec::new();
        let mut expected = Vec::new();
        for (payload, parts) in &messages {
            let size = payload.len().div_ceil(*parts).max(1);
            let pieces: Vec<&[u8]> = if payload.is_empty() { vec![&[][..]] } else { payload.chunks(size).collect() };
            for (i, piece) in pieces.iter().enumerate() {
                let opcode = if i == 0 { 0x02 } else { 0x00 };
                let fin = if i + 1 == pieces.len() { 0x80 } else { 0 };
                bytes.extend(frame(fin | opcode, piece));
            }
            expected.push(if payload.len() > MAX {
                Frame::Oversized { head: Bytes::from(payload.clone()), len: payload.len() as u64 }
            } else {
                binary(payload)
            });
        }
        let (frames, end, _) = read(&bytes, chunk);
        prop_assert!(end.is_ok());
        prop_assert_eq!(frames, expected);
    }

    #[test]
    fn garbage_never_panics_nor_grows(bytes in prop::collection::vec(0u8..=255, 0..5000), chunk in 1usize..600) {
        let (_, _, held) = read(&bytes, chunk);
        prop_assert!(held <= MAX + HEAD + 600);
    }
}
