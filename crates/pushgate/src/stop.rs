use std::{io, process};

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Completes at the first SIGINT or SIGTERM; from this call on neither ends the process by itself. A second one, while
/// the drain is under way, ends the process at once.
///
/// # Errors
/// The signals can't be listened to.
pub(crate) fn stop_signal() -> io::Result<impl Future<Output = ()>> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    Ok(async move {
        let name = either(&mut interrupt, &mut terminate).await;
        tracing::info!(signal = name, "stopping");
        actix_rt::spawn(async move {
            let name = either(&mut interrupt, &mut terminate).await;
            tracing::warn!(signal = name, "second signal: stopping without a drain");
            process::exit(1);
        });
    })
}

/// SIGHUP, which asks for a reload; from this call on it does not end the process.
///
/// # Errors
/// The signal can't be listened to.
pub(crate) fn hangup_signal() -> io::Result<Signal> {
    signal(SignalKind::hangup())
}

async fn either(interrupt: &mut Signal, terminate: &mut Signal) -> &'static str {
    tokio::select! {
        _ = interrupt.recv() => "SIGINT",
        _ = terminate.recv() => "SIGTERM",
    }
}
