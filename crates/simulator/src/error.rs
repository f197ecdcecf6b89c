use std::{io, net::SocketAddr};

/// Why the simulator can't start or go on.
#[derive(Debug, thiserror::Error)]
pub enum SimulatorError {
    /// The configuration contradicts itself; nothing was opened.
    #[error("{0}")]
    Config(&'static str),
    /// These faults can't be: what is wrong, and what is allowed.
    #[error("{0}")]
    Faults(String),
    /// This load can't be: what is wrong, and what is allowed.
    #[error("{0}")]
    Load(String),
    /// The scenario is wrong: every mistake, a line each, that begins with the number of its line in the file.
    #[error("{}", .0.join("\n"))]
    Scenario(Vec<String>),
    /// The address can't be listened on: in use, not of this machine, or not allowed.
    #[error("cannot listen on {addr}")]
    Bind {
        /// The address as configured.
        addr: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The server ended by itself.
    #[error("the simulator's server failed")]
    Serve(#[source] io::Error),
}
