//! Logs, to standard error.

use std::{
    backtrace::Backtrace,
    io::{self, IsTerminal as _},
    panic::{self, PanicHookInfo},
    thread,
};

use tracing_subscriber::{EnvFilter, filter::LevelFilter, util::SubscriberInitExt as _};

use crate::{cli::LogFormat, failure::Failure};

/// What is logged without `RUST_LOG`. The server's own notes on its workers tell operators nothing.
const DEFAULT: &str = "info,actix_server=warn";

/// Starts logging: what `RUST_LOG` says, and [`DEFAULT`] without it. Colours only where a person watches and does not object
/// (<https://no-color.org>).
pub(crate) fn init(format: LogFormat) -> Result<(), Failure> {
    let filter = filter(std::env::var("RUST_LOG").ok().as_deref())?;
    let colours = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    // A line that can't be written is lost: to say so on the same full disk would panic, inside the panic hook even.
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(colours)
        .log_internal_errors(false);
    let started = match format {
        LogFormat::Text => builder.finish().try_init(),
        LogFormat::Json => builder.json().flatten_event(true).finish().try_init(),
    };
    // In a process that logs already, as tests do, that one goes on.
    if let Err(error) = started {
        tracing::debug!(%error, "logging was started before");
    }
    panic::set_hook(Box::new(log_panic));
    Ok(())
}

/// A panic is a defect, and whoever collects the log must see it there.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let place = panic.location().map(ToString::to_string);
    let thread = thread::current();
    let (thread, text) = (thread.name(), panic.payload_as_str());
    tracing::error!(place, thread, panic = text, backtrace = %Backtrace::capture(), "a thread panicked");
}

fn filter(directives: Option<&str>) -> Result<EnvFilter, Failure> {
    let builder = EnvFilter::builder().with_default_directive(LevelFilter::INFO.into());
    let directives = directives.filter(|directives| !directives.trim().is_empty());
    let parsed = builder.parse(directives.unwrap_or(DEFAULT));
    parsed.map_err(|error| Failure::Usage(format!("RUST_LOG can't be used: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn info_is_logged_unless_rust_log_says_otherwise() {
        for unset in [None, Some(""), Some(" ")] {
            let filter = filter(unset).unwrap();
            assert_eq!(filter.max_level_hint(), Some(LevelFilter::INFO), "{unset:?}");
            assert_eq!(filter.to_string(), "actix_server=warn,info", "{unset:?}");
        }
        assert_eq!(filter(Some("pushgate=debug")).unwrap().to_string(), "pushgate=debug");
        assert!(matches!(filter(Some("pushgate=loud")), Err(Failure::Usage(_))));
    }
}
