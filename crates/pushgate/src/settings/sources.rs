use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

use super::{Mistakes, Settings};

/// Where settings come from, to read them again: the files, which may change, and the environment of the process, which
/// does not.
#[derive(Clone)]
pub struct Sources {
    files: Arc<[PathBuf]>,
    env: Arc<[(String, String)]>,
    read_at: SystemTime,
}

impl Sources {
    pub(super) fn new(files: &[PathBuf], env: &[(String, String)]) -> Self {
        Self { files: files.into(), env: env.into(), read_at: SystemTime::now() }
    }

    /// Reads the settings again.
    ///
    /// # Errors
    /// Every mistake that there is by now, in all layers.
    pub fn load(&self) -> Result<Settings, Mistakes> {
        Settings::load(&self.files, &self.env)
    }

    /// When reading began: what changed later may have been missed.
    pub(crate) fn read_at(&self) -> SystemTime {
        self.read_at
    }

    pub(super) fn env(&self) -> &[(String, String)] {
        &self.env
    }
}

/// Without the environment, which holds secrets.
impl fmt::Debug for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let files: Vec<&Path> = self.files.iter().map(PathBuf::as_path).collect();
        f.debug_struct("Sources").field("files", &files).finish_non_exhaustive()
    }
}
