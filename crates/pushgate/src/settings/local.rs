use std::{path::PathBuf, time::Duration};

use pushgate_http::{AuthMode, PublicConfig};

use super::{Mistakes, Settings, TokenSettings, auth, layers, report::Report, section::Section, server};

/// What a subscriber on the same machine has to know of a gateway.
#[derive(Clone, Debug)]
pub(crate) struct Local {
    /// What subscribers reach.
    pub(crate) public: PublicConfig,
    /// How often an idle stream says that it lives.
    pub(crate) heartbeat: Duration,
    /// What tokens are minted with; nothing where none are asked for, and where that can't be read.
    pub(crate) tokens: Option<TokenSettings>,
}

impl Local {
    /// Reads it from the same layers as [`Settings::load`]. What else is wrong in them is no matter: secrets of tenants
    /// are not there for everybody who follows a stream.
    ///
    /// # Errors
    /// Every mistake that there is, when it is in what subscribers reach.
    pub(crate) fn load(files: &[PathBuf], env: &[(String, String)]) -> Result<Self, Mistakes> {
        let report = Report::new(env);
        let values = layers::merge(files, &report);
        let ((server, auth), _) = Section::read_root(values, &report, |root| {
            (root.table("server", server::read), root.table("auth", auth::read))
        });
        let Some((public, fanout, _)) = server.filter(|_| !report.is_incomplete()) else {
            return Settings::load(files, env).map(Self::from);
        };
        let tokens = auth.filter(|auth| !matches!(auth.config.mode, AuthMode::None)).map(|auth| auth.tokens);
        Ok(Self { public, heartbeat: fanout.heartbeat, tokens })
    }
}

impl From<Settings> for Local {
    fn from(settings: Settings) -> Self {
        let tokens = settings.asks_for_tokens().then_some(settings.tokens);
        Self { public: settings.http.public, heartbeat: settings.fanout.heartbeat, tokens }
    }
}
