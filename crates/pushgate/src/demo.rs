//! The demo: simulator and gateway in one process, on loopback only. Its journal is in a temporary folder, which is gone
//! afterwards.

use std::{
    fmt::Write as _,
    io,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::Path,
};

use anyhow::Context as _;
use pushgate_simulator::{Simulator, SimulatorConfig, SimulatorHandle};

use crate::{gateway::Gateway, limits, output, settings::Settings, stop::stop_or_hangup_signal};

/// The accounts that the demo simulates.
const TENANTS: [&str; 3] = ["acme", "globex", "initech"];
/// Pushes a second of each account.
const RATE: f64 = 1.0;
/// Where the public listener is, unless the port is taken.
const PUBLIC_PORT: u16 = 8080;
/// Where the admin listener is, unless the port is taken.
const ADMIN_PORT: u16 = 9090;

/// Runs the demo until a signal.
pub(crate) fn run() -> anyhow::Result<()> {
    limits::raise_nofile();
    let folder = tempfile::Builder::new().prefix("pushgate-demo-").tempdir().context("no temporary folder")?;
    let ended = actix_rt::System::new().block_on(serve(folder.path()));
    let removed = folder.close().context("the temporary folder can't be removed");
    ended.and(removed)
}

async fn serve(folder: &Path) -> anyhow::Result<()> {
    let stop = stop_or_hangup_signal().context("signals can't be listened to")?;
    let config = SimulatorConfig { bind: loopback(0), rate: RATE, ..SimulatorConfig::default() };
    let simulator = Simulator::bind(config)?;
    let handle = simulator.handle();
    let simulating = actix_rt::spawn(simulator.run());
    let served = serve_gateway(folder, &handle, stop).await;
    handle.stop().await;
    let simulated = simulating.await.context("the simulator panicked")?;
    served.and(simulated.map_err(Into::into))
}

async fn serve_gateway(
    folder: &Path,
    simulator: &SimulatorHandle,
    stop: impl Future<Output = ()>,
) -> anyhow::Result<()> {
    let settings = settings(folder, &simulator.upstream_url())?;
    let gateway = Gateway::start(settings).await?;
    let text = announcement(gateway.public_addr(), gateway.admin_addr(), simulator.addr());
    output::print(&text)?;
    Ok(gateway.run(stop).await?)
}

/// What a file of settings would say, were there one: the demo goes the way of every gateway.
fn settings(folder: &Path, upstream: &str) -> anyhow::Result<Settings> {
    let bind = |port| free_address(port).map(|addr| addr.to_string());
    let set = |key: &str, value: String| (format!("PUSHGATE__{key}"), value);
    let env = [
        set("SERVER__BIND", bind(PUBLIC_PORT)?),
        set("ADMIN__BIND", bind(ADMIN_PORT)?),
        set("JOURNAL__PATH", folder.join("journal.db").display().to_string()),
        set("UPSTREAM__URL", upstream.to_owned()),
    ];
    let mut tenants = String::new();
    for tenant in TENANTS {
        writeln!(tenants, "[[tenants]]\nid = \"{tenant}\"").context("a text can't be written")?;
    }
    let file = folder.join("demo.toml");
    std::fs::write(&file, tenants).context("the temporary folder can't be written")?;
    let mut settings = Settings::load(&[file], &env)?;
    settings.http.public.demo_page = true;
    Ok(settings)
}

/// The wanted port, or 0, which takes a free one, when somebody else listens there. Should somebody take it between this
/// look and the gateway's own, the start fails and names the address.
fn free_address(port: u16) -> io::Result<SocketAddr> {
    let wanted = loopback(port);
    match TcpListener::bind(wanted) {
        Ok(_) => Ok(wanted),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => Ok(loopback(0)),
        Err(error) => Err(error),
    }
}

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

fn announcement(public: SocketAddr, admin: SocketAddr, simulator: SocketAddr) -> String {
    let moved = [(PUBLIC_PORT, public, "subscribers"), (ADMIN_PORT, admin, "operators")].map(|(port, addr, who)| {
        let used = addr.port();
        if used == port { String::new() } else { format!("  Port {port} is taken: {who} use {used} instead.\n") }
    });
    let (tenants, moved, [first, ..]) = (TENANTS.join(", "), moved.concat(), TENANTS);
    format!(
        "Pushgate demo: {tenants} get a push a second each.\n\n{moved}  \
         open the page    http://{public}/\n  \
         or a stream      curl -N http://{public}/events/{first}\n  \
         tenants          curl http://{admin}/api/tenants\n  \
         metrics          curl http://{admin}/metrics\n  \
         the push service curl http://{simulator}/control/accounts\n\n\
         Ctrl-C, or the end of this terminal, stops it and leaves nothing behind.\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_is_replaced_and_told() {
        let taken = TcpListener::bind(loopback(0)).unwrap();
        let port = taken.local_addr().unwrap().port();
        assert_eq!(free_address(port).unwrap(), loopback(0));
        let text = announcement(loopback(4711), loopback(ADMIN_PORT), loopback(1));
        assert!(text.contains("Port 8080 is taken: subscribers use 4711 instead"), "{text}");
        assert!(!text.contains("Port 9090"), "{text}");
        assert!(text.contains("curl -N http://127.0.0.1:4711/events/acme"), "{text}");
    }

    #[test]
    fn its_settings_are_valid_and_stay_on_loopback() {
        let folder = tempfile::tempdir().unwrap();
        let settings = settings(folder.path(), "ws://127.0.0.1:1/ws/{tenant}").unwrap();
        assert!(settings.http.public.bind.ip().is_loopback() && settings.http.admin.bind.ip().is_loopback());
        assert!(settings.http.public.demo_page);
        assert!(settings.journal.path.starts_with(folder.path()));
        let urls: Vec<_> = settings.tenants.iter().map(|tenant| tenant.config.url.as_str()).collect();
        assert_eq!(urls, TENANTS.map(|tenant| format!("ws://127.0.0.1:1/ws/{tenant}")));
    }
}
