//! The module's source: its types, its parts, its page in the docs.

use std::{path::Path, process::Command};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// Runs Node in the project's folder.
fn node(arguments: &[&str]) {
    let output = Command::new("node").args(arguments).current_dir(ROOT).output();
    let output = output.expect("node runs: tests/browser/install.sh installs it");
    let told = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    assert!(output.status.success(), "{}\n{}", told[0], told[1]);
}

#[test]
fn every_option_and_event_is_explained() {
    let read = |path: &str| std::fs::read_to_string(Path::new(ROOT).join(path)).expect("the file is there");
    let (types, page) = (read("crates/http/assets/client.d.ts"), read("docs/client.md"));
    let mut explained = 0;
    for interface in ["export interface ConnectOptions {", "export interface PushStreamEvents {"] {
        let members = types.split_once(interface).expect("it is declared").1.split_once("\n}").expect("it ends").0;
        for name in members.lines().filter_map(|line| line.strip_prefix("  ")?.split_once([':', '?'])) {
            let name = name.0.trim_matches('\'');
            if name.chars().all(|c| c.is_ascii_alphabetic() || c == '-') {
                assert!(page.contains(&format!("`{name}`")), "{name}");
                explained += 1;
            }
        }
    }
    assert!(explained > 20, "{explained}");
}

#[test]
fn the_types_fit_how_the_module_is_used() {
    let compiler = "target/browser/node_modules/typescript/bin/tsc";
    assert!(Path::new(ROOT).join(compiler).exists(), "run `make browser` first");
    node(&[
        compiler,
        "--noEmit",
        "--strict",
        "--target",
        "es2022",
        "--module",
        "esnext",
        "--moduleResolution",
        "bundler",
        "--lib",
        "es2022,dom",
        "tests/browser/sample.ts",
    ]);
}

#[test]
fn the_parts_of_the_module_keep_their_promises() {
    let folder = "tests/browser/parts";
    let files = std::fs::read_dir(Path::new(ROOT).join(folder)).unwrap().map(|file| file.unwrap().file_name());
    let tests = files.filter_map(|name| name.into_string().ok()).filter(|name| name.ends_with(".test.mjs"));
    let tests: Vec<_> = tests.map(|name| format!("{folder}/{name}")).collect();
    assert!(!tests.is_empty());
    let arguments: Vec<_> = std::iter::once("--test").chain(tests.iter().map(String::as_str)).collect();
    node(&arguments);
}
