use memchr::memmem::Finder;

/// The longest stamp, in bytes: a marker, `t=`, a 64-bit number, `;n=`, a 32-bit number, and the byte behind it.
pub(crate) const MAX_STAMP: usize = 96;

/// What a push of a measured phase carries in its text: `<marker>t=<nanos>;n=<counter>;`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    /// When it was published, in nanoseconds of `CLOCK_MONOTONIC`.
    pub(crate) nanos: u64,
    /// Counts the pushes of its tenant in its phase, from 0 and without holes.
    pub(crate) counter: u32,
}

/// Finds stamps in what a stream brings, without parsing anything else: neither events, nor JSON, nor chunks. A server
/// that splits a stamp between two chunks would be judged to have lost it, which would show.
#[derive(Debug)]
pub(crate) struct Stamps {
    finder: Finder<'static>,
    length: usize,
}

/// How a stamp ends.
enum End {
    /// Here.
    Whole(Stamp, usize),
    /// Behind what there is.
    Cut,
    /// It is none.
    NoStamp,
}

impl Stamps {
    /// Those with this marker: a fresh one for each phase keeps the pushes of others out.
    pub(crate) fn new(marker: &str) -> Self {
        let needle = format!("{marker}t=");
        Self { length: needle.len(), finder: Finder::new(&needle).into_owned() }
    }

    /// Calls `each` for every stamp, and answers from where on bytes must be kept for the next call: they may be the
    /// begin of a stamp.
    pub(crate) fn scan(&self, text: &[u8], mut each: impl FnMut(Stamp)) -> usize {
        let mut position = 0;
        while let Some(found) = self.finder.find(&text[position..]) {
            let begin = position + found;
            match read(&text[begin + self.length..]) {
                End::Whole(stamp, length) => {
                    each(stamp);
                    position = begin + self.length + length;
                }
                End::NoStamp => position = begin + self.length,
                End::Cut => return begin,
            }
        }
        // Nearly every read ends with an event, and nothing has to be kept.
        if text.ends_with(b"\n") { text.len() } else { position.max(text.len().saturating_sub(self.length - 1)) }
    }
}

/// Reads `<nanos>;n=<counter>` and looks for one byte behind it.
fn read(text: &[u8]) -> End {
    let (nanos, length) = number(text);
    let rest = &text[length..];
    if rest.len() < 4 {
        return End::Cut;
    }
    if length == 0 || !rest.starts_with(b";n=") {
        return End::NoStamp;
    }
    let (counter, digits) = number(&rest[3..]);
    if rest.len() == 3 + digits {
        return End::Cut;
    }
    End::Whole(Stamp { nanos, counter: counter as u32 }, length + 3 + digits)
}

/// The number at the begin, and how many digits it has.
fn number(text: &[u8]) -> (u64, usize) {
    let mut value = 0_u64;
    let mut length = 0;
    while let Some(digit) = text.get(length).map(|byte| byte.wrapping_sub(b'0')).filter(|digit| *digit < 10) {
        value = value.wrapping_mul(10).wrapping_add(u64::from(digit));
        length += 1;
    }
    (value, length)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(pieces: &[&str]) -> Vec<(u64, u32)> {
        let stamps = Stamps::new("r1_");
        let (mut found, mut kept) = (Vec::new(), Vec::new());
        for piece in pieces {
            kept.extend_from_slice(piece.as_bytes());
            let from = stamps.scan(&kept, |stamp| found.push((stamp.nanos, stamp.counter)));
            kept.drain(..from);
            assert!(kept.len() <= MAX_STAMP, "{kept:?}");
        }
        found
    }

    #[test]
    fn stamps_are_found_wherever_they_are() {
        assert_eq!(found(&["data: {\"body\":\"r1_t=17;n=3; x\"}\n\nr1_t=18;n=4;"]), [(17, 3), (18, 4)]);
        assert_eq!(found(&["r2_t=17;n=3; r1_t=;n=1; r1_t=1,n=2; r1_ t=1;n=1;"]), []);
    }

    #[test]
    fn a_stamp_may_be_split_between_reads_anywhere() {
        let text = "id: 5\ndata: r1_t=123456;n=77; xxx\n\n";
        for at in 0..text.len() {
            assert_eq!(found(&[&text[..at], &text[at..]]), [(123_456, 77)], "{at}");
        }
        let bytes: Vec<_> = (0..text.len()).map(|at| &text[at..=at]).collect();
        assert_eq!(found(&bytes), [(123_456, 77)]);
    }
}
