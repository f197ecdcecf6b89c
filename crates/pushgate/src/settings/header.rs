//! What may be sent in the request of a dial (RFC 9110, section 5; RFC 6750, section 2.1).

use http::{HeaderName, header};

/// Headers that belong to the WebSocket handshake and to the connection (RFC 6455, section 4.1).
const RESERVED: [HeaderName; 7] = [
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::HOST,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// Checks a header of the user's choice, beside the one that `bearer` makes.
pub(super) fn check(name: &str, value: &str, has_bearer: bool) -> Result<(), String> {
    let header: HeaderName =
        name.parse().map_err(|_| "the name of a header has letters, digits and - only".to_owned())?;
    if RESERVED.contains(&header) || header.as_str().starts_with("sec-websocket-") {
        return Err("this header belongs to the WebSocket handshake".to_owned());
    }
    if has_bearer && header == header::AUTHORIZATION {
        return Err("bearer sets this header already".to_owned());
    }
    let visible = |b: u8| matches!(b, b'\t' | b' '..=b'~');
    if value.bytes().all(visible) && value.trim() == value {
        Ok(())
    } else {
        Err("the value of a header is visible ASCII without spaces at its ends".to_owned())
    }
}

/// Checks a bearer token.
pub(super) fn check_token(token: &str) -> Result<(), String> {
    let visible = token.bytes().all(|b| b.is_ascii_graphic());
    if visible { Ok(()) } else { Err("a token is visible ASCII without spaces".to_owned()) }
}

/// Checks a query parameter; its value is encoded, whatever it is.
pub(super) fn check_query(name: &str, _: &str) -> Result<(), String> {
    if name.is_empty() { Err("the name of a query parameter must not be empty".to_owned()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_of_the_handshake_are_refused() {
        for bad in
            ["Host", "CONNECTION", "upgrade", "Sec-WebSocket-Key", "sec-websocket-protocol", "", "a b", "a:b", "ä"]
        {
            assert!(check(bad, "v", false).is_err(), "{bad}");
        }
        for good in ["X-Api-Key", "authorization", "Origin"] {
            assert_eq!(check(good, "v", false), Ok(()), "{good}");
        }
    }

    #[test]
    fn bearer_and_an_authorization_header_exclude_each_other() {
        assert!(check("AUTHORIZATION", "v", true).is_err());
        assert_eq!(check("X-Api-Key", "v", true), Ok(()));
    }

    #[test]
    fn values_can_not_end_their_line() {
        for bad in ["a\r\nX: y", "a\n", "ä", " a", "a ", "\u{7f}"] {
            assert!(check("X", bad, false).is_err(), "{bad:?}");
        }
        assert_eq!(check("X", "a b\tc", false), Ok(()));
        assert!(check_token("a b").is_err());
        assert!(check_token("ab\n").is_err());
        assert_eq!(check_token("abc.DEF-1_~+/=="), Ok(()));
    }
}
