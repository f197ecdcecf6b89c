//! The way of a frame, from the bytes of a hostile service to the effects of the session. `PROPTEST_CASES` makes more of it.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use actix_codec::{AsyncRead, Framed, ReadBuf};
use futures_util::{StreamExt, task::noop_waker_ref};
use proptest::prelude::*;
use pushgate_protocol::MAX_PUSH_ID;

use super::*;

mod hostile;
mod library;
mod session;

use hostile::{piece, pieces};

/// The read buffer stays within this, whatever comes.
const MAX_BUFFER: usize = 16 << 10;

/// A service that sends these bytes in pieces of these sizes, over and over, and ends.
struct Wire<'a> {
    bytes: &'a [u8],
    sizes: std::iter::Cycle<std::slice::Iter<'a, usize>>,
}

/// How a stream ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Eof,
    Closing(u16),
}

impl AsyncRead for Wire<'_> {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let size = self.sizes.next().copied().unwrap_or(1).clamp(1, buf.remaining());
        let (now, later) = self.bytes.split_at(size.min(self.bytes.len()));
        buf.put_slice(now);
        self.bytes = later;
        Poll::Ready(Ok(()))
    }
}

impl End {
    fn of(error: &CodecError) -> Self {
        match error {
            CodecError::Protocol(_) => Self::Closing(1002),
            CodecError::NotUtf8 => Self::Closing(1007),
            CodecError::TooBig(_) => Self::Closing(1009),
            CodecError::Io(error) => panic!("{error}"),
        }
    }
}

/// Reads a stream to its end by the real `Framed`, and looks at all memory after each step.
fn receive(
    max: usize,
    bytes: &[u8],
    sizes: &[usize],
    mut each: impl FnMut(Frame) -> Result<(), TestCaseError>,
) -> Result<End, TestCaseError> {
    let mut framed = Framed::new(Wire { bytes, sizes: sizes.iter().cycle() }, GuardCodec::new(max));
    for steps in 0.. {
        prop_assert!(steps <= bytes.len() / 2, "a step without a frame");
        let next = framed.poll_next_unpin(&mut Context::from_waker(noop_waker_ref()));
        let parts = framed.into_parts();
        prop_assert!(parts.read_buf.capacity() <= MAX_BUFFER, "a buffer of {}", parts.read_buf.capacity());
        prop_assert!(parts.codec.held() <= max.max(HEAD), "{} held of a message", parts.codec.held());
        framed = Framed::from_parts(parts);
        match next {
            Poll::Ready(Some(Ok(frame))) => each(frame)?,
            Poll::Ready(Some(Err(error))) => return Ok(End::of(&error)),
            Poll::Ready(None) => return Ok(End::Eof),
            Poll::Pending => return Err(TestCaseError::fail("the wire never waits")),
        }
    }
    unreachable!("the steps are limited")
}

fn received(max: usize, bytes: &[u8], sizes: &[usize]) -> Result<(Vec<Frame>, End), TestCaseError> {
    let mut frames = Vec::new();
    let end = receive(max, bytes, sizes, |frame| {
        frames.push(frame);
        Ok(())
    })?;
    Ok((frames, end))
}

/// Judges one frame by itself.
fn judge(frame: &Frame, max: usize) -> Result<(), TestCaseError> {
    match frame {
        Frame::Binary(bytes) => prop_assert!(bytes.len() <= max),
        Frame::Oversized { head, len } => {
            prop_assert!(*len > max as u64 && *len <= max as u64 * CUT_FACTOR);
            prop_assert_eq!(head.len() as u64, min(*len, HEAD as u64));
        }
        Frame::Ping(payload) => prop_assert!(payload.len() <= 125),
        Frame::Close(close) => prop_assert!(close.text.len() <= 123),
        Frame::Text | Frame::Pong => {}
    }
    Ok(())
}

fn limit() -> impl Strategy<Value = usize> {
    prop::sample::select(vec![100usize, 2000, 8 << 10])
}

proptest! {
    #[test]
    fn any_bytes_give_the_same_frames_however_they_come(
        (max, bytes) in limit().prop_flat_map(|max| (Just(max), pieces(max))),
        sizes in prop::collection::vec(prop_oneof![1usize..20, 1usize..9000], 1..8),
    ) {
        let (frames, end) = received(max, &bytes, &[usize::MAX])?;
        for frame in &frames {
            judge(frame, max)?;
        }
        let expected = (frames, end);
        prop_assert_eq!(&received(max, &bytes, &[1])?, &expected);
        prop_assert_eq!(&received(max, &bytes, &sizes)?, &expected);
    }

    #[test]
    fn what_the_library_reads_is_read_alike(bytes in prop::collection::vec(piece(100), 0..8)) {
        let bytes = bytes.concat();
        let (ours, end) = received(library::MAX, &bytes, &[7])?;
        let (theirs, refused) = library::read(&bytes);
        prop_assert_eq!(ours, theirs);
        if refused {
            prop_assert!(end != End::Eof);
        }
    }

    #[test]
    fn the_session_stays_within_its_limits(
        (max, bytes) in limit().prop_flat_map(|max| (Just(max), pieces(max))),
        words in prop::collection::vec(any::<u8>(), 1..20),
    ) {
        let mut judge = session::Judge::new(max, words);
        receive(max, &bytes, &[usize::MAX], |frame| judge.on_frame(frame))?;
        judge.finish()?;
    }
}
