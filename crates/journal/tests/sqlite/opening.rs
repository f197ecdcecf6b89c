use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use pushgate_journal::{
    JournalError,
    sqlite::{SqliteJournal, new_epoch},
};
use tempfile::TempDir;

use crate::harness::{Committed, TestJournal, beside, config};

fn refusal(path: &Path) -> JournalError {
    match SqliteJournal::open(config(path), Box::new(Committed::default())) {
        Ok(_) => panic!("the journal was opened"),
        Err(error) => error,
    }
}

#[tokio::test]
async fn a_second_gateway_is_refused_until_the_first_is_closed() {
    let journal = TestJournal::new();
    let path = &journal.config.path;
    assert!(matches!(refusal(path), JournalError::Locked { .. }));
    assert!(matches!(new_epoch(path), Err(JournalError::Locked { .. })));
    pushgate_journal::Journal::close(&*journal.journal).await;
    assert!(SqliteJournal::open(journal.config.clone(), Box::new(Committed::default())).is_ok());
}

#[tokio::test]
async fn a_second_gateway_is_refused_also_by_another_name() {
    let mut journal = TestJournal::new();
    journal.store("acme", "a").await;
    let link = journal.folder.path().join("link.db");
    std::os::unix::fs::symlink(&journal.config.path, &link).unwrap();
    assert!(matches!(refusal(&link), JournalError::Locked { .. }));
}

#[test]
fn only_the_owner_may_read_the_files() {
    let journal = TestJournal::new();
    for suffix in ["", "-wal", "-shm", ".lock"] {
        let file = beside(&journal.config.path, suffix);
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600, "{}", file.display());
    }
}

#[test]
fn files_that_others_may_read_are_taken_from_them() {
    let journal = TestJournal::new();
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("journal.db");
    for suffix in ["", "-wal"] {
        fs::copy(beside(&journal.config.path, suffix), beside(&path, suffix)).unwrap();
        fs::set_permissions(beside(&path, suffix), fs::Permissions::from_mode(0o644)).unwrap();
    }
    let _opened = SqliteJournal::open(config(&path), Box::new(Committed::default())).unwrap();
    for suffix in ["", "-wal", "-shm"] {
        let file = beside(&path, suffix);
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600, "{}", file.display());
    }
}

#[test]
fn a_newer_schema_is_refused() {
    let TestJournal { journal, config, folder: _folder, .. } = TestJournal::new();
    drop(journal);
    rusqlite::Connection::open(&config.path).unwrap().pragma_update(None, "user_version", 99).unwrap();
    assert!(matches!(refusal(&config.path), JournalError::Newer { found: 99, known: 3, .. }));
}

#[test]
fn what_is_no_journal_is_refused_and_left_alone() {
    let folder = TempDir::new().unwrap();
    let text = folder.path().join("text");
    fs::write(&text, "no database, but longer than the header of one, so that it has to be looked at".repeat(20))
        .unwrap();
    assert!(matches!(refusal(&text), JournalError::Unusable { .. }));

    let theirs = folder.path().join("theirs.db");
    rusqlite::Connection::open(&theirs).unwrap().execute_batch("CREATE TABLE theirs (id INTEGER)").unwrap();
    let before = fs::read(&theirs).unwrap();
    assert!(matches!(refusal(&theirs), JournalError::Unusable { .. }));
    assert_eq!(fs::read(&theirs).unwrap(), before);
}

#[test]
fn a_folder_that_cannot_be_made_is_named_with_the_systems_words() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    for path in [file.join("journal.db"), Path::new("/proc/none/journal.db").to_owned()] {
        match refusal(&path) {
            JournalError::NotWritable { error, .. } => assert!(error.contains("os error"), "{error}"),
            other => panic!("{other}"),
        }
    }
    assert!(matches!(refusal(folder.path()), JournalError::NotWritable { .. }));
}

#[test]
fn a_new_epoch_needs_a_journal() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("journal.db");
    assert!(matches!(new_epoch(&path), Err(JournalError::NotWritable { .. })));
    assert!(!path.exists());
}
