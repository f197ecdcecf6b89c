//! Whom a request comes from when proxies stand in between.
//!
//! Only the peer of the connection is known for sure. When it is a trusted proxy, it is believed whom it speaks for; when
//! that is a trusted proxy again, that one is believed too, and so on. What stands further left was written by nobody
//! who is trusted, most of all by the client itself, and is not looked at.

use std::net::{IpAddr, Ipv4Addr};

use actix_web::{
    HttpRequest,
    http::header::{FORWARDED, HeaderMap, HeaderName, X_FORWARDED_FOR, X_FORWARDED_PROTO},
};
use ipnet::IpNet;

use crate::transport::Traffic;

/// Proxies in a row that are followed. Nobody has so many; a request that names more is not from one of them.
const HOPS: usize = 32;

/// One step of a request's way, as the proxy at its end tells it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Hop {
    /// Who asked that proxy; nothing when it does not tell, or not by an address.
    from: Option<IpAddr>,
    /// Whether it was asked by https; nothing when it does not tell.
    https: Option<bool>,
}

/// Where a request comes from: the peer of the connection, or what trusted proxies say about it.
///
/// Where `Forwarded` and `X-Forwarded-For` both come and do not agree, one of them was written by the client and passed on by a
/// proxy that does not know it. Which one can't be told, so neither counts.
pub(crate) fn client_address(request: &HttpRequest, trusted: &[IpNet]) -> IpAddr {
    let peer = peer(request);
    if !is_trusted(peer, trusted) {
        return peer;
    }
    let (standard, usual) = (forwarded(request.headers()), x_forwarded_for(request.headers()));
    let standard = standard.map(|hops| follow(peer, &hops, trusted).0);
    let usual = usual.map(|hops| follow(peer, &hops, trusted).0);
    match (standard, usual) {
        (Some(one), Some(other)) if one != other => peer,
        (one, other) => one.or(other).unwrap_or(peer),
    }
}

/// Whether the browser, or whoever asks, reaches the gateway by https: by its own listener, or as a trusted proxy says.
pub(crate) fn is_https(request: &HttpRequest, trusted: &[IpNet]) -> bool {
    if Traffic::of(request).is_some_and(|traffic| traffic.secure) {
        return true;
    }
    let peer = peer(request);
    if !is_trusted(peer, trusted) {
        return false;
    }
    let standard = forwarded(request.headers()).and_then(|hops| follow(peer, &hops, trusted).1);
    // This one has no addresses to go by; the nearest proxy wrote the last value.
    let usual = list(request.headers(), &X_FORWARDED_PROTO, b"").last().map(is_https_scheme);
    standard.or(usual).unwrap_or(false)
}

/// Without a peer, as in tests without a socket, nobody is trusted.
fn peer(request: &HttpRequest) -> IpAddr {
    request.peer_addr().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.ip().to_canonical())
}

fn is_trusted(address: IpAddr, trusted: &[IpNet]) -> bool {
    trusted.iter().any(|network| network.contains(&address))
}

/// Goes back from the peer as long as whoever it comes to is trusted. A step that tells no address is the last.
fn follow(peer: IpAddr, hops: &[Hop], trusted: &[IpNet]) -> (IpAddr, Option<bool>) {
    let mut at = (peer, None);
    for hop in hops.iter().rev().take(HOPS) {
        if !is_trusted(at.0, trusted) {
            break;
        }
        at.1 = hop.https.or(at.1);
        let Some(from) = hop.from else { break };
        at.0 = from;
    }
    at
}

/// The steps that `Forwarded` (RFC 7239) tells, the nearest one last.
fn forwarded(headers: &HeaderMap) -> Option<Vec<Hop>> {
    let hops: Vec<_> = list(headers, &FORWARDED, b"\"").map(|element| forwarded_hop(&element)).collect();
    (!hops.is_empty()).then_some(hops)
}

fn forwarded_hop(element: &str) -> Hop {
    let mut hop = Hop::default();
    for pair in split(element, b';', b"\"") {
        let Some((name, value)) = pair.split_once('=') else { return Hop::default() };
        let value = value.trim();
        let value = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(value);
        match name.trim() {
            name if name.eq_ignore_ascii_case("for") => hop.from = node(value),
            name if name.eq_ignore_ascii_case("proto") => hop.https = Some(is_https_scheme(value)),
            _ => {}
        }
    }
    hop
}

