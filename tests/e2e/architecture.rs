//! The walls of the house, as ARCHITECTURE.md draws them: who may depend on whom.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, MetadataCommand};

/// What each crate may know of its siblings.
const SIBLINGS: &[(&str, &[&str])] = &[
    ("pushgate-model", &[]),
    ("pushgate-protocol", &["pushgate-model"]),
    ("pushgate-session", &["pushgate-model", "pushgate-protocol"]),
    ("pushgate-journal", &["pushgate-model"]),
    ("pushgate-fanout", &["pushgate-journal", "pushgate-model"]),
    (
        "pushgate-upstream",
        &["pushgate-fanout", "pushgate-journal", "pushgate-model", "pushgate-protocol", "pushgate-session"],
    ),
    ("pushgate-http", &["pushgate-fanout", "pushgate-journal", "pushgate-model", "pushgate-upstream"]),
    ("pushgate-subscriber", &["pushgate-model"]),
    ("pushgate-simulator", &["pushgate-model", "pushgate-protocol"]),
];

/// Where a library may be used, besides nowhere.
const LIBRARIES: &[(&str, &[&str])] = &[
    ("actix-web", &["pushgate-http", "pushgate-simulator"]),
    ("actix-web-actors", &["pushgate-simulator"]),
    ("actix-server", &["pushgate-http"]),
    ("h2", &["pushgate-http"]),
    ("jsonwebtoken", &["pushgate-http"]),
    ("awc", &["pushgate-subscriber", "pushgate-upstream"]),
    ("prost", &["pushgate-protocol"]),
    ("rusqlite", &["pushgate-journal"]),
    ("config", &["pushgate"]),
    ("clap", &["pushgate"]),
    ("anyhow", &["pushgate"]),
];

/// What the pure crates do without: a runtime, actors, sockets.
const PURE: &[&str] = &["pushgate-model", "pushgate-protocol", "pushgate-session"];
const IMPURE: &[&str] = &["tokio", "actix", "actix-rt", "actix-web", "awc", "rusqlite", "socket2"];

/// The normal dependencies of each package of the workspace.
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.toml");
    let metadata = MetadataCommand::new()
        .manifest_path(manifest)
        .no_deps()
        .other_options(["--offline".to_owned()])
        .exec()
        .expect("cargo metadata works in a checkout");
    let normal = |package: &cargo_metadata::Package| {
        let of_kind = package.dependencies.iter().filter(|dependency| dependency.kind == DependencyKind::Normal);
        of_kind.map(|dependency| dependency.name.clone()).collect()
    };
    metadata.packages.iter().map(|package| (package.name.to_string(), normal(package))).collect()
}

#[test]
fn siblings_are_known_only_downwards() {
    let all = dependencies();
    for (package, uses) in &all {
        let siblings: BTreeSet<&str> =
            uses.iter().map(String::as_str).filter(|name| name.starts_with("pushgate-")).collect();
        if package == "pushgate" {
            continue;
        }
        let allowed = SIBLINGS.iter().find(|(name, _)| name == package);
        let (_, allowed) = allowed.unwrap_or_else(|| panic!("{package} has no rule: add one, and to ARCHITECTURE.md"));
        let beyond: Vec<_> = siblings.iter().filter(|name| !allowed.contains(name)).collect();
        assert!(beyond.is_empty(), "{package} must not know {beyond:?}");
    }
    assert_eq!(all.len(), SIBLINGS.len() + 1, "a rule for a crate that is gone");
}

#[test]
fn libraries_stay_in_their_rooms() {
    for (package, uses) in dependencies() {
        for (library, rooms) in LIBRARIES {
            let allowed = rooms.contains(&package.as_str());
            assert!(allowed || !uses.contains(*library), "{package} must not use {library}: only {rooms:?} may");
        }
        if PURE.contains(&package.as_str()) {
            let impure: Vec<_> = IMPURE.iter().filter(|library| uses.contains(**library)).collect();
            assert!(impure.is_empty(), "{package} is pure and must not use {impure:?}");
        }
    }
}
