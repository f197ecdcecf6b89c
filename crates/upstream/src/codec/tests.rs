use actix_codec::Framed;
use futures_util::{FutureExt, SinkExt, StreamExt};
use proptest::prelude::*;
use pushgate_session::CloseFrame;
use tokio::{
    io::AsyncWriteExt,
    task::{coop::has_budget_remaining, yield_now},
};

use super::*;

const MAX: usize = 1000;

pub(super) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
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
            held = held.max(src.len() + codec.held());
        }
        held = held.max(src.len() + codec.held());
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
    let reserved_opcodes = [3u8, 4, 5, 6, 7, 11, 12, 13, 14, 15].map(|opcode| frame(0x80 | opcode, b""));
    let reserved_bits = [0xc2, 0xa2, 0x92, 0xf2, 0xc9].map(|first| frame(first, b"x"));
    let others = [
        vec![0x82, 0x81, 0, 0, 0, 0, 1],
        [&[0x82, 0xfe, 0x0f, 0xff][..], &[0; 100]].concat(),
        vec![0x8a, 0x80, 0, 0, 0, 0],
        frame(0x89, &[0; 126]),
        vec![0x88, 126, 0, 126],
        frame(0x09, b""),
        frame(0x08, b""),
        frame(0x80, b"x"),
        frame(0x00, b""),
        [frame(0x02, b"x"), frame(0x82, b"y")].concat(),
        [frame(0x01, b""), frame(0x02, b"")].concat(),
        [frame(0x02, b"x"), frame(0x80, b"y"), frame(0x80, b"z")].concat(),
        [&[0x82, 127][..], &(1u64 << 63).to_be_bytes()].concat(),
        [&[0x81, 127][..], &u64::MAX.to_be_bytes()].concat(),
    ];
    for bytes in reserved_opcodes.iter().chain(&reserved_bits).chain(&others) {
        for chunk in [1, 1000] {
            assert!(matches!(read(bytes, chunk).1, Err(CodecError::Protocol(_))), "{bytes:?}");
        }
    }
}

#[test]
fn a_length_in_more_bytes_than_it_needs_is_borne() {
    let bytes = [&[0x89, 126, 0, 1, b'p', 0x82, 127, 0, 0, 0, 0, 0, 0, 0, 1, b'x'][..], &frame(0x82, b"y")].concat();
    for chunk in [1, 100] {
        assert_eq!(read(&bytes, chunk).0, [Frame::Ping(Bytes::from_static(b"p")), binary(b"x"), binary(b"y")]);
    }
}

#[test]
fn a_failed_stream_stays_failed() {
    for bytes in [frame(0x83, b""), frame(0x88, &[3]), frame(0x88, &[3, 0xe8, 0xff]), frame(0x80, b"")] {
        let mut codec = GuardCodec::new(MAX);
        let mut src = BytesMut::from(&[&bytes[..], &frame(0x82, b"push")].concat()[..]);
        for _ in 0..3 {
            assert!(codec.decode(&mut src).is_err());
        }
        assert!(codec.decode_eof(&mut src).is_err());
    }
}

#[test]
fn the_end_of_a_stream_is_never_an_error() {
    for bytes in [&b""[..], &[0x82], &[0x82, 126, 0], &frame(0x82, b"push")[..4], &frame(0x89, b"ping")[..3]] {
        let mut codec = GuardCodec::new(MAX);
        let mut src = BytesMut::from(bytes);
        assert_eq!(codec.decode(&mut src).unwrap(), None);
        assert_eq!(codec.decode_eof(&mut src).unwrap(), None);
    }
}

#[test]
fn a_close_is_judged() {
    let close = |payload: &[u8]| read(&frame(0x88, payload), 1000).1;
    for code in [0u16, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65_535] {
        assert!(matches!(close(&code.to_be_bytes()), Err(CodecError::Protocol(_))), "{code}");
    }
    for code in [1000u16, 1003, 1007, 1014, 3000, 4999] {
        assert!(close(&code.to_be_bytes()).is_ok(), "{code}");
    }
    assert!(matches!(close(&[3]), Err(CodecError::Protocol(_))));
    assert!(matches!(close(b"\x03\xe8\xc3\x28"), Err(CodecError::NotUtf8)));
    let longest = [&1001u16.to_be_bytes()[..], "é".repeat(61).as_bytes(), b"x"].concat();
    let reason = CloseFrame { code: Some(1001), text: "é".repeat(61) + "x" };
    assert_eq!(read(&frame(0x88, &longest), 7).0, [Frame::Close(reason)]);
}

#[test]
fn a_text_is_never_held_nor_looked_at() {
    let long = frame(0x81, &[0xff; 16 * MAX]);
    let fragments: Vec<u8> =
        [frame(0x01, &[0xff; 900])].into_iter().chain((0..15).map(|_| frame(0x00, &[0xff; 900]))).flatten().collect();
    let bytes = [long, fragments, frame(0x80, b"")].concat();
    let (frames, end, held) = read(&bytes, 512);
    assert!(end.is_ok());
    assert_eq!(frames, [Frame::Text, Frame::Text]);
    assert!(held <= 512 + 16, "{held}");
}

