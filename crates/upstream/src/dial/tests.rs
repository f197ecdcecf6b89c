//! Dials against real sockets on loopback.

use std::net::SocketAddr;

use rustls::pki_types::CertificateDer;
use tokio::task::LocalSet;

use super::*;

mod peer;
mod pki;
mod proxy;
mod tls;
mod upgrade;

/// Long enough for any dial that gets an answer.
const AMPLE: Duration = Duration::from_secs(30);
/// For the dials that get none.
const SHORT: Duration = Duration::from_millis(150);

fn config(timeout: Duration, roots: &[CertificateDer<'static>]) -> DiallerConfig {
    DiallerConfig { timeout, dead_after: AMPLE, max_message: 1024, tls: ClientTls::trusting(roots) }
}

fn tenant(url: impl Into<String>) -> TenantConfig {
    TenantConfig::new("acme".parse().unwrap(), url)
}

fn plain(address: SocketAddr) -> TenantConfig {
    tenant(format!("ws://{address}/ws"))
}

async fn dial(config: &DiallerConfig, tenant: &TenantConfig) -> Result<Socket, Ending> {
    let dialler = Dialler::for_tenant(config, tenant)?;
    // awc starts tasks that can't leave their thread.
    LocalSet::new().run_until(dialler.dial(tenant)).await
}

/// Dials without trust in anybody, and must fail.
async fn ending(timeout: Duration, tenant: &TenantConfig) -> Ending {
    ending_with(&config(timeout, &[]), tenant).await
}

async fn ending_with(config: &DiallerConfig, tenant: &TenantConfig) -> Ending {
    match dial(config, tenant).await {
        Ok(_) => panic!("the dial succeeded"),
        Err(ending) => ending,
    }
}
