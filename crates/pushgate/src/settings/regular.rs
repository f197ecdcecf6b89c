use std::{
    fs::{self, File},
    io,
    path::Path,
};

/// Opens a file, or what a link leads to, to read it. Anything but a regular file is refused before it is opened: a pipe
/// would be waited for until somebody writes, and a device may do whatever it does when opened.
///
/// # Errors
/// It can't be opened, or is no regular file.
pub(super) fn open(path: &Path) -> io::Result<File> {
    if fs::metadata(path)?.is_file() {
        File::open(path)
    } else {
        Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file"))
    }
}
