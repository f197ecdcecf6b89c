use std::{
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use rustix::thread::{CpuSet, sched_getaffinity};
use tempfile::TempDir;

use crate::{
    audience::{Audience, Manners},
    record::Keep,
    simulator::check_binary,
    stream::StreamSpec,
};

/// Where a run takes place: a folder of its own, and free ports on loopback.
#[derive(Debug)]
pub(crate) struct Rig {
    /// The release binary.
    pub(crate) binary: PathBuf,
    /// Where subscribers reach the gateway.
    pub(crate) public: SocketAddr,
    /// Where operators do.
    pub(crate) admin: SocketAddr,
    /// Where the simulator listens.
    pub(crate) simulator: SocketAddr,
    /// The cores that may be used.
    pub(crate) cores: CpuSet,
    folder: TempDir,
    logs: TempDir,
}

impl Rig {
    /// A new folder below `parent`, which goes away with the rig.
    pub(crate) fn new(binary: &Path, parent: &Path) -> Result<Self> {
        check_binary(binary)?;
        rlimit::increase_nofile_limit(u64::MAX).context("the limit on open files can't be raised")?;
        let mut folders = tempfile::Builder::new();
        let folder = folders.prefix("pushgate-load-").tempdir_in(parent);
        let folder = folder.with_context(|| format!("no folder can be made in {}", parent.display()))?;
        let logs = folders.tempdir().context("no folder for temporary files")?;
        let [public, admin, simulator] = free_addresses()?;
        let cores = sched_getaffinity(None).context("the cores that may be used are not known")?;
        Ok(Self { binary: binary.to_owned(), public, admin, simulator, cores, folder, logs })
    }

    /// Where as many services listen as a run wants: the simulator's address, and others that are free.
    pub(crate) fn services(&self, count: usize) -> Result<Vec<SocketAddr>> {
        let mut services = vec![self.simulator];
        while services.len() < count {
            services.extend(free_addresses::<1>()?);
        }
        Ok(services)
    }

    /// A file for what a process logs: not on the disk that a run may fill.
    pub(crate) fn log(&self, name: &str) -> PathBuf {
        self.logs.path().join(name)
    }

    /// A file in the folder.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Opens streams and waits until all are open.
    pub(crate) fn subscribe(&self, specs: Vec<StreamSpec>) -> Result<Audience> {
        self.subscribe_with(specs, Manners::default())
    }

    /// The same with other manners.
    pub(crate) fn subscribe_with(&self, specs: Vec<StreamSpec>, manners: Manners) -> Result<Audience> {
        let count = specs.len();
        let audience = Audience::start(self.public, specs, manners)?;
        let longest = std::time::Duration::from_secs(60);
        crate::wait::until("all streams", longest, || (audience.open() == count).then_some(()))?;
        Ok(audience)
    }
}

/// A stream of one tenant.
pub(crate) fn one(tenant: usize, group: usize, keep: Keep) -> StreamSpec {
    StreamSpec { path: format!("/events/t{tenant}"), tenants: vec![tenant], group, keep }
}

/// A stream of several tenants.
pub(crate) fn several(tenants: Vec<usize>) -> StreamSpec {
    let query: Vec<_> = tenants.iter().map(|tenant| format!("tenant=t{tenant}")).collect();
    StreamSpec { path: format!("/events?{}", query.join("&")), tenants, group: 0, keep: Keep::Pushes }
}

/// Ports that are free now, for processes that must come back on the same ones.
fn free_addresses<const N: usize>() -> Result<[SocketAddr; N]> {
    let mut listeners = Vec::with_capacity(N);
    for _ in 0..N {
        listeners.push(TcpListener::bind(("127.0.0.1", 0))?);
    }
    let addresses: Vec<_> = listeners.iter().map(|listener| listener.local_addr()).collect::<Result<_, _>>()?;
    addresses.try_into().ok().context("as many addresses as listeners")
}
