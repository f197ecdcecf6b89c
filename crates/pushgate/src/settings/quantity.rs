//! Durations and sizes as text.

use std::time::Duration;

use bytesize::ByteSize;

/// What a duration may be.
#[derive(Clone, Copy)]
pub(super) struct Span {
    pub(super) min: Duration,
    pub(super) max: Duration,
    /// Both in words.
    pub(super) words: &'static str,
}

/// A timer or a deadline. A day is more than any of them needs, and no sum of two can overflow a clock.
pub(super) const TIMER: Span =
    Span { min: Duration::from_millis(1), max: Duration::from_secs(86_400), words: "1ms to 1day" };

/// How long something is kept.
pub(super) const KEPT: Span =
    Span { min: Duration::from_secs(1), max: Duration::from_secs(36_525 * 86_400), words: "1s to 100years" };

/// A duration with a unit, whatever its length.
pub(super) fn duration(text: &str) -> Option<Duration> {
    // A lone 0 has no unit; humantime takes it.
    let has_unit = text.chars().any(char::is_alphabetic);
    humantime::parse_duration(text).ok().filter(|_| has_unit)
}

/// A size with a unit, in bytes.
pub(super) fn size(text: &str) -> Option<u64> {
    let has_unit = text.chars().any(char::is_alphabetic);
    text.parse::<ByteSize>().ok().filter(|_| has_unit).map(|size| size.as_u64())
}

/// Bytes in the largest binary unit without a remainder.
pub(super) fn size_text(bytes: u64) -> String {
    let units = [(40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")];
    match units.into_iter().find(|(bits, _)| bytes > 0 && bytes.trailing_zeros() >= *bits) {
        Some((bits, unit)) => format!("{}{unit}", bytes >> bits),
        None => format!("{bytes}B"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_need_a_unit() {
        assert_eq!(duration("20s"), Some(Duration::from_secs(20)));
        assert_eq!(duration("7d"), Some(Duration::from_secs(7 * 86_400)));
        assert_eq!(duration("1h 30m"), Some(Duration::from_secs(5400)));
        assert_eq!(duration("0s"), Some(Duration::ZERO));
        for bad in ["", "0", "20", "s", "20 seks", "-1s", "1e3s", "\u{665}s", "99999999999999999999s"] {
            assert_eq!(duration(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn sizes_need_a_unit() {
        assert_eq!(size("64KiB"), Some(65_536));
        assert_eq!(size("1.5 MiB"), Some(1_572_864));
        assert_eq!(size("10kB"), Some(10_000));
        assert_eq!(size("12B"), Some(12));
        for bad in ["", "0", "4096", "MiB", "4 XiB", "-1MiB", "1.1.1MiB", "\u{665}MiB"] {
            assert_eq!(size(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn sizes_are_told_in_whole_units() {
        for (bytes, text) in [(0, "0B"), (1000, "1000B"), (1024, "1KiB"), (4 << 20, "4MiB"), (3 << 40, "3TiB")] {
            assert_eq!(size_text(bytes), text);
        }
    }
}
