use std::os::unix::fs::symlink;

use notify::event::{CreateKind, DataChange, Flag, RemoveKind};
use tempfile::TempDir;
use tokio::time::timeout;

use super::*;

const RHYTHM: Rhythm =
    Rhythm { look: Duration::from_millis(5), quiet: Duration::from_millis(20), at_most: Duration::from_millis(200) };
/// Far more than a change takes to be told.
const PATIENCE: Duration = Duration::from_secs(20);

/// A watched folder `t` in a folder of its own.
struct Watched {
    parent: TempDir,
    changed: Arc<Notify>,
    watch: FolderWatch,
}

impl Watched {
    /// Watches it and waits until it is watched: what was written just now is told at first.
    async fn start(prepare: impl FnOnce(&Path)) -> Self {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("t");
        fs::create_dir(&folder).unwrap();
        prepare(&folder);
        let changed = Arc::default();
        let watch = FolderWatch::start(folder, SystemTime::now(), Arc::clone(&changed), RHYTHM).unwrap();
        let watched = Self { parent, changed, watch };
        watched.is_told().await;
        watched
    }

    fn folder(&self) -> PathBuf {
        self.parent.path().join("t")
    }

    async fn is_told(&self) {
        timeout(PATIENCE, self.changed.notified()).await.expect("the change is told");
    }
}

#[test]
fn a_file_that_comes_changes_or_goes_is_told() {
    actix_rt::System::new().block_on(async {
        let watched = Watched::start(|_| ()).await;
        let file = watched.folder().join("a.toml");
        fs::write(&file, "enabled = true").unwrap();
        watched.is_told().await;
        fs::write(&file, "enabled = false").unwrap();
        watched.is_told().await;
        let staged = watched.folder().join(".a.toml.new");
        fs::write(&staged, "enabled = true").unwrap();
        fs::rename(&staged, &file).unwrap();
        watched.is_told().await;
        fs::remove_file(&file).unwrap();
        watched.is_told().await;
    });
}

#[test]
fn a_folder_that_is_swapped_by_a_link_in_it_is_told() {
    let populate = |folder: &Path| {
        for version in ["..1", "..2"] {
            fs::create_dir(folder.join(version)).unwrap();
            fs::write(folder.join(version).join("a.toml"), "").unwrap();
        }
        symlink("..1", folder.join("..data")).unwrap();
        symlink("..data/a.toml", folder.join("a.toml")).unwrap();
    };
    actix_rt::System::new().block_on(async {
        let watched = Watched::start(populate).await;
        symlink("..2", watched.folder().join("..data_tmp")).unwrap();
        fs::rename(watched.folder().join("..data_tmp"), watched.folder().join("..data")).unwrap();
        watched.is_told().await;
    });
}

#[test]
fn a_folder_that_was_gone_is_watched_again() {
    actix_rt::System::new().block_on(async {
        let watched = Watched::start(|_| ()).await;
        let away = watched.parent.path().join("away");
        fs::rename(watched.folder(), &away).unwrap();
        fs::create_dir(watched.folder()).unwrap();
        watched.is_told().await;
        fs::write(watched.folder().join("a.toml"), "").unwrap();
        watched.is_told().await;
        fs::remove_dir_all(watched.folder()).unwrap();
        fs::rename(&away, watched.folder()).unwrap();
        watched.is_told().await;
    });
}

#[test]
fn a_folder_that_is_made_anew_is_watched_again() {
    actix_rt::System::new().block_on(async {
        let watched = Watched::start(|_| ()).await;
        fs::remove_dir(watched.folder()).unwrap();
        fs::create_dir(watched.folder()).unwrap();
        watched.is_told().await;
        fs::write(watched.folder().join("a.toml"), "").unwrap();
        watched.is_told().await;
    });
}

#[test]
fn the_thread_ends_with_the_watch() {
    actix_rt::System::new().block_on(async {
        let watched = Watched::start(|_| ()).await;
        let changed = Arc::downgrade(&watched.changed);
        drop(watched.watch);
        drop(watched.changed);
        let ended = async {
            while changed.strong_count() > 0 {
                tokio::task::yield_now().await;
            }
        };
        timeout(PATIENCE, ended).await.expect("the thread lets go of what it tells");
    });
}

#[test]
fn only_what_may_change_a_tenant_matters() {
    let folder = tempfile::tempdir().unwrap();
    let link = folder.path().join("..data");
    symlink("elsewhere", &link).unwrap();
    let event = |kind, path: &Path| Event::new(kind).add_path(path.to_owned());
    let closed = |mode| EventKind::Access(AccessKind::Close(mode));
    let modified = EventKind::Modify(ModifyKind::Data(DataChange::Any));
    let tenant = Path::new("t/a.toml");
    for (event, expected) in [
        (event(EventKind::Create(CreateKind::File), tenant), true),
        (event(EventKind::Remove(RemoveKind::File), tenant), true),
        (event(modified, tenant), true),
        (event(closed(AccessMode::Write), tenant), true),
        (event(EventKind::Create(CreateKind::File), &link), true),
        (Event::new(EventKind::Other).set_flag(Flag::Rescan), true),
        // A reload reads, and must not ask for the next one.
        (event(EventKind::Access(AccessKind::Open(AccessMode::Any)), tenant), false),
        (event(closed(AccessMode::Read), tenant), false),
        (event(modified, Path::new("t/.a.toml.swp")), false),
        (event(modified, Path::new("t/a.toml~")), false),
        (event(EventKind::Create(CreateKind::Folder), Path::new("t/..2")), false),
    ] {
        assert_eq!(may_matter(&event), expected, "{event:?}");
    }
}

#[test]
fn what_changed_before_the_watch_began_is_found_by_its_time() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.toml");
    fs::write(&file, "").unwrap();
    let old = SystemTime::now() - Duration::from_secs(3600);
    let set = |path: &Path, time| fs::File::open(path).unwrap().set_modified(time).unwrap();
    set(&file, old);
    set(folder.path(), old);
    assert!(!changed_since(folder.path(), old + Duration::from_secs(60)));
    assert!(changed_since(folder.path(), old));
    set(&file, old + Duration::from_secs(70));
    assert!(changed_since(folder.path(), old + Duration::from_secs(60)));
    set(&file, old);
    set(folder.path(), old + Duration::from_secs(70));
    assert!(changed_since(folder.path(), old + Duration::from_secs(60)));
}
