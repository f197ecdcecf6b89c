use anyhow::Context as _;
use pushgate_simulator::{AccountConfig, Simulator, SimulatorConfig, SimulatorError};

use crate::{cli::SimulateArgs, failure::Failure, limits, stop::stop_signal};

/// Runs the simulator until a signal.
pub(crate) fn run(args: SimulateArgs) -> Result<(), Failure> {
    limits::raise_nofile();
    actix_rt::System::new().block_on(serve(config(args)))
}

async fn serve(config: SimulatorConfig) -> Result<(), Failure> {
    let stop = stop_signal().context("signals can't be listened to")?;
    let simulator = Simulator::bind(config).map_err(failure)?;
    let handle = simulator.handle();
    let running = simulator.run();
    tokio::pin!(running);
    tokio::select! {
        ended = &mut running => return ended.map_err(failure),
        () = stop => {}
    }
    let (ended, ()) = tokio::join!(running, handle.stop());
    ended.map_err(failure)
}

fn config(args: SimulateArgs) -> SimulatorConfig {
    let mut accounts = args.accounts;
    accounts.extend(args.numbered.map(|count| AccountConfig::numbered(count as usize)).unwrap_or_default());
    SimulatorConfig {
        bind: args.bind,
        accounts,
        redeliver_after: args.redeliver_after,
        attempts: args.attempts,
        ping_timeout: args.ping_timeout,
        rate: args.rate,
        ..SimulatorConfig::default()
    }
}

fn failure(error: SimulatorError) -> Failure {
    match error {
        SimulatorError::Config(_) => Failure::Usage(error.to_string()),
        error => Failure::Runtime(error.into()),
    }
}
