use std::path::PathBuf;

use clap::Args;
use pushgate_model::TenantId;

use super::{base_url::BaseUrl, since::Since};
use crate::cli::ConfigArgs;

pub(crate) const AFTER: &str = "\
Examples:
  pushgate tail acme
  pushgate tail acme globex --since earliest --json | jq .title
  pushgate tail acme --since 2026-11-24T06:00:00Z
  PUSHGATE_TOKEN=… pushgate tail acme --url https://push.example.com/push
  pushgate tail acme --url https://push.example.com --token-file /run/secrets/token --confirm

Without --url it follows the gateway of this configuration, on this machine. The access token is taken from the
environment variable PUSHGATE_TOKEN or from --token-file, never from the command line, which everybody on the machine can
read. The file is read anew before each connect. Without either, and without --url, a token is made with the secret of
this configuration, if it has one (auth.algorithm = \"HS256\").

It connects again for ever and resumes by the cursor: over a break nothing is lost and nothing comes twice. A gap, pushes
that were asked for and are no longer kept, is told on standard error, as is everything that is not a push. Characters
that steer a terminal are escaped.

--confirm says \"ack\" for each push once it is printed. That is the answer to the service where upstream.ack =
\"confirmed\", and only the first word counts; elsewhere pushes are answered already. What lies in a gap can't be confirmed
and is left to upstream.ack_timeout.

Exit status: 0 after SIGINT, SIGTERM, or when nobody reads the output any more; 1 when the server refuses for good, or
removed the tenants; 2 wrong configuration or usage.";

#[derive(Args, Debug)]
pub(crate) struct TailArgs {
    /// Whose pushes; of several tenants one stream
    #[arg(required = true, value_name = "TENANT", value_parser = tenant)]
    pub(crate) tenants: Vec<TenantId>,
    /// Where the gateway is, with the base path that it is served under, as in the examples below
    #[arg(long, value_name = "URL", value_parser = BaseUrl::parse)]
    pub(crate) url: Option<BaseUrl>,
    /// Begin after this cursor, at this time (RFC 3339), or with the oldest push that is kept (earliest); live without it
    #[arg(long, value_name = "CURSOR|TIME|earliest", value_parser = Since::parse)]
    pub(crate) since: Option<Since>,
    /// Say "ack" for each push once it is printed
    #[arg(long)]
    pub(crate) confirm: bool,
    /// Print one JSON object a line: the push's data and its cursor
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) config: ConfigArgs,
    /// A file with the access token
    #[arg(long, value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
    /// Certificate authorities to trust beside the system's, PEM
    #[arg(long, value_name = "FILE", requires = "url")]
    pub(crate) ca_file: Option<PathBuf>,
}

fn tenant(text: &str) -> Result<TenantId, String> {
    text.parse().map_err(|error: pushgate_model::TenantIdError| error.to_string())
}
