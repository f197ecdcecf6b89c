use anyhow::Context as _;

use crate::{
    gateway::Gateway,
    limits,
    settings::Settings,
    stop::{stop_signal, survive_hangup},
};

/// Runs the gateway until a signal.
pub(crate) fn run(settings: Settings) -> anyhow::Result<()> {
    limits::raise_nofile();
    limits::warn_if_short(settings.tenants.len());
    actix_rt::System::new().block_on(async {
        let stop = stop_signal().context("signals can't be listened to")?;
        survive_hangup().context("signals can't be listened to")?;
        let tenants = settings.tenants.len();
        let gateway = Gateway::start(settings)?;
        tracing::info!(tenants, public = %gateway.public_addr(), admin = %gateway.admin_addr(), "gateway started");
        Ok(gateway.run(stop).await?)
    })
}
