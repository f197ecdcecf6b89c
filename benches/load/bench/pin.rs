use anyhow::{Context, Result};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Keeps the calling thread on some cores, and with it all threads and processes that it starts; until it is dropped.
#[derive(Debug)]
pub(crate) struct Pinned {
    before: CpuSet,
}

impl Pinned {
    /// On this one of the cores that the process may use; on the last one when there are not so many.
    pub(crate) fn to(core: usize, among: &CpuSet) -> Result<Self> {
        let allowed: Vec<_> = (0..CpuSet::MAX_CPU).filter(|cpu| among.is_set(*cpu)).collect();
        let mut only = CpuSet::new();
        only.set(*allowed.get(core).or(allowed.last()).context("no core may be used")?);
        let before = cores()?;
        sched_setaffinity(None, &only).context("a thread can't be pinned")?;
        Ok(Self { before })
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        // What was allowed before is allowed still.
        let _ = sched_setaffinity(None, &self.before);
    }
}

/// The cores that the calling thread may use.
pub(crate) fn cores() -> Result<CpuSet> {
    sched_getaffinity(None).context("the cores that may be used are not known")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pinned_thread_is_free_again_afterwards() {
        let all = cores().unwrap();
        let pinned = Pinned::to(0, &all).unwrap();
        assert_eq!(cores().unwrap().count(), 1);
        drop(pinned);
        assert_eq!(cores().unwrap().count(), all.count());
    }
}
