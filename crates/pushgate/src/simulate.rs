use std::{fs, path::Path};

use anyhow::Context as _;
use pushgate_simulator::{AccountConfig, Scenario, Simulator, SimulatorConfig, SimulatorError};

use crate::{cli::SimulateArgs, failure::Failure, limits, stop::stop_signal};

/// Runs the simulator until a signal.
pub(crate) fn run(args: SimulateArgs) -> Result<(), Failure> {
    limits::raise_nofile();
    let config = config(args)?;
    actix_rt::System::new().block_on(serve(config))
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

fn config(args: SimulateArgs) -> Result<SimulatorConfig, Failure> {
    let mut accounts = args.accounts;
    accounts.extend(args.numbered.map(|count| AccountConfig::numbered(count as usize)).unwrap_or_default());
    let scenario = args.scenario.as_deref().map(scenario).transpose()?;
    Ok(SimulatorConfig {
        bind: args.bind,
        accounts,
        redeliver_after: args.redeliver_after,
        attempts: args.attempts,
        ping_timeout: args.ping_timeout,
        rate: args.rate,
        faults: args.faults,
        load: args.load,
        scenario,
        ..SimulatorConfig::default()
    })
}

/// Reads a scenario; the failure lists every mistake, with the file that it is in.
fn scenario(file: &Path) -> Result<Scenario, Failure> {
    let name = file.display();
    let text = fs::read_to_string(file).map_err(|error| Failure::Usage(format!("{name}: {error}")))?;
    text.parse().map_err(|error: SimulatorError| {
        let mistakes: Vec<_> = error.to_string().lines().map(|line| format!("{name}: {line}")).collect();
        Failure::Usage(mistakes.join("\n"))
    })
}

fn failure(error: SimulatorError) -> Failure {
    match error {
        SimulatorError::Config(_)
        | SimulatorError::Faults(_)
        | SimulatorError::Load(_)
        | SimulatorError::Scenario(_) => Failure::Usage(error.to_string()),
        error => Failure::Runtime(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn every_mistake_of_a_scenario_names_file_and_line() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"[[step]]\nat = \"soon\"\ndo = \"forget\"\nwind = 1\n").unwrap();
        let Err(Failure::Usage(mistakes)) = scenario(file.path()) else { panic!("no mistake") };
        let name = file.path().display();
        let lines: Vec<_> = mistakes.lines().collect();
        assert!(lines[0].starts_with(&format!("{name}: line 2: at: ")), "{mistakes}");
        assert!(lines[1].starts_with(&format!("{name}: line 4: unknown field `wind`")), "{mistakes}");
    }

    #[test]
    fn a_scenario_that_can_not_be_read_is_wrong_usage() {
        let missing = tempfile::tempdir().unwrap().path().join("scenario.toml");
        assert!(matches!(scenario(&missing), Err(Failure::Usage(text)) if text.contains("scenario.toml")));
    }
}
