//! What commands print.

use std::io::{self, Write as _};

use anyhow::Context as _;
use clap::CommandFactory as _;
use clap_complete::Shell;

use crate::{cli::Cli, failure::Failure};

/// Prints a result to standard output.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    let written = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
    Ok(written.context("standard output can't be written")?)
}

/// Prints a line for people to standard error, beside a result that a program reads.
pub(crate) fn note(text: &str) {
    // The result is out; whoever closed this does not want to know.
    let _ = writeln!(io::stderr().lock(), "pushgate: {text}");
}

/// Prints why a command failed to standard error.
pub(crate) fn complain(failure: &Failure) {
    // There is nobody left to tell.
    let _ = writeln!(io::stderr().lock(), "pushgate: {failure}");
}

/// Prints a shell's completions.
pub(crate) fn completions(shell: Shell) -> Result<(), Failure> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "pushgate", &mut text);
    print(&String::from_utf8_lossy(&text))
}
