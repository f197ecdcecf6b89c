//! A timed list of pushes and faults, read from TOML text.

mod parse;
mod script;
mod step;

use std::{str::FromStr, sync::Arc, time::Duration};

pub(crate) use self::script::Script;
use crate::{
    SimulatorError,
    action::{Action, Target},
};

/// What is done over time, from the start of a simulator on. [`str::parse`] reads it from TOML; cloning is cheap.
#[derive(Clone, Debug)]
pub struct Scenario {
    steps: Arc<[Step]>,
}

/// One `[[step]]`.
#[derive(Debug)]
struct Step {
    /// The line of the text that it begins at.
    line: usize,
    /// How long after the start it is done first.
    at: Duration,
    repeat: Option<Repeat>,
    /// What it does, as the text says it.
    name: &'static str,
    target: Target,
    action: Action,
}

/// How a step is done again.
#[derive(Clone, Copy, Debug)]
struct Repeat {
    every: Duration,
    /// How often it is done in all; without it, for ever.
    times: Option<u64>,
}

impl Scenario {
    /// How many steps it has.
    pub fn len(&self) -> usize {
        self.steps.len()
    }

    /// Whether it does nothing.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }
}

impl FromStr for Scenario {
    type Err = SimulatorError;

    /// Reads a scenario. The error has every mistake.
    fn from_str(text: &str) -> Result<Self, SimulatorError> {
        let steps = parse::steps(text).map_err(SimulatorError::Scenario)?;
        Ok(Self { steps: steps.into() })
    }
}
