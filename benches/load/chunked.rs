/// Takes off `Transfer-Encoding: chunked` (RFC 9112, section 7.1) piece by piece, wherever reads cut it.
#[derive(Debug, Default)]
pub(crate) struct Chunked(State);

#[derive(Clone, Copy, Debug)]
enum State {
    /// In the size of a chunk.
    Size(u64),
    /// Behind the size, up to the end of its line.
    Extension(u64),
    /// In a chunk of which so many bytes are missing.
    Data(u64),
    /// Behind a chunk, before the end of its line.
    DataEnd,
    /// Behind the last chunk; the flag says whether the present line has bytes.
    Trailer(bool),
    /// All has come.
    End,
}

impl Default for State {
    fn default() -> Self {
        Self::Size(0)
    }
}

/// Bytes that are no chunked body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the body is not chunked as it says")]
pub(crate) struct Malformed;

impl Chunked {
    /// Whether the last chunk has come.
    pub(crate) fn ended(&self) -> bool {
        matches!(self.0, State::End)
    }

    /// Appends the bytes of the body that `input` holds; what follows the end is ignored.
    pub(crate) fn decode(&mut self, mut input: &[u8], output: &mut Vec<u8>) -> Result<(), Malformed> {
        while let Some((&byte, rest)) = input.split_first() {
            if let State::Data(missing) = self.0 {
                let taken = input.len().min(usize::try_from(missing).unwrap_or(usize::MAX));
                output.extend_from_slice(&input[..taken]);
                input = &input[taken..];
                let missing = missing - taken as u64;
                self.0 = if missing == 0 { State::DataEnd } else { State::Data(missing) };
                continue;
            }
            input = rest;
            self.0 = self.0.after(byte)?;
        }
        Ok(())
    }
}

impl State {
    /// The state after a byte that is no data.
    fn after(self, byte: u8) -> Result<Self, Malformed> {
        Ok(match (self, byte) {
            (Self::Size(size), b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => {
                let digit = (byte as char).to_digit(16).ok_or(Malformed)?;
                Self::Size(size.checked_mul(16).ok_or(Malformed)? + u64::from(digit))
            }
            (Self::Extension(0) | Self::Trailer(true), b'\n') | (Self::Trailer(false), b'\r') => Self::Trailer(false),
            (Self::Extension(size), b'\n') => Self::Data(size),
            (Self::Extension(size), _) | (Self::Size(size), b'\r' | b';' | b' ') => Self::Extension(size),
            (Self::DataEnd, b'\r') => Self::DataEnd,
            (Self::DataEnd, b'\n') => Self::Size(0),
            (Self::Trailer(false), b'\n') | (Self::End, _) => Self::End,
            (Self::Trailer(_), _) => Self::Trailer(true),
            _ => return Err(Malformed),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_the_same_wherever_it_is_cut() {
        let wire = b"4\r\nabcd\r\n1a;name=value\r\nefghijklmnopqrstuvwxyz0123\r\n0\r\nTrailer: x\r\n\r\n";
        for step in 1..=wire.len() {
            let (mut chunked, mut body) = (Chunked::default(), Vec::new());
            for part in wire.chunks(step) {
                assert!(!chunked.ended());
                chunked.decode(part, &mut body).unwrap();
            }
            assert_eq!((body.as_slice(), chunked.ended()), (&b"abcdefghijklmnopqrstuvwxyz0123"[..], true), "{step}");
        }
    }

    #[test]
    fn what_is_not_chunked_is_refused() {
        for wire in ["x", "3\r\nabcX", "ffffffffffffffffff\r\n"] {
            assert_eq!(Chunked::default().decode(wire.as_bytes(), &mut Vec::new()), Err(Malformed), "{wire}");
        }
    }
}
