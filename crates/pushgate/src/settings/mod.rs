//! The settings: text in layers, read once into one typed config per crate.
//!
//! The layers are the built-in defaults, each `--config` file in order, then the environment as
//! `PUSHGATE__SECTION__KEY`. `config` merges them; [`section`] reads the merged tree and lists every mistake, where
//! deserialising would stop at the first. The tenants of the admin API are read by the same code, as [`RequestReader`].
//! Begin reading at [`Settings::load`].

mod admin;
mod answers;
mod auth;
mod authorities;
mod base_path;
mod document;
mod effective;
mod folder;
mod given;
mod header;
mod identity;
mod journal;
mod layers;
mod local;
mod mistake;
mod network;
mod origin;
mod page_origin;
mod proxy;
mod quantity;
mod reader;
mod regular;
mod report;
mod secret;
mod section;
mod server;
mod sources;
mod suggest;
mod tenant;
mod tenants;
#[cfg(test)]
mod tests;
mod upstream;
mod url;

use std::{net::SocketAddr, path::PathBuf};

use pushgate_fanout::FanoutConfig;
use pushgate_http::{AdminConfig, AuthMode, HttpConfig, Policy, PublicConfig};
use pushgate_journal::JournalConfig;
use pushgate_upstream::{TenantSettings, UpstreamConfig};

pub(crate) use auth::MAX_JWKS;
pub use auth::TokenSettings;
pub use effective::Effective;
pub(crate) use folder::is_tenant;
pub(crate) use local::Local;
pub use mistake::{Mistake, Mistakes};
pub use reader::RequestReader;
pub(crate) use secret::of_file as secret_of_file;
pub use sources::Sources;
pub use upstream::TenantDefaults;

pub(crate) use admin::is_loopback;
use auth::Auth;
use report::Report;
use section::Section;
use upstream::Common;

/// Everything that a gateway has to know, valid.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Both listeners.
    pub http: HttpConfig,
    /// The journal.
    pub journal: JournalConfig,
    /// The fan-out.
    pub fanout: FanoutConfig,
    /// What access tokens are minted and their keys fetched with.
    pub tokens: TokenSettings,
    /// Whether everybody may subscribe on an address that others can reach.
    pub allow_insecure: bool,
    /// What all connections share.
    pub upstream: UpstreamConfig,
    /// The tenants of the files, in their order: those of the list, then those of the folder.
    pub tenants: Vec<TenantSettings>,
    /// The folder with a file for each tenant, when there is one.
    pub tenants_dir: Option<PathBuf>,
    /// What a tenant takes over when it says nothing itself.
    pub tenant_defaults: TenantDefaults,
    /// Where all of this comes from.
    pub sources: Sources,
    /// The same as text, for `check`.
    pub effective: Effective,
}

impl Settings {
    /// Reads the files, later ones over earlier ones, and the environment over all. The environment is also where
    /// secrets given as `{ env = "NAME" }` are looked up. Opens nothing but these files and those of secrets.
    ///
    /// # Errors
    /// Every mistake that there is, in all layers.
    pub fn load(files: &[PathBuf], env: &[(String, String)]) -> Result<Self, Mistakes> {
        let sources = Sources::new(files, env);
        let report = Report::new(env);
        let values = layers::merge(files, &report);
        let (typed, effective) = Section::read_root(values, &report, read);
        let mistakes = report.into_mistakes();
        if !mistakes.is_empty() {
            return Err(Mistakes(mistakes));
        }
        let Typed { http, journal, fanout, auth, common, tenants, tenants_dir } =
            typed.expect("every key has a default, and one that is wrong was listed");
        let Common { config: upstream, defaults: tenant_defaults } = common;
        let (tokens, allow_insecure) = auth;
        Ok(Self {
            http,
            journal,
            fanout,
            tokens,
            allow_insecure,
            upstream,
            tenants,
            tenants_dir,
            tenant_defaults,
            sources,
            effective,
        })
    }

    /// Whether subscribers have to show tokens.
    pub(crate) fn asks_for_tokens(&self) -> bool {
        !matches!(self.http.policy.auth.mode, AuthMode::None)
    }

    /// Where operators reach a gateway of these settings. What else is wrong in them is no matter: a gateway that runs is
    /// well, even when somebody is about to change its tenants.
    ///
    /// # Errors
    /// Every mistake that there is, when the address is one of them.
    pub fn admin_bind(files: &[PathBuf], env: &[(String, String)]) -> Result<SocketAddr, Mistakes> {
        let report = Report::new(env);
        let values = layers::merge(files, &report);
        let (bind, _) =
            Section::read_root(values, &report, |root| root.table("admin", |section| section.address("bind")));
        match bind.filter(|_| !report.is_incomplete()) {
            Some(bind) => Ok(bind),
            None => Self::load(files, env).map(|settings| settings.http.admin.bind),
        }
    }
}

/// The environment of this process. What is not UTF-8 is replaced by U+FFFD, which no key accepts.
pub fn process_env() -> Vec<(String, String)> {
    let text = |text: std::ffi::OsString| text.to_string_lossy().into_owned();
    std::env::vars_os().map(|(name, value)| (text(name), text(value))).collect()
}

/// The settings without their text.
struct Typed {
    http: HttpConfig,
    journal: JournalConfig,
    fanout: FanoutConfig,
    auth: (TokenSettings, bool),
    common: Common,
    tenants: Vec<TenantSettings>,
    tenants_dir: Option<PathBuf>,
}

fn read(root: &mut Section<'_>) -> Option<Typed> {
    let server = root.table("server", server::read);
    let admin = root.table("admin", admin::read);
    let auth = root.table("auth", auth::read);
    let journal = root.table("journal", journal::read);
    let common = root.table("upstream", upstream::read);
    let (tenants, tenants_dir) = tenants::read(root, common.as_ref().map(|common| &common.defaults));
    if let (Some((public, ..)), Some(admin)) = (&server, &admin) {
        check_listeners(root.report, public, admin, auth.as_ref());
    }
    let (public, fanout, policy) = server?;
    let Auth { config, allow_insecure, tokens } = auth?;
    let http = HttpConfig { public, admin: admin?, policy: Policy { auth: config, ..policy } };
    let auth = (tokens, allow_insecure);
    Some(Typed { http, journal: journal?, fanout, auth, common: common?, tenants, tenants_dir })
}

/// What may listen where depends on more than one section.
fn check_listeners(report: &Report<'_>, public: &PublicConfig, admin: &AdminConfig, auth: Option<&Auth>) {
    let is_open = |auth: &Auth| matches!(auth.config.mode, AuthMode::None) && !auth.allow_insecure;
    if !is_loopback(public.bind) && auth.is_some_and(is_open) {
        let allowed = "an address that others can reach needs auth.mode = \"jwt\", or auth.allow_insecure = true, \
                       because anybody could subscribe to every tenant there";
        report.contradiction(&["server.bind"], allowed);
    }
    if public.bind == admin.bind && public.bind.port() != 0 {
        report.contradiction(&["admin.bind", "server.bind"], "server.bind and admin.bind must differ");
    }
}
