use std::mem::take;

use bytes::BytesMut;

/// Size of a buffer of an idle line, in bytes. `Framed` takes no more by itself as long as so many are free in it; else it
/// makes it 8 KiB, which is 16 KiB for the two buffers of each of thousands of lines that mostly say nothing.
pub(super) const IDLE: usize = 1024;
/// Reads in a row, each within [`IDLE`], after which a line counts as idle.
const SMALL_READS: u8 = 2;

/// Keeps the buffer into which a socket is read as small as the line is quiet.
///
/// Payloads are copied out of it, so it never holds more than what one read brought and a header or control frame that is
/// not there as a whole: it stays within 16 KiB.
#[derive(Debug, Default)]
pub(super) struct ReadBuffer {
    /// Bytes that were decoded since the buffer was last empty.
    taken: usize,
    small_reads: u8,
}

impl ReadBuffer {
    pub(super) fn taken(&mut self, bytes: usize) {
        self.taken = self.taken.saturating_add(bytes);
    }

    /// All that was read is decoded; what is read next goes into `src`.
    pub(super) fn drained(&mut self, src: &mut BytesMut) {
        // A read up to the very end of the buffer says that more is on its way: then `Framed` makes the buffer larger.
        let filled = src.capacity() == 0;
        if filled || take(&mut self.taken) > IDLE {
            self.taken = 0;
            self.small_reads = 0;
            return;
        }
        self.small_reads = self.small_reads.saturating_add(1);
        if self.small_reads >= SMALL_READS && !(src.try_reclaim(IDLE) && src.capacity() == IDLE) {
            *src = BytesMut::with_capacity(IDLE);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `Framed` does before each read, a read of `len` bytes at most, and its decoding.
    fn read(buffer: &mut ReadBuffer, src: &mut BytesMut, len: usize) -> usize {
        let free = src.capacity() - src.len();
        if free < 1024 {
            src.reserve(8192 - free);
        }
        let len = len.min(src.capacity());
        src.resize(len, 0);
        drop(src.split_to(len));
        buffer.taken(len);
        buffer.drained(src);
        len
    }

    #[test]
    fn a_quiet_line_holds_a_small_buffer_for_good() {
        let (mut buffer, mut src) = (ReadBuffer::default(), BytesMut::with_capacity(8192));
        read(&mut buffer, &mut src, 20);
        for _ in 0..1000 {
            read(&mut buffer, &mut src, 20);
            assert_eq!(src.capacity(), IDLE);
        }
    }

    #[test]
    fn a_busy_line_reads_into_a_large_buffer_from_its_second_read_on() {
        let (mut buffer, mut src) = (ReadBuffer::default(), BytesMut::with_capacity(8192));
        for _ in 0..3 {
            read(&mut buffer, &mut src, 20);
        }
        assert_eq!(read(&mut buffer, &mut src, 100_000), IDLE);
        for _ in 0..1000 {
            assert!(read(&mut buffer, &mut src, 100_000) >= 8192 - IDLE);
            assert!(src.capacity() <= 16 << 10);
        }
        for len in [3000, 20, 3000, 20, 3000] {
            assert_eq!(read(&mut buffer, &mut src, len), len, "one small read is no idle line");
        }
    }
}
