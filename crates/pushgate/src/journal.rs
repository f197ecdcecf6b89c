use anyhow::Context as _;
use pushgate_journal::sqlite;

use crate::{failure::Failure, output::print, settings::Settings};

/// Gives the journal a new epoch.
pub(crate) fn new_epoch(settings: &Settings) -> Result<(), Failure> {
    let path = &settings.journal.path;
    let (old, new) = sqlite::new_epoch(path).context("the journal keeps its epoch")?;
    print(&format!("epoch of {}: {old} -> {new}\n", path.display()))
}
