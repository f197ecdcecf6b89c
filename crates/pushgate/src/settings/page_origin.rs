//! Origins of pages, as browsers write them (RFC 6454, section 6.2).

use std::net::Ipv6Addr;

use super::url;

/// Scheme, host and port in the form of an `Origin` header: lower case, without the scheme's own port.
pub(super) fn parse(text: &str) -> Result<String, String> {
    parsed(text).map_err(|what| {
        format!(
            "must be the origin of a page, such as \"https://app.example.com\" or \"http://localhost:3000\": {what}"
        )
    })
}

fn parsed(text: &str) -> Result<String, &'static str> {
    match text {
        "*" => return Err("with credentials a browser takes no \"*\", so each origin has to be named"),
        "null" => return Err("\"null\" is sent by any sandboxed page, whoever wrote it"),
        _ => {}
    }
    let (scheme, authority) = text.split_once("://").ok_or("it has no scheme")?;
    let scheme = scheme.to_ascii_lowercase();
    let own_port = match scheme.as_str() {
        "https" => 443,
        "http" => 80,
        _ => return Err("its scheme is neither https nor http"),
    };
    if authority.contains(['/', '?', '#', '@']) {
        return Err("it ends after host and port, without a slash");
    }
    let (host, port) = url::host_and_port(authority)?;
    let host = match host.parse::<Ipv6Addr>() {
        Ok(address) => format!("[{address}]"),
        Err(_) => host.to_ascii_lowercase(),
    };
    Ok(match port.filter(|port| *port != own_port) {
        Some(port) => format!("{scheme}://{host}:{port}"),
        None => format!("{scheme}://{host}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_become_what_a_browser_sends() {
        for (text, sent) in [
            ("https://app.example.com", "https://app.example.com"),
            ("HTTPS://App.Example.COM:443", "https://app.example.com"),
            ("http://localhost:3000", "http://localhost:3000"),
            ("http://localhost:80", "http://localhost"),
            ("https://h:80", "https://h:80"),
            ("http://[0:0::1]:3000", "http://[::1]:3000"),
        ] {
            assert_eq!(parse(text).as_deref(), Ok(sent), "{text}");
        }
        for bad in [
            "",
            "*",
            "null",
            "app.example.com",
            "https://",
            "https://app.example.com/",
            "https://app.example.com/page",
            "https://*.example.com",
            "https://user@h",
            "https://h:0",
            "https://h?",
            "https://hä",
            "wss://h",
            "https://a, https://b",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
