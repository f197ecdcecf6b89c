use std::{io, net::SocketAddr};

use crate::TlsError;

/// Why the listeners could not be opened, or stopped by themselves.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// An address can't be listened on: choose another one, or stop who has it.
    #[error("can't listen on {addr}: {}", reason(error))]
    Bind {
        /// The address as configured.
        addr: SocketAddr,
        /// What the system said.
        #[source]
        error: io::Error,
    },
    /// The admin listener would be open to the network without a token: set one, or bind it to loopback.
    #[error("the admin listener on {addr} needs a token, because others than this machine can reach it")]
    TokenRequired {
        /// The address as configured.
        addr: SocketAddr,
    },
    /// The certificate of the public listener can't be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// A listener ended although nobody stopped it.
    #[error("the http server failed: {0}")]
    Serve(#[source] io::Error),
}

/// The usual mistakes in words; all else as the system says it.
fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => "the address is in use by another process".to_owned(),
        io::ErrorKind::AddrNotAvailable => "this machine has no such address".to_owned(),
        io::ErrorKind::PermissionDenied => {
            "the system does not permit it; ports below 1024 need a privilege".to_owned()
        }
        _ => error.to_string(),
    }
}
