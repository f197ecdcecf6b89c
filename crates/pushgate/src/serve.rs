use anyhow::Context as _;

use crate::{
    gateway::Gateway,
    limits,
    settings::Settings,
    stop::{hangup_signal, stop_signal},
};

/// Runs the gateway until a signal, and reloads its settings whenever it is asked to.
pub(crate) fn run(settings: Settings) -> anyhow::Result<()> {
    limits::raise_nofile();
    actix_rt::System::new().block_on(async {
        let stop = stop_signal().context("signals can't be listened to")?;
        let hangup = hangup_signal().context("signals can't be listened to")?;
        let gateway = Gateway::start(settings).await?;
        let tenants = gateway.tenant_count();
        limits::warn_if_short(tenants);
        tracing::info!(tenants, public = %gateway.public_addr(), admin = %gateway.admin_addr(), "gateway started");
        let reloading = actix_rt::spawn(gateway.reloader().run(hangup));
        let stop = async {
            stop.await;
            // What is read from now on would come too late.
            reloading.abort();
        };
        Ok(gateway.run(stop).await?)
    })
}
