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

/// Keeps SIGHUP from ending the process. Settings are read at start only, and whoever asks for a reload is told so.
///
/// # Errors
/// The signal can't be listened to.
pub(crate) fn survive_hangup() -> io::Result<()> {
    let mut hangup = signal(SignalKind::hangup())?;
    actix_rt::spawn(async move {
        while hangup.recv().await.is_some() {
            tracing::warn!("SIGHUP ignored: settings are read at start only, restart to apply them");
        }
    });
    Ok(())
}

async fn either(interrupt: &mut Signal, terminate: &mut Signal) -> &'static str {
    tokio::select! {
        _ = interrupt.recv() => "SIGINT",
        _ = terminate.recv() => "SIGTERM",
    }
}
