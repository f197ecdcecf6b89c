//! `proxy`: an HTTP proxy as a URL, `http://[user[:password]@]host[:port]` (RFC 3986, section 3.2).

use percent_encoding::percent_decode_str;
use pushgate_upstream::ProxyConfig;
use secrecy::SecretString;

use super::url;

/// The port of the scheme, where a URL names none (RFC 9110, section 4.2.1).
const DEFAULT_PORT: u16 = 80;

/// Reads the URL. What is wrong is said without repeating it, because it may hold a password.
pub(super) fn parse(text: &str) -> Result<ProxyConfig, String> {
    parsed(text)
        .map_err(|what| format!("must be a URL such as \"http://user:password@proxy.example.com:3128\": {what}"))
}

fn parsed(text: &str) -> Result<ProxyConfig, &'static str> {
    let (scheme, rest) = text.split_once("://").ok_or("it has no scheme")?;
    if !scheme.eq_ignore_ascii_case("http") {
        return Err("its scheme is not http; the proxy is spoken to in the clear, what passes through it need not be");
    }
    let authority = rest.strip_suffix('/').unwrap_or(rest);
    let (userinfo, authority) = match authority.rsplit_once('@') {
        Some((userinfo, authority)) => (Some(userinfo), authority),
        None => (None, authority),
    };
    if authority.contains(['/', '?', '#']) {
        return Err("it has a path, a query or a fragment");
    }
    let (host, port) = url::host_and_port(authority)?;
    let credentials = userinfo.map(credentials).transpose()?;
    Ok(ProxyConfig { host: host.to_owned(), port: port.unwrap_or(DEFAULT_PORT), credentials })
}

/// User and password, decoded. A user with a colon could not be told from its password (RFC 7617, section 2).
fn credentials(userinfo: &str) -> Result<(String, SecretString), &'static str> {
    let (user, password) = userinfo.split_once(':').unwrap_or((userinfo, ""));
    let (user, password) = (decoded(user)?, decoded(password)?);
    match user.as_str() {
        "" => Err("its user name is empty"),
        user if user.contains(':') => Err("its user name has a colon"),
        _ => Ok((user, password.into())),
    }
}

fn decoded(text: &str) -> Result<String, &'static str> {
    // The decoder leaves what is not two digits as it is; whoever forgot to encode a % must learn it here.
    let mut escapes = text.split('%').skip(1);
    let is_escape = |rest: &str| rest.as_bytes().get(..2).is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit));
    if !escapes.all(is_escape) {
        return Err("a % in its user name or password is not followed by two hexadecimal digits: a % itself is %25");
    }
    if text.contains(['/', '?', '#', '@', '[', ']']) || !text.bytes().all(|b| b.is_ascii_graphic()) {
        return Err("characters of its user name or password that a URL does not take must be percent-encoded");
    }
    let decoded = percent_decode_str(text).decode_utf8().map_err(|_| "its user name or password is not UTF-8")?;
    if decoded.contains(char::is_control) {
        return Err("its user name or password has control characters");
    }
    Ok(decoded.into_owned())
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    #[test]
    fn host_port_and_credentials_are_read() {
        for (text, host, port, credentials) in [
            ("http://proxy.example.com", "proxy.example.com", 80, None),
            ("HTTP://10.0.0.1:3128/", "10.0.0.1", 3128, None),
            ("http://[::1]:3128", "::1", 3128, None),
            ("http://[2001:db8::1]", "2001:db8::1", 80, None),
            ("http://user@h", "h", 80, Some(("user", ""))),
            ("http://user:pass:word@h:1", "h", 1, Some(("user", "pass:word"))),
            ("http://a%40b:p%C3%A4%25@h", "h", 80, Some(("a@b", "pä%"))),
        ] {
            let config = parse(text).unwrap();
            assert_eq!((config.host.as_str(), config.port), (host, port), "{text}");
            let read = config.credentials.as_ref().map(|(user, password)| (user.as_str(), password.expose_secret()));
            assert_eq!(read, credentials, "{text}");
        }
    }

    #[test]
    fn what_is_no_proxy_is_refused_without_being_repeated() {
        for bad in [
            "",
            "s3cr3t",
            "https://s3cr3t@h",
            "socks5://u:s3cr3t@h",
            "http://",
            "http://u:s3cr3t@",
            "http://:s3cr3t@h",
            "http://@h",
            "http://u:s3cr3t@h:0",
            "http://u:s3cr3t@h:99999",
            "http://u:s3cr3t@h/path",
            "http://u:s3cr3t@h?x",
            "http://u:s3cr3t@h#x",
            "http://u:s3cr3t/@h",
            "http://u:s3cr3t@x@h",
            "http://u:s3cr3t%@h",
            "http://u:s3cr3t%g0@h",
            "http://u:s3cr3t%ff@h",
            "http://u:s3cr3t%0a@h",
            "http://u%3a:s3cr3t@h",
            "http://u:s3cr3tä@h",
            "http://u:s3cr3t@[::1",
        ] {
            let what = parse(bad).unwrap_err();
            assert!(!what.contains("s3cr3t"), "{bad}: {what}");
        }
    }
}
