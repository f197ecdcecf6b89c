//! The folder of tenants, watched by a thread of its own.
//!
//! The system tells of changes in a folder, but a watch holds on to the folder and not to its name: when it is removed,
//! renamed or swapped for another one, nothing more is told. So the thread also looks, once a second, which folder the
//! name stands for.

use std::{
    fs, io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread,
    time::{Duration, Instant, SystemTime},
};

use notify::{
    Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _,
    event::{AccessKind, AccessMode, ModifyKind},
};
use tokio::sync::Notify;

use super::debounce::Debounce;
use crate::settings::is_tenant;

/// How coarse a file's time may be.
const SLACK: Duration = Duration::from_secs(2);

/// How the watch keeps time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rhythm {
    /// How often it looks which folder the name stands for.
    pub(super) look: Duration,
    /// How long changes must have been quiet: whoever changes many files, or one by several steps, is done by then.
    pub(super) quiet: Duration,
    /// When changes that never end are told.
    pub(super) at_most: Duration,
}

impl Default for Rhythm {
    fn default() -> Self {
        Self { look: Duration::from_secs(1), quiet: Duration::from_secs(1), at_most: Duration::from_secs(10) }
    }
}

/// A folder is watched while this lives.
#[derive(Debug)]
pub(super) struct FolderWatch {
    _alive: Arc<()>,
}

impl FolderWatch {
    /// Tells `changed` whenever what makes a tenant may have changed in the folder since `read_at`.
    ///
    /// # Errors
    /// The system gives no thread.
    pub(super) fn start(
        folder: PathBuf,
        read_at: SystemTime,
        changed: Arc<Notify>,
        rhythm: Rhythm,
    ) -> io::Result<Self> {
        let alive = Arc::new(());
        let watched = Arc::downgrade(&alive);
        let work = move || {
            // One place: one hint that something changed says as much as many.
            let (hint, hints) = sync_channel(1);
            Lookout { folder, read_at, hint, sight: Sight::None }.run(&hints, &watched, &changed, rhythm);
        };
        thread::Builder::new().name("tenants-dir".into()).spawn(work)?;
        Ok(Self { _alive: alive })
    }
}

/// What the thread knows.
struct Lookout {
    folder: PathBuf,
    read_at: SystemTime,
    hint: SyncSender<()>,
    sight: Sight,
}

enum Sight {
    /// It has not looked yet.
    None,
    /// The folder is watched.
    Watched { folder: Identity, lost: Arc<AtomicBool>, _watcher: RecommendedWatcher },
    /// It is there, but can't be watched. That is logged.
    Blind,
    /// It is not there. That is logged.
    Gone,
}

/// One folder, whatever its name.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Identity {
    device: u64,
    inode: u64,
}

impl Lookout {
    fn run(mut self, hints: &Receiver<()>, alive: &Weak<()>, changed: &Notify, rhythm: Rhythm) {
        let mut debounce = Debounce::new(rhythm.quiet, rhythm.at_most);
        let mut next_look = Instant::now();
        while alive.strong_count() > 0 {
            let now = Instant::now();
            let is_due = debounce.due_in(now).is_some_and(|left| left.is_zero());
            if is_due || now >= next_look {
                next_look = now + rhythm.look;
                if self.look() {
                    debounce.change(now);
                }
            }
            // While the folder is gone there is nothing to read; when it is back, that is a change.
            if debounce.take_due(now) && !matches!(self.sight, Sight::Gone) {
                changed.notify_one();
            }
            let look_in = next_look.saturating_duration_since(now);
            let wait = debounce.due_in(now).map_or(look_in, |due_in| due_in.min(look_in));
            if hints.recv_timeout(wait).is_ok() {
                debounce.change(Instant::now());
            }
        }
    }

    /// Watches the folder that the name stands for now. Tells whether its content may have changed unseen.
    fn look(&mut self) -> bool {
        match (Identity::of(&self.folder), &self.sight) {
            (Ok(found), Sight::Watched { folder, lost, .. }) if found == *folder && !lost.load(Ordering::Relaxed) => {
                false
            }
            (Ok(found), _) => self.watch(found),
            (Err(_), Sight::Gone) => false,
            (Err(error), _) => {
                let folder = self.folder.display();
                tracing::warn!(%folder, %error, "tenants_dir can't be found: its tenants stay as they are until it is back");
                self.sight = Sight::Gone;
                false
            }
        }
    }

    fn watch(&mut self, folder: Identity) -> bool {
        let lost = Arc::default();
        match watcher(&self.folder, self.hint.clone(), Arc::clone(&lost)) {
            Ok(watcher) => {
                let sight = Sight::Watched { folder, lost, _watcher: watcher };
                let before = std::mem::replace(&mut self.sight, sight);
                if !matches!(before, Sight::None) {
                    tracing::info!(folder = %self.folder.display(), "tenants_dir is watched again");
                    return true;
                }
                changed_since(&self.folder, self.read_at)
            }
            Err(error) => {
                if !matches!(self.sight, Sight::Blind) {
                    tracing::warn!(%error, "tenants_dir can't be watched: changes there need a SIGHUP");
                }
                self.sight = Sight::Blind;
                false
            }
        }
    }
}

impl Identity {
    fn of(folder: &Path) -> io::Result<Self> {
        let metadata = fs::metadata(folder)?;
        if metadata.is_dir() {
            Ok(Self { device: metadata.dev(), inode: metadata.ino() })
        } else {
            Err(io::ErrorKind::NotADirectory.into())
        }
    }
}

/// `lost` is set when the folder itself goes: the next one of its name may get its number too.
fn watcher(folder: &Path, hint: SyncSender<()>, lost: Arc<AtomicBool>) -> notify::Result<RecommendedWatcher> {
    let folder = std::path::absolute(folder).map_err(notify::Error::io)?;
    let own_path = folder.clone();
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
        if event.as_ref().is_ok_and(|event| is_loss(event, &own_path)) {
            lost.store(true, Ordering::Relaxed);
        }
        // What failed may have been a change. A hint that finds no room finds another one there.
        if event.map_or(true, |event| may_matter(&event)) {
            let _ = hint.try_send(());
        }
    })?;
    watcher.watch(&folder, RecursiveMode::NonRecursive)?;
    Ok(watcher)
}

/// Whether the folder itself was removed or renamed.
fn is_loss(event: &Event, folder: &Path) -> bool {
    let is_end = matches!(event.kind, EventKind::Remove(_) | EventKind::Modify(ModifyKind::Name(_)));
    is_end && event.paths.iter().any(|path| path == folder)
}

/// Whether a tenant may be another one after it. Reading is no change, nor is what editors leave beside a file; but any
/// link may lead elsewhere now, as the one by which Kubernetes swaps a whole folder.
fn may_matter(event: &Event) -> bool {
    let is_change = match event.kind {
        EventKind::Access(access) => access == AccessKind::Close(AccessMode::Write),
        _ => true,
    };
    let is_ours = |path: &PathBuf| is_tenant(path) || path.is_symlink();
    event.need_rescan() || (is_change && event.paths.iter().any(is_ours))
}

/// Whether a tenant was written, added or removed at or after this time, going by the times of files and folder.
fn changed_since(folder: &Path, time: SystemTime) -> bool {
    let is_new = |path: &Path| {
        let modified = fs::metadata(path).and_then(|metadata| metadata.modified());
        // Without a time it may be new.
        modified.map_or(true, |modified| modified + SLACK >= time)
    };
    let mut files = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    is_new(folder) || files.any(|file| is_tenant(&file) && is_new(&file))
}

#[cfg(test)]
mod tests;
