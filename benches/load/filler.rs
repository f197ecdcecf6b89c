use std::{
    fs::{self, File},
    io::{ErrorKind, Write},
    path::PathBuf,
};

use anyhow::{Context, Result, ensure};

/// The largest file system that is filled, in bytes: a mistyped folder must not fill a real disk.
const MAX_FREE: u64 = 512 << 20;
/// Bytes of a write; smaller ones fill the last gap.
const BLOCKS: [usize; 3] = [1 << 20, 64 << 10, 1 << 10];

/// A file that takes all the room there is; removed when dropped.
pub(crate) struct Filler {
    path: PathBuf,
    file: File,
}

impl Filler {
    /// Makes an empty file on a file system that is small enough to be filled.
    pub(crate) fn new(path: PathBuf) -> Result<Self> {
        let file = File::create(&path).with_context(|| path.display().to_string())?;
        let room = rustix::fs::fstatvfs(&file)?;
        let free = room.f_bavail.saturating_mul(room.f_frsize);
        ensure!(
            free <= MAX_FREE,
            "{} has {} MiB left: --dir must be a small file system of its own (benches/disk.sh makes one)",
            path.display(),
            free >> 20
        );
        Ok(Self { path, file })
    }

    /// Takes what is left; how many bytes that were.
    pub(crate) fn fill(&mut self) -> Result<u64> {
        let mut taken = 0;
        for size in BLOCKS {
            let block = vec![0x55; size];
            loop {
                match self.file.write(&block) {
                    Ok(0) => break,
                    Ok(count) => taken += count as u64,
                    Err(error) if matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded) => break,
                    Err(error) => return Err(error).context("the filler can't be written"),
                }
            }
        }
        Ok(taken)
    }
}

impl Drop for Filler {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.path) {
            eprintln!("disk: {} can't be removed: {error}", self.path.display());
        }
    }
}
