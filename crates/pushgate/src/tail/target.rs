use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use rustls::ClientConfig;

use super::{base_url::BaseUrl, trust};
use crate::{
    failure::Failure,
    settings::{Local, TokenSettings},
};

/// A stream without a byte for so many heartbeats is dead.
const HEARTBEATS: u32 = 4;
/// The least time without a byte after which a stream is dead, and what counts where the heartbeat is not known.
const IDLE: Duration = Duration::from_secs(60);

/// Where the stream is.
pub(super) struct Target {
    pub(super) base: BaseUrl,
    /// How https is spoken, where it is.
    pub(super) tls: Option<Arc<ClientConfig>>,
    /// A stream without a byte for this long is dead.
    pub(super) idle_timeout: Duration,
    /// What tokens are minted with there, as far as the configuration tells.
    pub(super) tokens: Option<TokenSettings>,
}

impl Target {
    /// At `url`, trusting the system's roots and those of `ca_file`; else the gateway of this configuration, whose own
    /// certificate is trusted and no other.
    pub(super) fn find(
        url: Option<BaseUrl>,
        ca_file: Option<&Path>,
        (files, env): (&[PathBuf], &[(String, String)]),
    ) -> Result<Self, Failure> {
        if let Some(base) = url {
            let tls = base.is_https().then(|| trust::authorities(ca_file)).transpose()?;
            return Ok(Self { base, tls, idle_timeout: IDLE, tokens: None });
        }
        let Local { public, heartbeat, tokens } = Local::load(files, env)?;
        let tls = public.tls.as_ref().map(|tls| trust::only(&tls.cert)).transpose()?;
        let idle_timeout = IDLE.max(heartbeat.saturating_mul(HEARTBEATS));
        Ok(Self { base: BaseUrl::of_listener(&public), tls, idle_timeout, tokens })
    }
}
