use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    time::{Duration, Instant},
};

use super::Scenario;
use crate::service::Service;

/// Most steps of one tick. A script that is late catches up in the next ticks.
const STEPS_PER_TICK: usize = 1_000;

/// A scenario that goes on.
pub(crate) struct Script {
    scenario: Scenario,
    started: Instant,
    /// The next time of each step that is not done yet, and how often it was done; steps of one time in their order.
    due: BinaryHeap<Reverse<(Duration, usize, u64)>>,
}

impl Script {
    pub(crate) fn new(scenario: Scenario, now: Instant) -> Self {
        let due = scenario.steps.iter().enumerate().map(|(index, step)| Reverse((step.at, index, 0))).collect();
        tracing::info!(steps = scenario.len(), "scenario begins");
        Self { scenario, started: now, due }
    }

    /// Does the steps that are due. False when there are no more.
    pub(crate) fn tick(&mut self, now: Instant, service: &Service) -> bool {
        let elapsed = now.saturating_duration_since(self.started);
        for _ in 0..STEPS_PER_TICK {
            let Some(Reverse((at, index, done))) = self.next(elapsed) else { break };
            let Some(step) = self.scenario.steps.get(index) else { continue };
            let round = done + 1;
            match step.action.perform(&step.target, service) {
                Ok(()) => tracing::info!(line = step.line, action = step.name, round, "scenario step done"),
                Err(error) => {
                    tracing::warn!(line = step.line, action = step.name, round, %error, "scenario step failed");
                }
            }
            if let Some(repeat) = step.repeat.filter(|repeat| repeat.times.is_none_or(|times| round < times)) {
                self.due.push(Reverse((at.saturating_add(repeat.every), index, round)));
            }
        }
        let goes_on = !self.due.is_empty();
        if !goes_on {
            tracing::info!("scenario ended");
        }
        goes_on
    }

    fn next(&mut self, elapsed: Duration) -> Option<Reverse<(Duration, usize, u64)>> {
        let is_due = self.due.peek().is_some_and(|Reverse((at, ..))| *at <= elapsed);
        is_due.then(|| self.due.pop()).flatten()
    }
}