/// The steps that `X-Forwarded-For` tells, the nearest one last.
fn x_forwarded_for(headers: &HeaderMap) -> Option<Vec<Hop>> {
    let hops: Vec<_> =
        list(headers, &X_FORWARDED_FOR, b"").map(|text| Hop { from: node(&text), https: None }).collect();
    (!hops.is_empty()).then_some(hops)
}

fn is_https_scheme(scheme: impl AsRef<str>) -> bool {
    scheme.as_ref().eq_ignore_ascii_case("https")
}

/// An address, with or without a port. IPv6 stands in brackets, at least where a port follows. All else, such as `unknown`
/// and the `_names` of RFC 7239, section 6.3, tells none.
fn node(text: &str) -> Option<IpAddr> {
    let address = if let Some(rest) = text.strip_prefix('[') {
        let (inside, port) = rest.split_once(']')?;
        if !(port.is_empty() || port.starts_with(':')) {
            return None;
        }
        inside
    } else {
        match text.split_once(':') {
            Some((before, after)) if !after.contains(':') => before,
            _ => text,
        }
    };
    address.parse().ok().map(|address: IpAddr| address.to_canonical())
}

/// The elements of a header that is a list: several lines of it are one list (RFC 9110, section 5.3), an empty element is
/// none. A line that is no text is one element that says nothing.
fn list<'a>(headers: &'a HeaderMap, name: &HeaderName, marks: &'static [u8]) -> impl Iterator<Item = String> + use<'a> {
    headers.get_all(name).flat_map(move |line| match line.to_str() {
        Ok(text) => split(text, b',', marks).map(str::to_owned).collect(),
        Err(_) => vec!["?".to_owned()],
    })
}

