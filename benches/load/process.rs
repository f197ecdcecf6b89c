use std::{
    fs::{self, File},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};

use crate::wait::until;

/// The unit in which Linux reports CPU times, whatever the kernel's own rate is (`USER_HZ`, proc(5)).
const TICKS_PER_SECOND: f64 = 100.0;
/// How much of a log is shown when its process ended by itself.
const LOG_END: usize = 2000;

/// How long a process may take to end in order, and how often that is looked at.
const DISMISSAL: Duration = Duration::from_secs(5);
const DISMISSAL_STEP: Duration = Duration::from_millis(20);

/// A child process; killed when dropped, also by a panic.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    log: std::path::PathBuf,
}

/// What a process has used.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    /// Bytes of memory in use.
    pub(crate) rss: u64,
    /// Seconds of CPU, user and system, since its start.
    pub(crate) cpu: f64,
}

impl Process {
    /// Starts `binary`; what it logs is appended to `log`.
    pub(crate) fn spawn(binary: &Path, arguments: &[String], log: &Path) -> Result<Self> {
        let file = File::options().create(true).append(true).open(log).with_context(|| log.display().to_string())?;
        let mut command = Command::new(binary);
        command.args(arguments).env_clear().env("RUST_LOG", "warn").env("RUST_BACKTRACE", "1");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(file);
        let child = command.spawn().with_context(|| format!("{} can't be started", binary.display()))?;
        Ok(Self { child, log: log.to_owned() })
    }

    /// kill -9, and the end of the process.
    pub(crate) fn kill(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// SIGTERM, and the end of the process in order, for at most so long.
    pub(crate) fn terminate(&mut self, longest: Duration) -> Result<()> {
        let status = Command::new("kill").args(["-s", "TERM", &self.child.id().to_string()]).status()?;
        ensure!(status.success(), "the process can't be sent a signal");
        let status = until("the end of a process", longest, || self.child.try_wait().transpose())??;
        ensure!(status.success(), "a process that was asked to end ended with {status}");
        Ok(())
    }

    /// SIGTERM, and kill -9 when that is not enough: for a process with children of its own, which only it can end. Goes
    /// on after an interrupt too.
    pub(crate) fn dismiss(&mut self) {
        // One that is gone already can't be sent a signal.
        let _ = Command::new("kill").args(["-s", "TERM", &self.child.id().to_string()]).stderr(Stdio::null()).status();
        for _ in 0..DISMISSAL.as_millis() / DISMISSAL_STEP.as_millis() {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            thread::sleep(DISMISSAL_STEP);
        }
        let _ = self.kill();
    }

    /// Files that it has open, sockets among them.
    pub(crate) fn open_files(&self) -> Result<usize> {
        Ok(fs::read_dir(format!("/proc/{}/fd", self.child.id())).context("a process is gone")?.count())
    }

    /// Fails when it ended by itself.
    pub(crate) fn check(&mut self) -> Result<()> {
        if let Some(status) = self.child.try_wait()? {
            let log = fs::read_to_string(&self.log).unwrap_or_default();
            let end = log.len().saturating_sub(LOG_END);
            bail!("a child ended by itself, {status}: {}", &log[log.ceil_char_boundary(end)..]);
        }
        Ok(())
    }

    pub(crate) fn usage(&self) -> Result<Usage> {
        usage(&self.child.id().to_string())
    }

    /// What it and its children have used together.
    pub(crate) fn family_usage(&self) -> Result<Usage> {
        let mut all = self.usage()?;
        for pid in children(self.child.id())? {
            // One may end meanwhile.
            let Ok(Usage { rss, cpu }) = usage(&pid) else { continue };
            all = Usage { rss: all.rss + rss, cpu: all.cpu + cpu };
        }
        Ok(all)
    }

    /// Its memory without what it shares with others (`Pss`, proc(5)), in bytes.
    pub(crate) fn proportional_memory(&self) -> Result<u64> {
        let path = format!("/proc/{}/smaps_rollup", self.child.id());
        let text = fs::read_to_string(path).context("a process is gone")?;
        let line = text.lines().find_map(|line| line.strip_prefix("Pss:")?.trim().strip_suffix(" kB")?.parse().ok());
        line.map(|kibibytes: u64| kibibytes << 10).context("the kernel does not tell a process's share of memory")
    }
}

/// The processes that this one started.
fn children(parent: u32) -> Result<Vec<String>> {
    let parent = parent.to_string();
    let mut children = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let Ok(pid) = entry?.file_name().into_string() else { continue };
        let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else { continue };
        if stat.rsplit(')').next().and_then(|rest| rest.split_ascii_whitespace().nth(1)) == Some(&parent) {
            children.push(pid);
        }
    }
    Ok(children)
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended before.
        let _ = self.kill();
    }
}

/// What this process has used.
pub(crate) fn own_usage() -> Result<Usage> {
    usage("self")
}

fn usage(pid: &str) -> Result<Usage> {
    let read = |file: &str| fs::read_to_string(format!("/proc/{pid}/{file}")).context("a process is gone");
    let (status, stat) = (read("status")?, read("stat")?);
    let rss = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB")?.parse().ok());
    // The second field is the program's name, which may hold spaces: counting begins behind it.
    let fields: Vec<_> = stat.rsplit(')').next().unwrap_or_default().split_ascii_whitespace().collect();
    let ticks = |field: usize| fields.get(field - 3).and_then(|text| text.parse::<f64>().ok());
    let cpu = ticks(14).zip(ticks(15)).map(|(user, system)| (user + system) / TICKS_PER_SECOND);
    Ok(Usage { rss: rss.map_or(0, |kibibytes: u64| kibibytes << 10), cpu: cpu.unwrap_or_default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_uses_memory() {
        assert!(own_usage().unwrap().rss > 100 << 10);
    }

    #[test]
    fn a_child_is_counted_with_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let arguments = ["-c".to_owned(), "read nothing".to_owned()];
        let mut child = Process::spawn(Path::new("/bin/sh"), &arguments, &folder.path().join("log")).unwrap();
        assert!(child.family_usage().is_ok());
        assert!(children(std::process::id()).unwrap().contains(&child.child.id().to_string()));
        child.dismiss();
        assert!(child.child.try_wait().unwrap().is_some());
    }

    #[test]
    fn a_child_that_ended_by_itself_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let mut process = Process::spawn(Path::new("/bin/false"), &[], &folder.path().join("log")).unwrap();
        process.child.wait().unwrap();
        assert!(process.check().is_err());
    }
}
