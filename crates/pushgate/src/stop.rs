use std::{fs, future, io, process};

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Completes at the first SIGINT or SIGTERM; from this call on neither ends the process by itself. A second one, while
/// the drain is under way, ends the process at once.
///
/// # Errors
/// The signals can't be listened to.
pub(crate) fn stop_signal() -> io::Result<impl Future<Output = ()>> {
    stop_at(None)
}

/// The same, and completes at SIGHUP too: the terminal is gone, and with it whoever was there to stop this. Under `nohup`
/// that is no reason to stop.
///
/// # Errors
/// The signals can't be listened to.
pub(crate) fn stop_or_hangup_signal() -> io::Result<impl Future<Output = ()>> {
    let hangup = if hangup_is_ignored() { None } else { Some(hangup_signal()?) };
    stop_at(hangup)
}

/// SIGHUP, which asks for a reload; from this call on it does not end the process.
///
/// # Errors
/// The signal can't be listened to.
pub(crate) fn hangup_signal() -> io::Result<Signal> {
    signal(SignalKind::hangup())
}

fn stop_at(mut hangup: Option<Signal>) -> io::Result<impl Future<Output = ()>> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    Ok(async move {
        let name = tokio::select! {
            name = either(&mut interrupt, &mut terminate) => name,
            () = received(&mut hangup) => "SIGHUP",
        };
        tracing::info!(signal = name, "stopping");
        actix_rt::spawn(async move {
            // A terminal that goes may send more than one SIGHUP: those are no sign of impatience.
            let name = either(&mut interrupt, &mut terminate).await;
            tracing::warn!(signal = name, "second signal: stopping without a drain");
            process::exit(1);
        });
    })
}

async fn either(interrupt: &mut Signal, terminate: &mut Signal) -> &'static str {
    tokio::select! {
        _ = interrupt.recv() => "SIGINT",
        _ = terminate.recv() => "SIGTERM",
    }
}

/// Never, without a signal to wait for.
async fn received(signal: &mut Option<Signal>) {
    match signal {
        Some(signal) => drop(signal.recv().await),
        None => future::pending().await,
    }
}

/// Whether whoever started this process has it ignore SIGHUP. Where that can't be found out, not.
fn hangup_is_ignored() -> bool {
    fs::read_to_string("/proc/self/status").is_ok_and(|status| ignores_hangup(&status))
}

/// Reads the mask of ignored signals in `/proc/self/status`: SIGHUP is signal 1, the lowest bit.
fn ignores_hangup(status: &str) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ignored_hangup_is_told_from_other_ignored_signals() {
        for (status, expected) in [
            ("Name:\tx\nSigBlk:\t0000000000000001\nSigIgn:\t0000000000000000\n", false),
            ("SigIgn:\t0000000000001000\nSigCgt:\t0000000000000001\n", false),
            ("SigIgn:\t0000000000000001\n", true),
            ("SigIgn:\t0000000000001001\n", true),
            ("SigIgn:\tx\n", false),
            ("", false),
        ] {
            assert_eq!(ignores_hangup(status), expected, "{status}");
        }
    }
}
