use anyhow::Context as _;

use crate::{
    gateway::Gateway,
    limits,
    settings::{Settings, is_loopback},
    stop::{hangup_signal, stop_signal},
};

/// Runs the gateway until a signal, and reloads its settings whenever it is asked to.
pub(crate) fn run(settings: Settings) -> anyhow::Result<()> {
    limits::raise_nofile();
    actix_rt::System::new().block_on(async {
        let stop = stop_signal().context("signals can't be listened to")?;
        let hangup = hangup_signal().context("signals can't be listened to")?;
        if is_in_the_clear(&settings) {
            tracing::warn!(
                "tokens and pushes go over the network in the clear: set server.tls, or let a proxy speak TLS and name it in \
                 server.trusted_proxies"
            );
        }
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

/// Whether whoever is on the way can read tokens, as far as is known here: a proxy that is named is taken to speak TLS.
fn is_in_the_clear(settings: &Settings) -> bool {
    let public = &settings.http.public;
    let is_reachable = !is_loopback(public.bind) && settings.http.policy.trusted_proxies.is_empty();
    settings.asks_for_tokens() && is_reachable && public.tls.is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_without_tls_are_in_the_clear_beyond_this_machine() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("pushgate.toml");
        let load = |text: &str| {
            std::fs::write(&file, text).unwrap();
            Settings::load(std::slice::from_ref(&file), &[]).unwrap()
        };
        let jwt = "auth = { mode = \"jwt\", algorithm = \"HS256\", key = \"0123456789abcdef0123456789abcdef\" }\n";
        let open = "server.bind = \"0.0.0.0:8080\"\n";
        assert!(is_in_the_clear(&load(&format!("{jwt}{open}"))));
        assert!(!is_in_the_clear(&load(jwt)), "loopback");
        assert!(!is_in_the_clear(&load(&format!("{jwt}{open}server.trusted_proxies = [\"10.0.0.1\"]"))));
        assert!(!is_in_the_clear(&load(&format!("{open}auth.allow_insecure = true"))), "no tokens");
    }
}
