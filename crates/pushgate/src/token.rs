//! `pushgate token`: an access token by the rules of this configuration.

use std::{
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use clap::Args;
use pushgate_http::{Claims, Scope, SigningKey, VerifyKey, mint};
use pushgate_model::{TenantId, Timestamp};
use secrecy::{ExposeSecret as _, SecretString};

use crate::{
    cli::ConfigArgs,
    failure::Failure,
    output::{note, print},
    settings::{Settings, TokenSettings, process_env, secret_of_file},
};

pub(crate) const AFTER: &str = "\
Examples:
  pushgate token acme --config pushgate.toml
  pushgate token acme globex --expires 30d --subject billing --config pushgate.toml
  pushgate token '*' --presence --signing-key private.pem --config pushgate.toml

The token alone goes to standard output. Algorithm, secret of HS256, issuer and audience are those of [auth]. Of the other
algorithms the configuration has only the public key: --signing-key names the private one.";

/// The word for all tenants.
const ALL: &str = "*";
/// Shorter ones are over before they are used.
const SHORTEST: Duration = Duration::from_secs(1);
/// Longer ones are a typing error: a token can't be taken back but with its key.
const LONGEST: Duration = Duration::from_secs(10 * 366 * 86_400);

/// What one argument names.
#[derive(Clone, Debug)]
enum Named {
    All,
    One(TenantId),
}

#[derive(Args, Debug)]
pub(crate) struct TokenArgs {
    /// Whose pushes it may read; '*' is all tenants
    #[arg(value_name = "TENANT", required = true, value_parser = named)]
    tenants: Vec<Named>,
    #[command(flatten)]
    config: ConfigArgs,
    /// How long it counts
    #[arg(long, value_name = "DURATION", default_value = "1h", value_parser = expires)]
    expires: Duration,
    /// It may also see who else subscribes
    #[arg(long)]
    presence: bool,
    /// Whom it is for, as claim sub
    #[arg(long, value_name = "NAME")]
    subject: Option<String>,
    /// A private key in PEM, or the secret of HS256
    #[arg(long, value_name = "FILE")]
    signing_key: Option<PathBuf>,
    /// Which key of a JWKS it is signed with
    #[arg(long, value_name = "ID")]
    kid: Option<String>,
    /// For a JWKS, whose keys each have their own
    #[arg(long, value_parser = VerifyKey::ALGORITHMS)]
    algorithm: Option<String>,
}

/// Prints a token.
pub(crate) fn run(args: &TokenArgs) -> Result<(), Failure> {
    let scope = scope(&args.tenants)?;
    let settings = Settings::load(&args.config.files, &process_env())?;
    let now = Timestamp::from(SystemTime::now());
    let claims = Claims {
        tenants: scope,
        presence: args.presence,
        issuer: settings.tokens.issuer.clone(),
        audience: settings.tokens.audience.clone(),
        subject: args.subject.clone(),
        issued_at: now,
        expires_at: now.plus(args.expires),
        key_id: args.kid.clone(),
    };
    let key = signing_key(args, &settings.tokens)?;
    print(&format!("{}\n", mint(&key, &claims)))?;
    note(&summary(&claims));
    if !settings.asks_for_tokens() {
        note("auth.mode is \"none\": this gateway does not ask for tokens");
    }
    Ok(())
}

fn scope(named: &[Named]) -> Result<Scope, Failure> {
    let id = |named: &Named| match named {
        Named::All => None,
        Named::One(tenant) => Some(tenant.clone()),
    };
    let ids: Vec<_> = named.iter().filter_map(id).collect();
    match (ids.len(), named.len()) {
        (0, 1) => Ok(Scope::All),
        (ids_given, all) if ids_given == all => Ok(Scope::Some(ids)),
        _ => Err(Failure::Usage(format!("{ALL} is all tenants: give it alone, or give their ids"))),
    }
}

fn summary(claims: &Claims) -> String {
    let tenants = match &claims.tenants {
        Scope::All => "all tenants".to_owned(),
        Scope::Some(tenants) => tenants.iter().map(TenantId::as_str).collect::<Vec<_>>().join(", "),
    };
    format!("for {tenants}, until {}", claims.expires_at)
}

fn signing_key(args: &TokenArgs, tokens: &TokenSettings) -> Result<SigningKey, Failure> {
    let algorithm = algorithm(args.algorithm.as_deref(), tokens)?;
    let text = key_text(args.signing_key.as_deref(), tokens, algorithm)?;
    SigningKey::new(algorithm, text.expose_secret())
        .map_err(|error| Failure::Usage(format!("the key can't sign with {algorithm}: {error}")))
}

/// That of the configuration, or the one asked for when the configuration names none.
fn algorithm<'a>(asked: Option<&'a str>, tokens: &TokenSettings) -> Result<&'a str, Failure> {
    match (tokens.algorithm, asked) {
        (Some(configured), Some(asked)) if configured != asked => {
            Err(Failure::Usage(format!("--algorithm {asked}: auth.algorithm is {configured}")))
        }
        (Some(algorithm), _) | (None, Some(algorithm)) => Ok(algorithm),
        (None, None) => {
            let algorithms = VerifyKey::ALGORITHMS.join(", ");
            Err(Failure::Usage(format!("auth.algorithm is not set: --algorithm is needed, one of {algorithms}")))
        }
    }
}

fn key_text(file: Option<&Path>, tokens: &TokenSettings, algorithm: &str) -> Result<SecretString, Failure> {
    if let Some(file) = file {
        return secret_of_file(file).map_err(|what| Failure::Usage(format!("--signing-key: {what}")));
    }
    let configured = tokens.key.clone().filter(|_| algorithm == "HS256");
    configured.ok_or_else(|| {
        let what = match tokens.key {
            Some(_) => "auth.key is the public key, which can't sign",
            None => "auth.key is not set",
        };
        Failure::Usage(format!("{what}: --signing-key FILE is needed"))
    })
}

fn named(text: &str) -> Result<Named, String> {
    if text == ALL {
        return Ok(Named::All);
    }
    text.parse().map(Named::One).map_err(|error| format!("{error}; {ALL} is all tenants"))
}

fn expires(text: &str) -> Result<Duration, String> {
    let duration = humantime::parse_duration(text).ok().filter(|duration| (SHORTEST..=LONGEST).contains(duration));
    duration.ok_or_else(|| "a duration with a unit, 1s to 10years, such as 1h or 30d".to_owned())
}

#[cfg(test)]
mod tests;
