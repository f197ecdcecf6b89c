//! Pushgate's composition root and command line.
//!
//! Everything that depends on the outside of the process is decided here: settings, environment, signals, exit status.
//! The crates below get one typed config each and know nothing of files or variables. There are no rules about pushes
//! here.
//!
//! Begin reading at [`run`], which `main` calls; then [`settings`] for what can be configured, [`gateway`] for how
//! the crates are wired, and [`reload`] for what changes while it runs.

mod check;
mod cli;
mod demo;
mod failure;
pub mod gateway;
mod health;
mod journal;
mod jwks;
pub mod limits;
mod output;
pub mod reload;
mod serve;
pub mod settings;
mod simulate;
mod stop;
mod tail;
mod telemetry;
mod token;

use std::{ffi::OsString, process::ExitCode};

use clap::Parser as _;

use cli::{Cli, Command, JournalCommand};
use failure::Failure;
use settings::{Settings, process_env};

/// Runs a command line, whose first argument is the program's name, and tells the exit status.
pub fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version come this way too. A reader that went away needs no answer.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    match telemetry::init(cli.log_format).and_then(|()| dispatch(cli.command)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            output::complain(&failure);
            failure.exit_code()
        }
    }
}

fn dispatch(command: Command) -> Result<(), Failure> {
    match command {
        Command::Serve(args) => serve::run(load(&args)?).map_err(Failure::Runtime),
        Command::Demo => demo::run().map_err(Failure::Runtime),
        Command::Simulate(args) => simulate::run(args),
        Command::Check(args) => check::run(&load(&args)?),
        Command::Tail(args) => tail::run(args),
        Command::Health(args) => health::run(Settings::admin_bind(&args.files, &process_env())?),
        Command::Journal(JournalCommand::NewEpoch(args)) => journal::new_epoch(&load(&args)?),
        Command::Token(args) => token::run(&args),
        Command::Completions { shell } => output::completions(shell),
    }
}

fn load(args: &cli::ConfigArgs) -> Result<Settings, Failure> {
    Ok(Settings::load(&args.files, &process_env())?)
}
