//! What the system grants this process: open files, and ports for outgoing connections.

use std::{fs, ops::RangeInclusive};

/// Files that are open whatever the load: the journal and its readers, listeners, event loops, the log.
const OWN_FILES: u64 = 128;
/// Streams and requests that should fit beside the tenants before the system's limit is called short.
const EXPECTED_SUBSCRIBERS: u64 = 1024;
/// Where Linux says which local ports an outgoing connection may take.
const PORT_RANGE: &str = "/proc/sys/net/ipv4/ip_local_port_range";

/// Raises the soft limit of open files to the hard limit: every socket is a file, and 1024, the usual soft limit, is
/// there for programs that use `select`.
pub fn raise_nofile() {
    match rlimit::increase_nofile_limit(u64::MAX) {
        Ok(limit) => tracing::debug!(limit, "the limit of open files is raised"),
        Err(error) => tracing::warn!(%error, "the limit of open files can't be raised"),
    }
}

/// Warns when the system's limits can't hold so many tenants and some subscribers.
pub fn warn_if_short(tenants: usize) {
    let tenants = tenants as u64;
    let limit = rlimit::Resource::NOFILE.get_soft().unwrap_or(u64::MAX);
    if let Some(needed) = needed_beyond(limit, tenants) {
        tracing::warn!(
            limit,
            needed,
            tenants,
            "the limit of open files is too low for the tenants and some subscribers: raise it with ulimit -n, \
             LimitNOFILE= or ulimits"
        );
    }
    let ports = fs::read_to_string(PORT_RANGE).ok().and_then(|text| port_range(&text));
    let ports = ports.map_or(u64::MAX, |ports| u64::from(*ports.end() - *ports.start()) + 1);
    if tenants > ports {
        tracing::warn!(
            ports,
            tenants,
            "there are fewer local ports than tenants, should all of them connect to one address: widen \
             net.ipv4.ip_local_port_range"
        );
    }
}

/// How many files are needed, when that is more than the limit.
fn needed_beyond(limit: u64, tenants: u64) -> Option<u64> {
    let needed = OWN_FILES + tenants + EXPECTED_SUBSCRIBERS;
    (limit < needed).then_some(needed)
}

fn port_range(text: &str) -> Option<RangeInclusive<u16>> {
    let (start, end) = text.trim().split_once(char::is_whitespace)?;
    let (start, end) = (start.parse().ok()?, end.trim().parse().ok()?);
    (start <= end).then_some(start..=end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_that_holds_all_is_not_called_short() {
        assert_eq!(needed_beyond(1024, 10), Some(1162));
        assert_eq!(needed_beyond(1162, 10), None);
        assert_eq!(needed_beyond(u64::MAX, 1_000_000), None);
    }

    #[test]
    fn the_port_range_is_read_as_linux_writes_it() {
        assert_eq!(port_range("32768\t60999\n"), Some(32_768..=60_999));
        for bad in ["", "32768", "60999 32768", "a b"] {
            assert_eq!(port_range(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn the_soft_limit_becomes_the_hard_limit() {
        raise_nofile();
        let (soft, hard) = rlimit::Resource::NOFILE.get().unwrap();
        assert_eq!(soft, hard);
    }
}
