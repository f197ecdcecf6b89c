/// For an orderly end by us (RFC 6455, section 7.4.1).
pub(crate) const GOING_AWAY: u16 = 1001;
/// In reply to a Close without a code, or with one that must not be sent.
const NORMAL: u16 = 1000;

/// The code to answer a Close with: the same, where it may stand in a frame.
pub(crate) fn echo(code: Option<u16>) -> u16 {
    code.filter(|code| may_be_sent(*code)).unwrap_or(NORMAL)
}

/// Codes that may stand in a Close frame (RFC 6455, section 7.4, and the IANA registry).
fn may_be_sent(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}
