use std::net::SocketAddr;

use pushgate_http::AdminConfig;

use super::{header, section::Section};

/// `[admin]`: the listener of operators.
pub(super) fn read(section: &mut Section<'_>) -> Option<AdminConfig> {
    let given = section.has("token");
    let bind = section.address("bind");
    section.show_unset("token");
    let token = section.secret("token", header::check_token);
    if bind.is_some_and(|bind| !is_loopback(bind)) && !given {
        section.report.contradiction(&["admin.bind"], "an address that others can reach needs admin.token");
    }
    Some(AdminConfig { bind: bind?, token })
}

/// Whether only this machine can reach it.
pub(crate) fn is_loopback(addr: SocketAddr) -> bool {
    addr.ip().to_canonical().is_loopback()
}
