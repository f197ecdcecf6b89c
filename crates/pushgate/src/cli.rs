use std::{net::SocketAddr, path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use pushgate_simulator::{AccountConfig, AccountFaults, Load, SimulatorError};

use crate::{tail, token};

const AFTER: &str = "\
Configuration is TOML in layers: built-in defaults, each --config file in order, then environment variables such as
PUSHGATE__SERVER__BIND. No file is read unless it is named. RUST_LOG sets what is logged, such as RUST_LOG=debug.

Exit status: 0 clean stop, 1 failure at run time, 2 wrong configuration or usage.";

/// A self-hosted push gateway: one upstream connection per tenant, fanned out as Server-Sent Events.
#[derive(Debug, Parser)]
#[command(name = "pushgate", version, after_help = AFTER, arg_required_else_help = true, disable_help_subcommand = true)]
pub(crate) struct Cli {
    /// How log lines look, for people or one JSON object a line; they go to standard error
    #[arg(long, global = true, value_enum, value_name = "FORMAT", default_value_t = LogFormat::Text)]
    pub(crate) log_format: LogFormat,
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    // For people.
    Text,
    // One JSON object a line.
    Json,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the gateway
    #[command(after_help = "Example:\n  pushgate serve --config /etc/pushgate/pushgate.toml\n\
        \nSIGTERM and SIGINT drain and stop; SIGHUP reads the settings again and applies what changed of tenants, access, limits \
        and certificates.")]
    Serve(ConfigArgs),
    /// Run simulator and gateway in one process, on loopback; needs no configuration and leaves nothing behind
    Demo,
    /// Run the upstream simulator as a server of its own
    #[command(
        after_help = "Examples:\n  pushgate simulate --rate 1\n  pushgate simulate --account acme:secret --account globex\n  \
         pushgate simulate --faults '{\"fragments\":7}' --faults 'acme={\"refuse\":{\"status\":503}}'\n  \
         pushgate simulate --accounts 100 --load '{\"in_flight\":16,\"seconds\":30}'\n  \
         pushgate simulate --scenario config/scenario.toml\n\
        \nSockets are served at /ws/ACCOUNT, the control API at /control."
    )]
    Simulate(SimulateArgs),
    /// Validate the configuration, list every mistake, print what is in force with secrets redacted
    #[command(after_help = "Example:\n  pushgate check --config base.toml --config local.toml")]
    Check(ConfigArgs),
    /// Follow streams in the terminal: resume, reconnect, confirm
    #[command(after_help = tail::AFTER)]
    Tail(tail::TailArgs),
    /// Mint an access token for these tenants
    #[command(after_help = token::AFTER)]
    Token(token::TokenArgs),
    /// Ask the gateway of this configuration whether it is ready: exit status 0 or 1
    Health(ConfigArgs),
    /// Maintain the journal of a gateway that is stopped
    #[command(subcommand)]
    Journal(JournalCommand),
    /// Print shell completions
    #[command(after_help = "Example:\n  pushgate completions bash > /etc/bash_completion.d/pushgate")]
    Completions {
        /// For which shell
        #[arg(value_enum)]
        shell: Shell,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum JournalCommand {
    /// Give a restored journal a new epoch, so that old cursors are recognised as foreign
    NewEpoch(ConfigArgs),
}

/// The layers of the configuration.
#[derive(Args, Debug)]
pub(crate) struct ConfigArgs {
    /// A configuration file; of several, later ones override earlier ones
    #[arg(long = "config", short = 'c', value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
}

#[derive(Args, Debug)]
pub(crate) struct SimulateArgs {
    /// Where to listen; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:7070")]
    pub(crate) bind: SocketAddr,
    /// An account, and the bearer token it asks for; may be repeated. Without any, every account exists
    #[arg(long = "account", value_name = "ID[:TOKEN]", value_parser = account)]
    pub(crate) accounts: Vec<AccountConfig>,
    /// Accounts t0, t1 … without tokens, beside those given
    #[arg(long = "accounts", value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) numbered: Option<u32>,
    /// How long a push may stay without an answer before it is sent again
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = duration)]
    pub(crate) redeliver_after: Duration,
    /// How often one push is sent on one socket before the socket is cut
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) attempts: u32,
    /// How long a socket may stay without ping or pong before it is cut
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = duration)]
    pub(crate) ping_timeout: Duration,
    /// Made-up pushes a second for each account
    #[arg(long, value_name = "N", default_value_t = 0.0, value_parser = rate)]
    pub(crate) rate: f64,
    /// What is wrong from the start on, of one account or of all, as the control API takes it; may be repeated
    #[arg(long = "faults", value_name = "[ACCOUNT=]JSON", value_parser = faults)]
    pub(crate) faults: Vec<AccountFaults>,
    /// Stamped pushes at a rate or as fast as they are answered, once all its accounts are connected, as the control API
    /// takes it
    #[arg(long, value_name = "JSON", value_parser = load)]
    pub(crate) load: Option<Load>,
    /// A timed list of pushes and faults, as TOML
    #[arg(long, value_name = "FILE")]
    pub(crate) scenario: Option<PathBuf>,
}

