//! Faults of this process itself, for tests of how it is supervised. Compiled into tests only.

use std::{
    thread,
    time::{Duration, Instant},
};

use crate::Vitals;

/// What goes wrong in a tenant's connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It panics; the number tells one panic from the next.
    Panic(u32),
    /// Its thread stands still for so long.
    Stall(Duration),
}

/// The vitals of connections whose thread stands still since then.
pub fn still_since(begun: Instant) -> Vitals {
    Vitals::still_since(begun)
}

impl Fault {
    pub(crate) fn happen(self) {
        match self {
            Self::Panic(_) => panic!("a test asked for it"),
            Self::Stall(time) => thread::sleep(time),
        }
    }
}
