//! What URLs must look like: a strict part of RFC 3986, all of which the connectors understand.

use std::net::{IpAddr, Ipv6Addr};

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

/// Where keys are fetched from: whoever can answer in its place can make tokens, so it is https, or stays on this machine.
pub(super) fn of_keys(url: &str) -> Result<String, String> {
    let checked = checked(url).and_then(|(scheme, host)| match scheme {
        _ if scheme.eq_ignore_ascii_case("https") => Ok(()),
        _ if !scheme.eq_ignore_ascii_case("http") => Err("its scheme is not https"),
        _ if is_loopback(host) => Ok(()),
        _ => Err("http is for localhost only, because whoever is on the way could put keys of his own there"),
    });
    match checked {
        Ok(()) => Ok(url.to_owned()),
        Err(what) => Err(format!("must be a URL such as \"https://login.example.com/jwks.json\": {what}")),
    }
}

/// Checks a complete URL of the push service.
fn check(url: &str) -> Result<(), String> {
    let checked = checked(url).and_then(|(scheme, _)| {
        let is_known = scheme.eq_ignore_ascii_case("ws") || scheme.eq_ignore_ascii_case("wss");
        if is_known { Ok(()) } else { Err("its scheme is neither ws nor wss") }
    });
    checked.map_err(|what| {
        format!("must be a WebSocket URL such as \"wss://push.example.com/ws\" or \"wss://host/{{tenant}}\": {what}")
    })
}

/// Scheme and host of a URL in which everything but the scheme is right.
fn checked(url: &str) -> Result<(&str, &str), &'static str> {
    let (scheme, rest) = url.split_once("://").ok_or("it has no scheme")?;
    if rest.contains('#') {
        return Err("it has a fragment");
    }
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    if authority.contains('@') {
        return Err("it has a user name or password, for which it is no place");
    }
    let (host, _) = host_and_port(authority)?;
    if path.contains(['{', '}']) {
        return Err("braces must be percent-encoded; only {tenant} is replaced, in a URL of the push service");
    }
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/?%".contains(&b);
    if path.bytes().all(allowed) {
        Ok((scheme, host))
    } else {
        Err("characters beyond ASCII and spaces must be percent-encoded")
    }
}

fn is_loopback(host: &str) -> bool {
    let is_loopback = |address: IpAddr| address.to_canonical().is_loopback();
    host.eq_ignore_ascii_case("localhost") || host.parse().is_ok_and(is_loopback)
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

    #[test]
    fn keys_come_by_https_or_from_this_machine() {
        for good in [
            "https://login.example.com/.well-known/jwks.json?v=1",
            "HTTPS://h:8443",
            "http://localhost:8000/jwks",
            "http://127.0.0.1/",
            "http://[::1]:1/",
        ] {
            assert_eq!(of_keys(good), Ok(good.to_owned()), "{good}");
        }
        for bad in [
            "",
            "h/jwks",
            "http://h/",
            "http://10.0.0.1/",
            "wss://h/",
            "ftp://localhost/",
            "https://u:p@h/",
            "https://h/{tenant}",
        ] {
            assert!(of_keys(bad).is_err(), "{bad}");
        }
    }
}
