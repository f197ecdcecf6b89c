//! What an upstream URL must look like: a strict part of RFC 3986, all of which the connector understands.

use std::net::Ipv6Addr;

use pushgate_model::TenantId;

/// The part of a URL that stands for the tenant's id.
const TENANT: &str = "{tenant}";

/// A URL whose [`TENANT`] may still be in it, as it is.
pub(super) fn template(template: &str) -> Result<String, String> {
    check(&template.replace(TENANT, "tenant")).map(|()| template.to_owned())
}

/// The URL of one tenant. Its id has no character that a URL would have to escape.
pub(super) fn of(template: &str, tenant: &TenantId) -> String {
    template.replace(TENANT, tenant.as_str())
}

/// Checks a complete URL.
fn check(url: &str) -> Result<(), String> {
    checked(url).map_err(|what| {
        format!("must be a WebSocket URL such as \"wss://push.example.com/ws\" or \"wss://host/{{tenant}}\": {what}")
    })
}

fn checked(url: &str) -> Result<(), &'static str> {
    let (scheme, rest) = url.split_once("://").ok_or("it has no scheme")?;
    if !scheme.eq_ignore_ascii_case("ws") && !scheme.eq_ignore_ascii_case("wss") {
        return Err("its scheme is neither ws nor wss");
    }
    if rest.contains('#') {
        return Err("it has a fragment");
    }
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    if authority.contains('@') {
        return Err("it has a user name or password: use bearer or headers");
    }
    host_and_port(authority)?;
    if path.contains(['{', '}']) {
        return Err("only {tenant} is replaced");
    }
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/?%".contains(&b);
    if path.bytes().all(allowed) { Ok(()) } else { Err("characters beyond ASCII and spaces must be percent-encoded") }
}

/// Host, an IPv6 one without its brackets, and port of an authority without user information.
pub(super) fn host_and_port(authority: &str) -> Result<(&str, Option<u16>), &'static str> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (address, port) = rest.split_once(']').ok_or("its IPv6 address has no closing bracket")?;
            address.parse::<Ipv6Addr>().map_err(|_| "its IPv6 address is not valid")?;
            (address, port.strip_prefix(':').or(if port.is_empty() { None } else { Some("") }))
        }
        None => match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        },
    };
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b':');
    if host.is_empty() {
        return Err("it has no host");
    }
    if !host.bytes().all(allowed) {
        return Err("its host has characters beyond a-z, 0-9, -, _ and dots (write international names in Punycode)");
    }
    let digits = |port: &&str| port.bytes().all(|b| b.is_ascii_digit());
    let number = |port: &str| Some(port).filter(digits)?.parse::<u16>().ok().filter(|number| *number > 0);
    match port {
        None => Ok((host, None)),
        Some(port) => Ok((host, Some(number(port).ok_or("its port is not 1 to 65535")?))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_urls_that_can_be_dialled_are_valid() {
        for good in [
            "wss://push.example.com/ws",
            "ws://localhost",
            "WSS://h:65535?x=1",
            "ws://127.0.0.1:7070/ws/{tenant}",
            "wss://{tenant}.push.example.com/%20?a=b&c={tenant}",
            "ws://[::1]:7070/",
            "ws://[::1]",
        ] {
            assert_eq!(template(good), Ok(good.to_owned()), "{good}");
        }
        for bad in [
            "",
            "push.example.com",
            "https://h/",
            "ws:///x",
            "ws://:80/",
            "ws://h:0/",
            "ws://h:65536/",
            "ws://h:+80/",
            "ws://h:/",
            "ws://h:80:80/",
            "ws://user:secret@h/",
            "ws://h/#a",
            "ws://h/a b",
            "ws://h/ä",
            "ws://hä/",
            "ws://[::1",
            "ws://[::1]80",
            "ws://[x]/",
            "ws://h/{tennant}",
            "ws://h\\x/",
        ] {
            assert!(template(bad).is_err(), "{bad}");
        }
    }
}
