//! The tenants of the files: `[[tenants]]`, and one file each in the folder that `tenants_dir` names.

use std::{collections::HashSet, path::PathBuf};

use pushgate_model::TenantId;
use pushgate_upstream::{Source, TenantSettings};

use super::{
    document,
    folder::{self, Folder, TenantFile},
    section::Section,
    tenant,
    upstream::TenantDefaults,
};

/// What an id looks like.
const ID: &str = "must be 1 to 64 of a-z, 0-9, _ and -, beginning with a letter or digit";
/// The largest file of one tenant, in bytes: its secrets may be certificates.
const MAX_FILE: u64 = 1 << 20;

/// The tenants in order: those of the list, then those of the folder, and the folder. `defaults` is nothing when
/// `[upstream]` is wrong, which is listed already.
pub(super) fn read(
    root: &mut Section<'_>,
    defaults: Option<&TenantDefaults>,
) -> (Vec<TenantSettings>, Option<PathBuf>) {
    root.show_unset("tenants_dir");
    let folder = root.text("tenants_dir", folder::list);
    let mut ids = HashSet::new();
    let mut tenants = root.list("tenants", |section| {
        let id = own_id(section, &mut ids);
        tenant::read(section, id, Source::File, defaults)
    });
    let Some(Folder { path, files }) = folder else { return (tenants, None) };
    // Both the folder and its tenants would give each tenant twice to whoever reads what is shown.
    root.remark_on("tenants_dir", &format!("tenants_dir is {}: its tenants are listed below", path.display()));
    tenants.extend(files.iter().filter_map(|file| read_file(root, file, &ids, defaults)));
    (tenants, Some(path))
}

fn own_id(section: &mut Section<'_>, ids: &mut HashSet<TenantId>) -> Option<TenantId> {
    if !section.has("id") {
        section.missing("id", &format!("is missing: {ID}"));
    }
    let id: TenantId = section.text("id", |text| text.parse().map_err(|_| ID.to_owned()))?;
    if !ids.insert(id.clone()) {
        section.report.contradiction(&[&section.path_of("id")], "an earlier tenant has this id: each needs its own");
    }
    Some(id)
}

/// One file of the folder. `ids` are those of the list; two files of one folder differ in their names.
fn read_file(
    root: &mut Section<'_>,
    file: &TenantFile,
    ids: &HashSet<TenantId>,
    defaults: Option<&TenantDefaults>,
) -> Option<TenantSettings> {
    let values = match document::read(&file.path, MAX_FILE) {
        Ok(values) => values,
        Err(errors) => {
            // Unlike a whole layer, it can't hold what others lack.
            for error in errors {
                root.report.refuse(&file.origin(error.line), "", error.message);
            }
            return None;
        }
    };
    root.document("tenants", &file.path, values, |section| {
        let id = id_of_file(section, file);
        if id.as_ref().is_some_and(|id| ids.contains(id)) {
            let place = section.place_of("id");
            section.refuse(&place, "id", "a tenant of [[tenants]] has this id: each needs its own");
        }
        if !section.has("id") {
            section.take_over("id", file.stem.as_str().into());
        }
        tenant::check_id(section, &file.stem, "must be the name of the file without .toml, or left out");
        tenant::read(section, id, Source::File, defaults)
    })
}

fn id_of_file(section: &Section<'_>, file: &TenantFile) -> Option<TenantId> {
    let id = file.stem.parse();
    let refuse = |_| section.report.refuse(&file.origin(1), "", format!("the name of the file before .toml {ID}"));
    id.map_err(refuse).ok()
}
