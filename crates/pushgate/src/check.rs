use crate::{failure::Failure, output::print, settings::Settings};

/// Prints what is in force. That it is valid was found when it was loaded.
pub(crate) fn run(settings: &Settings) -> Result<(), Failure> {
    print(settings.effective.to_string().trim_start())
}
