//! The module as a file: how it is served, and what its types say.

use std::{path::Path, process::Command};

use crate::stack::{Stack, run};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// Runs Node in the project's folder.
fn node(arguments: &[&str]) {
    let output = Command::new("node").args(arguments).current_dir(ROOT).output();
    let output = output.expect("node runs: tests/browser/install.sh installs it");
    let told = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    assert!(output.status.success(), "{}\n{}", told[0], told[1]);
}

#[test]
fn the_module_is_for_every_page_and_revalidated() {
    run(async {
        let stack = Stack::start().await;
        for (path, content_type) in
            [("/client.js", "text/javascript; charset=utf-8"), ("/client.d.ts", "text/plain; charset=utf-8")]
        {
            let answer = stack.gateway.get(path).await;
            assert_eq!((answer.status, answer.header("content-type")), (200, Some(content_type)));
            assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
            assert_eq!(answer.header("cross-origin-resource-policy"), Some("cross-origin"));
            assert_eq!(answer.header("cache-control"), Some("no-cache"));
            assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
            assert!(answer.header("etag").is_some_and(|tag| tag.starts_with('"')));
        }
        stack.stop().await;
    });
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
