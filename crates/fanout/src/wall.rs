#[cfg(test)]
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};
use std::time::SystemTime;

use pushgate_model::Timestamp;

/// The wall clock, by which leases end. It may be set, in either direction, so that nothing else goes by it
/// but how long pages of the journal are kept: all other times are those of a shard's own clock.
#[derive(Clone, Debug, Default)]
pub(crate) enum Wall {
    /// That of the system.
    #[default]
    System,
    /// One that a test sets, in milliseconds.
    #[cfg(test)]
    Set(Arc<AtomicU64>),
}

impl Wall {
    pub(crate) fn now(&self) -> Timestamp {
        match self {
            Self::System => SystemTime::now().into(),
            #[cfg(test)]
            Self::Set(millis) => Timestamp::from_millis(millis.load(Ordering::Relaxed)),
        }
    }
}
