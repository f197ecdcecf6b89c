use std::{io, net::SocketAddr};

/// Why the simulator can't start or go on.
#[derive(Debug, thiserror::Error)]
pub enum SimulatorError {
    /// The configuration contradicts itself; nothing was opened.
    #[error("{0}")]
    Config(&'static str),
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
