//! The simulator as a gateway and a tester meet it: over real sockets, on a free port.

#![allow(clippy::unwrap_used)]

mod bed;
mod chaos;
mod control;
mod deliveries;
mod frames;
mod handshakes;
mod load;
mod raw;
mod scenario;
mod sockets;
