//! Networks of proxies.

use std::net::IpAddr;

use ipnet::IpNet;

/// An address, or a network in the notation of RFC 4632 and RFC 4291. Bits of a host are dropped.
pub(super) fn parse(text: &str) -> Result<IpNet, String> {
    let address = || text.parse::<IpAddr>().ok().map(IpNet::from);
    let network = text.parse::<IpNet>().ok().or_else(address);
    let allowed = "must be an IP address or a network, such as \"10.0.0.1\", \"10.0.0.0/8\" or \"fd00::/8\"";
    match network.map(|network| network.trunc()) {
        // Peers are compared in their short form, so it would never match.
        Some(IpNet::V6(network)) if network.addr().to_ipv4_mapped().is_some() => {
            Err("must be written as IPv4: it is an IPv4-mapped address".to_owned())
        }
        Some(network) => Ok(network),
        None => Err(allowed.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_networks_are_read() {
        for (text, read) in [
            ("10.0.0.1", "10.0.0.1/32"),
            ("10.1.2.3/8", "10.0.0.0/8"),
            ("0.0.0.0/0", "0.0.0.0/0"),
            ("::1", "::1/128"),
            ("fd00:0:0::1/8", "fd00::/8"),
        ] {
            assert_eq!(parse(text).map(|network| network.to_string()).as_deref(), Ok(read), "{text}");
        }
        for bad in ["", "10.0.0", "10.0.0.0/33", "10.0.0.0/", "localhost", "10.0.0.1:80", "::ffff:10.0.0.1", "[::1]"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
