use pushgate_session::CloseFrame;

use super::CodecError;

/// The payload of a Close: nothing, or a code and a text (RFC 6455, sections 5.5.1 and 7.4).
pub(super) fn close_frame(payload: &[u8]) -> Result<CloseFrame, CodecError> {
    let (code, text) = match payload {
        [] => return Ok(CloseFrame::default()),
        [_] => return Err(CodecError::protocol("a close frame with half a code")),
        [high, low, text @ ..] => (u16::from_be_bytes([*high, *low]), text),
    };
    if !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) {
        return Err(CodecError::protocol(format_args!("a close frame with the code {code}")));
    }
    let text = std::str::from_utf8(text).map_err(|_| CodecError::NotUtf8)?;
    Ok(CloseFrame { code: Some(code), text: text.to_owned() })
}
