//! `pushgate tail`: follows streams in the terminal.
//!
//! What it does with a stream is the subscriber crate's business: resume by the cursor, connect again for ever. Here is
//! what a terminal needs: where the stream is (`target`), who asks (`access`), how a push looks (`push`, `escape`), what
//! else is said (`status`), and an output that may be slow or go away (`output`). Pushes go to standard output and
//! nothing else does; all else goes to standard error. Begin reading at [`run`], then `follow`.

mod access;
mod args;
mod base_url;
mod confirm;
mod escape;
mod follow;
mod minter;
mod output;
mod push;
mod since;
mod status;
mod style;
mod target;
mod trust;

use std::{io, time::Duration};

use anyhow::Context as _;
use pushgate_subscriber::{EventStream, HttpClient, HttpConfig, StreamConfig, StreamError};
use tokio::signal::unix::{SignalKind, signal};

pub(crate) use args::{AFTER, TailArgs};

use crate::{failure::Failure, settings::process_env};
use access::Access;
use confirm::Confirmer;
use follow::Follower;
use minter::Minter;
use output::Output;
use push::Form;
use status::Status;
use style::Style;
use target::Target;

/// Follows until a signal, until nobody reads what is printed, or until the server says that it is of no use.
pub(crate) fn run(args: TailArgs) -> Result<(), Failure> {
    let env = process_env();
    let mut target = Target::find(args.url, args.ca_file.as_deref(), (&args.config.files, &env))?;
    let own = target.tokens.take().and_then(|tokens| Minter::of(tokens, &args.tenants));
    let access = Access::find(args.token_file, &env, own)?;
    let form = match (args.json, args.tenants.len()) {
        (true, _) => Form::Json,
        (false, tenants) => Form::Text { style: Style::of(&io::stdout()), names_tenant: tenants > 1 },
    };
    actix_rt::System::new().block_on(async {
        let stop = stop_signal().context("signals can't be listened to")?;
        let bearer = access.token()?;
        let config = StreamConfig {
            bearer: bearer.clone(),
            idle_timeout: target.idle_timeout,
            retry: RETRY,
            tls: target.tls.clone(),
            ..StreamConfig::new(target.base.events(&args.tenants, args.since.as_ref()))
        };
        let stream = EventStream::connect(config).map_err(of_no_use)?;
        let status = Status::new(Style::of(&io::stderr()));
        let confirmer = args.confirm.then(|| {
            let config = HttpConfig { bearer, tls: target.tls.clone(), max_body: MAX_ANSWER, ..HttpConfig::default() };
            Confirmer::new(HttpClient::new(config), target.base.clone(), status)
        });
        let output = Output::start().context("standard output can't be written")?;
        let follower = Follower { stream, access, form, confirmer: confirmer.clone(), status };
        let ended = tokio::select! {
            biased;
            () = stop => Ok(()),
            () = output.reader_gone() => Ok(()),
            ended = follower.run(&output) => ended,
        };
        let printed = output.finish().await;
        if let Some(confirmer) = confirmer {
            confirmer.finish(printed).await;
        }
        ended
    })
}

/// The wait before a connect until the server names one, shorter than a browser's: a person looks on.
const RETRY: Duration = Duration::from_secs(1);
/// The answer to a word is nothing, or a problem of a few lines.
const MAX_ANSWER: usize = 64 << 10;

/// Completes at the first SIGINT or SIGTERM.
fn stop_signal() -> io::Result<impl Future<Output = ()>> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

/// What cannot be sent is the caller's mistake; what the server refuses is not.
fn of_no_use(error: StreamError) -> Failure {
    match error {
        StreamError::Config(what) => Failure::Usage(what),
        StreamError::Gone => Failure::Runtime(anyhow::anyhow!("removed: none of these tenants has a stream any more")),
        StreamError::Refused { status, detail } => Failure::Runtime(anyhow::anyhow!(
            "refused with status {status}: {}",
            escape::line(&status::refusal(&detail))
        )),
        error @ StreamError::NotAnEventStream(_) => Failure::Runtime(error.into()),
    }
}
