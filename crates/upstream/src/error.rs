use std::path::PathBuf;

/// Why the connections can't be started at all. What goes wrong later is a tenant's state, never an error.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamError {
    /// The file of further roots can't be read or holds no certificate.
    #[error("upstream.ca_file {}: {error}", path.display())]
    CaFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        error: String,
    },
    /// A thread for connections can't be started.
    #[error("can't start a thread for connections: {0}")]
    Thread(String),
}