/// The trimmed parts between separators outside of quotation marks, without empty ones.
fn split<'a>(text: &'a str, separator: u8, marks: &'static [u8]) -> impl Iterator<Item = &'a str> {
    let (mut quoted, mut escaped) = (false, false);
    let parts = text.split(move |c: char| {
        let here = !quoted && c == char::from(separator);
        (quoted, escaped) = match c {
            _ if escaped => (quoted, false),
            '\\' if quoted => (true, true),
            c if marks.iter().any(|mark| c == char::from(*mark)) => (!quoted, false),
            _ => (quoted, false),
        };
        here
    });
    parts.map(str::trim).filter(|part| !part.is_empty())
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    /// What is found for a peer, with `10.0.0.0/8` and `fd00::/8` trusted.
    fn found(peer: &str, headers: &[(&'static str, &str)]) -> (String, bool) {
        let trusted = ["10.0.0.0/8", "fd00::/8"].map(|network| network.parse().unwrap());
        let mut request = TestRequest::default().peer_addr((peer.parse::<IpAddr>().unwrap(), 1234).into());
        for (name, value) in headers {
            request = request.append_header((*name, *value));
        }
        let request = request.to_http_request();
        (client_address(&request, &trusted).to_string(), is_https(&request, &trusted))
    }

    #[test]
    fn a_peer_that_is_not_trusted_speaks_for_itself() {
        for headers in [
            ("x-forwarded-for", "10.0.0.9"),
            ("forwarded", "for=192.0.2.1;proto=https"),
            ("x-forwarded-proto", "https"),
        ] {
            assert_eq!(found("198.51.100.7", &[headers]), ("198.51.100.7".to_owned(), false), "{headers:?}");
        }
        assert_eq!(found("::ffff:198.51.100.7", &[]).0, "198.51.100.7");
    }

    #[test]
    fn the_nearest_address_that_is_not_trusted_is_the_client() {
        let table: &[(&[&str], &str)] = &[
            (&["192.0.2.1"], "192.0.2.1"),
            (&[" 192.0.2.1 "], "192.0.2.1"),
            (&["192.0.2.1:4711"], "192.0.2.1"),
            (&["2001:db8::7"], "2001:db8::7"),
            (&["[2001:db8::7]"], "2001:db8::7"),
            (&["[2001:db8::7]:4711"], "2001:db8::7"),
            (&["::ffff:192.0.2.1"], "192.0.2.1"),
            // What the client wrote itself stands to the left of what the proxies add.
            (&["203.0.113.5, 192.0.2.1"], "192.0.2.1"),
            (&["203.0.113.5, 192.0.2.1, 10.0.0.2"], "192.0.2.1"),
            (&["203.0.113.5, 192.0.2.1, ::ffff:10.0.0.2"], "192.0.2.1"),
            (&["203.0.113.5", "192.0.2.1", "10.0.0.2,"], "192.0.2.1"),
            // Nobody but proxies: the farthest one.
            (&["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
            // What is no address ends the way at the last one that is known.
            (&["192.0.2.1, unknown"], "10.0.0.1"),
            (&["192.0.2.1, unknown, 10.0.0.2"], "10.0.0.2"),
            (&["192.0.2.1, 10.0.0.999"], "10.0.0.1"),
            (&["[2001:db8::7"], "10.0.0.1"),
            (&["[2001:db8::7]x"], "10.0.0.1"),
            (&["fe80::1%eth0"], "10.0.0.1"),
            (&["\"192.0.2.1\""], "10.0.0.1"),
            (&[", ,"], "10.0.0.1"),
            (&[""], "10.0.0.1"),
        ];
        for (lines, client) in table {
            let headers: Vec<_> = lines.iter().map(|line| ("x-forwarded-for", *line)).collect();
            assert_eq!(found("10.0.0.1", &headers).0, *client, "{lines:?}");
        }
    }

    #[test]
    fn the_standard_header_is_read_with_all_its_quotes() {
        let table: &[(&[&str], &str, bool)] = &[
            (&["for=192.0.2.1"], "192.0.2.1", false),
            (&["For=\"192.0.2.1:4711\";Proto=HTTPS;by=10.0.0.1"], "192.0.2.1", true),
            (&["for=\"[2001:db8::7]:4711\" ; proto=\"https\""], "2001:db8::7", true),
            (&["for=203.0.113.5;proto=https, for=192.0.2.1;proto=http"], "192.0.2.1", false),
            (&["for=203.0.113.5", "for=192.0.2.1;proto=https", "for=10.0.0.2"], "192.0.2.1", true),
            (&["for=192.0.2.1;host=\"a,b;c\\\"d\";proto=https"], "192.0.2.1", true),
            (&["for=192.0.2.1, for=_hidden;proto=https"], "10.0.0.1", true),
            (&["for=192.0.2.1, for=unknown"], "10.0.0.1", false),
            (&["proto=https"], "10.0.0.1", true),
            // Quotes that the client opened swallow what the proxy appended: nothing of it counts.
            (&["for=\", for=192.0.2.1"], "10.0.0.1", false),
            (&["for=192.0.2.1, rubbish"], "10.0.0.1", false),
        ];
        for (lines, client, https) in table {
            let headers: Vec<_> = lines.iter().map(|line| ("forwarded", *line)).collect();
            assert_eq!(found("10.0.0.1", &headers), ((*client).to_owned(), *https), "{lines:?}");
        }
    }

    #[test]
    fn two_headers_that_do_not_agree_are_not_believed() {
        let both = |standard, usual| found("10.0.0.1", &[("forwarded", standard), ("x-forwarded-for", usual)]).0;
        assert_eq!(both("for=192.0.2.1", "192.0.2.1"), "192.0.2.1");
        assert_eq!(both("for=203.0.113.5", "192.0.2.1"), "10.0.0.1", "one of them is the client's own");
    }

    #[test]
    fn the_nearest_proxy_tells_how_it_was_asked() {
        let https = |lines: &[&str]| {
            let headers: Vec<_> = lines.iter().map(|line| ("x-forwarded-proto", *line)).collect();
            found("fd00::1", &headers).1
        };
        assert!(https(&["https"]) && https(&["HTTPS"]) && https(&["http, https"]) && https(&["http", "https"]));
        assert!(!https(&["https, http"]) && !https(&["http"]) && !https(&[]) && !https(&["wss"]));
    }

    #[test]
    fn no_more_hops_are_followed_than_anybody_has() {
        let way = |proxies| format!("192.0.2.1{}", ", 10.0.0.2".repeat(proxies));
        assert_eq!(found("10.0.0.1", &[("x-forwarded-for", &way(HOPS - 1))]).0, "192.0.2.1");
        assert_eq!(found("10.0.0.1", &[("x-forwarded-for", &way(HOPS))]).0, "10.0.0.2");
    }
}