#[test]
fn fragments_without_end_hold_no_more_than_a_message() {
    let single: Vec<u8> =
        [frame(0x02, b"")].into_iter().chain((0..100_000).map(|_| frame(0x00, b""))).flatten().collect();
    let (frames, end, held) = read(&single, 8192);
    assert!(frames.is_empty() && end.is_ok() && held <= 16, "{held}");
    let bytes_alone: Vec<u8> =
        [frame(0x02, b"x")].into_iter().chain((0..16 * MAX).map(|_| frame(0x00, b"y"))).flatten().collect();
    let (frames, end, held) = read(&bytes_alone, 8192);
    assert!(frames.is_empty() && matches!(end, Err(CodecError::TooBig(_))));
    assert!(held <= HEAD + 16, "{held}");
}

#[tokio::test]
async fn a_flood_of_fragments_ends_its_tasks_turn() {
    let pipe = 1 << 18;
    let (ours, mut theirs) = tokio::io::duplex(pipe);
    let mut framed = Framed::new(ours, GuardCodec::new(MAX));
    let flood = [frame(0x02, b""), frame(0x00, b"").repeat(pipe / 2 - 1)].concat();
    theirs.write_all(&flood).await.unwrap();
    yield_now().await;
    assert!(has_budget_remaining());
    assert!(framed.next().now_or_never().is_none());
    assert!(!has_budget_remaining());
    yield_now().await;
    let read = theirs.write(&vec![0; pipe]).await.unwrap();
    assert!(read > 0 && read <= 128 * 2 * usize::from(FRAGMENTS_A_READ) + 8192, "{read} bytes in one turn");
}

#[test]
fn a_declared_length_takes_no_memory() {
    let (max, len) = (64 << 20, 60u64 << 20);
    let header = [&[0x82, 127][..], &len.to_be_bytes()].concat();
    let (_, end, held) = read_with(max, &[&header[..], &[7; 5000]].concat(), 1000);
    assert!(end.is_ok() && held <= 10_000, "{held}");
}

#[test]
fn a_message_that_turns_out_too_long_gives_back_what_it_held() {
    let max = 1 << 20;
    let (_, _, held) = read_with(max, &frame(0x02, &vec![1; max]), 4096);
    assert!((max..=max + 4096).contains(&held), "{held}");
    let mut codec = GuardCodec::new(max);
    let mut src = BytesMut::from(&[frame(0x02, &vec![1; max]), frame(0x00, b"x")].concat()[..]);
    assert_eq!(codec.decode(&mut src).unwrap(), None);
    assert!(codec.held() <= HEAD, "{}", codec.held());
}

#[test]
fn a_small_message_does_not_hold_the_buffer_that_it_came_in() {
    let mut codec = GuardCodec::new(MAX);
    let mut src = BytesMut::with_capacity(8192);
    src.extend_from_slice(&[frame(0x82, b"broken"), frame(0x89, b"ping"), frame(0x82, b"x")].concat());
    let (place, mut kept) = (src.as_ptr(), Vec::new());
    while let Some(frame) = codec.decode(&mut src).unwrap() {
        kept.push(frame);
    }
    assert_eq!(kept.len(), 3);
    src.reserve(8192);
    assert_eq!(src.as_ptr(), place, "its memory is free again while what came in it is still held");
}

#[test]
fn close_and_text_are_reported() {
    let bytes = [frame(0x81, b"hello"), frame(0x88, &[0x03, 0xe9])].concat();
    assert_eq!(read(&bytes, 3).0, [Frame::Text, Frame::Close(CloseFrame { code: Some(1001), text: String::new() })]);
    assert_eq!(read(&frame(0x88, b""), 3).0, [Frame::Close(CloseFrame::default())]);
}

#[tokio::test]
async fn an_idle_line_holds_small_buffers_alone() {
    let (ours, mut theirs) = tokio::io::duplex(1 << 16);
    let mut framed = Framed::new(ours, GuardCodec::new(MAX));
    framed.send(Message::Binary(Bytes::from_static(&[7; 6000]))).await.unwrap();
    theirs.write_all(&frame(0x82, &[7; MAX])).await.unwrap();
    assert!(matches!(framed.next().await, Some(Ok(Frame::Binary(_)))));
    for _ in 0..2 {
        framed.send(Message::Ping(Bytes::new())).await.unwrap();
        theirs.write_all(&frame(0x8a, b"")).await.unwrap();
        assert_eq!(framed.next().await.unwrap().unwrap(), Frame::Pong);
        assert!(framed.next().now_or_never().is_none(), "nothing more is there");
    }
    let parts = framed.into_parts();
    assert!(parts.read_buf.capacity() <= buffer::IDLE && parts.write_buf.capacity() <= buffer::IDLE, "{parts:?}");
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
