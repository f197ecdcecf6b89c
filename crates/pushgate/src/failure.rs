use std::process::ExitCode;

use crate::settings::Mistakes;

/// Why a command failed, by what its caller can do.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The configuration or the usage is wrong: change it.
    #[error("{0}")]
    Usage(String),
    /// Something failed at run time.
    #[error("{0:#}")]
    Runtime(#[from] anyhow::Error),
}

impl Failure {
    /// The process's exit status.
    pub(crate) fn exit_code(&self) -> ExitCode {
        match self {
            Self::Usage(_) => ExitCode::from(2),
            Self::Runtime(_) => ExitCode::FAILURE,
        }
    }
}

impl From<Mistakes> for Failure {
    fn from(mistakes: Mistakes) -> Self {
        Self::Usage(mistakes.to_string())
    }
}
