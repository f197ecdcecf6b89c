use anyhow::Result;

use super::{credit::Credit, phase::Phase, posts::Posts};

/// Bytes of a push as an event.
pub(crate) const EVENT: usize = 280;

/// What makes the pushes of a phase, one after the other, in turn for all its tenants.
pub(crate) enum Source {
    /// The publisher itself.
    Posts(Posts),
    /// The simulator, which is asked for each.
    Credit(Credit),
}

impl Source {
    pub(crate) fn begin(&mut self, phase: &Phase) -> Result<()> {
        match self {
            Self::Posts(_) => Ok(()),
            Self::Credit(credit) => credit.begin(phase),
        }
    }

    /// Makes the next push, at the latest when it is flushed.
    pub(crate) fn push(&mut self, push: u64, phase: &Phase) {
        match self {
            Self::Posts(posts) => posts.push(push, phase),
            Self::Credit(credit) => credit.push(),
        }
    }

    pub(crate) fn flush(&mut self) -> Result<()> {
        match self {
            Self::Posts(posts) => posts.flush(),
            Self::Credit(credit) => credit.flush(),
        }
    }

    /// Reads what was answered.
    pub(crate) fn drain(&mut self) -> Result<()> {
        match self {
            Self::Posts(posts) => posts.drain(),
            Self::Credit(credit) => credit.drain(),
        }
    }

    pub(crate) fn end(&mut self) -> Result<()> {
        match self {
            Self::Posts(_) => Ok(()),
            Self::Credit(credit) => credit.end(),
        }
    }
}