fn account(text: &str) -> Result<AccountConfig, String> {
    let (id, token) = match text.split_once(':') {
        Some((_, "")) => return Err("the token after the colon is missing".to_owned()),
        Some((id, token)) => (id, Some(token.into())),
        None => (text, None),
    };
    if id.is_empty() {
        return Err("an account needs an id".to_owned());
    }
    Ok(AccountConfig { id: id.to_owned(), token })
}

fn faults(text: &str) -> Result<AccountFaults, String> {
    text.parse().map_err(|error: SimulatorError| error.to_string())
}

fn load(text: &str) -> Result<Load, String> {
    text.parse().map_err(|error: SimulatorError| error.to_string())
}

fn duration(text: &str) -> Result<Duration, String> {
    let duration = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if duration.is_zero() { Err("must be longer than 0".to_owned()) } else { Ok(duration) }
}

fn rate(text: &str) -> Result<f64, String> {
    let rate = text.parse().ok().filter(|rate: &f64| rate.is_finite() && *rate >= 0.0);
    rate.ok_or_else(|| "must be a number, 0 for none".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;
    use pushgate_simulator::SimulatorConfig;
    use secrecy::ExposeSecret as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn only_commands_that_work_are_listed() {
        let names: Vec<_> = Cli::command().get_subcommands().map(|command| command.get_name().to_owned()).collect();
        let all = ["serve", "demo", "simulate", "check", "tail", "token", "health", "journal", "completions"];
        assert_eq!(names, all);
    }

    #[test]
    fn config_files_keep_their_order() {
        let cli =
            Cli::try_parse_from(["pushgate", "serve", "--config", "a", "-c", "b", "--log-format", "json"]).unwrap();
        let Command::Serve(args) = cli.command else { panic!("another command") };
        assert_eq!(args.files, [PathBuf::from("a"), PathBuf::from("b")]);
        assert_eq!(cli.log_format, LogFormat::Json);
    }

    #[test]
    fn flags_of_the_simulator_default_to_its_own_defaults() {
        let Command::Simulate(args) = Cli::try_parse_from(["pushgate", "simulate"]).unwrap().command else {
            panic!("another command")
        };
        let config = SimulatorConfig::default();
        assert_eq!((args.bind, args.attempts), (config.bind, config.attempts));
        assert_eq!((args.redeliver_after, args.ping_timeout), (config.redeliver_after, config.ping_timeout));
        assert!(args.accounts.is_empty() && args.numbered.is_none());
        assert!(args.faults.is_empty() && args.scenario.is_none() && args.load.is_none());
        assert_eq!(args.rate.to_bits(), config.rate.to_bits());
    }

    #[test]
    fn an_account_may_have_a_token() {
        let given = account("acme:a:b").unwrap();
        assert_eq!((given.id.as_str(), given.token.unwrap().expose_secret()), ("acme", "a:b"));
        assert!(account("acme").unwrap().token.is_none());
        for bad in ["", ":t", "acme:"] {
            assert!(account(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn faults_are_of_all_accounts_or_of_one() {
        let given = ["simulate", "--faults", r#"{"silent":true}"#, "--faults", r#"acme={"fragments":7}"#];
        let cli = Cli::try_parse_from(["pushgate"].into_iter().chain(given)).unwrap();
        let Command::Simulate(args) = cli.command else { panic!("another command") };
        let of: Vec<_> = args.faults.iter().map(|given| given.account.as_deref()).collect();
        assert_eq!(of, [None, Some("acme")]);
    }

    #[test]
    fn wrong_faults_say_what_is_allowed() {
        let error = Cli::try_parse_from(["pushgate", "simulate", "--faults", r#"{"fragment":1}"#]).unwrap_err();
        assert!(error.to_string().contains("`fragments`"), "{error}");
    }

    #[test]
    fn wrong_usage_is_refused() {
        for bad in [
            &["pushgate"][..],
            &["pushgate", "fly"],
            &["pushgate", "serve", "--port", "1"],
            &["pushgate", "simulate", "--attempts", "0"],
            &["pushgate", "simulate", "--rate", "-1"],
            &["pushgate", "simulate", "--redeliver-after", "5"],
            &["pushgate", "simulate", "--ping-timeout", "0s"],
            &["pushgate", "simulate", "--faults", "silent"],
            &["pushgate", "simulate", "--faults", r#"{"fragments":1}"#],
            &["pushgate", "simulate", "--load", r#"{"seconds":1}"#],
            &["pushgate", "simulate", "--load", r#"{"in_flight":1,"wind":1}"#],
            &["pushgate", "check", "--log-format", "xml"],
            &["pushgate", "tail"],
            &["pushgate", "tail", "A"],
            &["pushgate", "tail", "a", "--since", "yesterday"],
            &["pushgate", "tail", "a", "--url", "push.example.com"],
            &["pushgate", "tail", "a", "--token", "secret"],
            &["pushgate", "token"],
            &["pushgate", "token", "A"],
            &["pushgate", "token", "a", "--expires", "1"],
            &["pushgate", "token", "a", "--expires", "11years"],
            &["pushgate", "token", "a", "--algorithm", "none"],
        ] {
            assert_eq!(Cli::try_parse_from(bad).unwrap_err().exit_code(), 2, "{bad:?}");
        }
    }
}
