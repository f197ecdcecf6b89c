//! The folder that `tenants_dir` names: which of its files are tenants.

use std::{
    ffi::OsStr,
    fs, io,
    path::{Path, PathBuf},
};

use super::origin::Origin;

/// Files of one folder. Far more tenants than one gateway holds, and a bound for a wrong path.
const MAX_FILES: usize = 100_000;
const EXTENSION: &str = "toml";

/// A folder of tenants.
pub(super) struct Folder {
    pub(super) path: PathBuf,
    /// By name.
    pub(super) files: Vec<TenantFile>,
}

/// One file of it.
pub(super) struct TenantFile {
    pub(super) path: PathBuf,
    /// Its name without the extension.
    pub(super) stem: String,
}

impl TenantFile {
    pub(super) fn origin(&self, line: usize) -> Origin {
        Origin::File { path: self.path.display().to_string(), line }
    }
}

/// Looks into the folder. What is wrong with it is said in words.
pub(super) fn list(text: &str) -> Result<Folder, String> {
    let path = PathBuf::from(text);
    let unreadable = |error: io::Error| format!("must be a readable folder: {error}");
    let mut files = Vec::new();
    for entry in fs::read_dir(&path).map_err(unreadable)? {
        let file = entry.map_err(unreadable)?.path();
        if !is_tenant(&file) || is_something_else(&file) {
            continue;
        }
        if files.len() == MAX_FILES {
            return Err(format!("must be a folder of at most {MAX_FILES} tenants"));
        }
        let stem = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        files.push(TenantFile { path: file, stem });
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(Folder { path, files })
}

/// Whether a file of this name is a tenant. Hidden ones are what editors, and those who swap whole folders, leave there.
pub(crate) fn is_tenant(file: &Path) -> bool {
    let hidden = file.file_name().is_none_or(|name| name.as_encoded_bytes().starts_with(b"."));
    !hidden && file.extension() == Some(OsStr::new(EXTENSION))
}

/// Whether it is neither a file nor a link to one: a folder, or what would be waited for without end. What can't be told
/// counts as a file, so that it is a mistake and not overlooked.
fn is_something_else(file: &Path) -> bool {
    fs::metadata(file).is_ok_and(|metadata| !metadata.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_visible_files_of_toml_are_tenants() {
        for (name, expected) in [
            ("acme.toml", true),
            ("a.b.toml", true),
            (".acme.toml", false),
            (".toml", false),
            ("..data", false),
            ("acme.TOML", false),
            ("acme.toml~", false),
            ("acme.toml.bak", false),
            ("acme", false),
        ] {
            assert_eq!(is_tenant(&Path::new("tenants.d").join(name)), expected, "{name}");
        }
    }
}
