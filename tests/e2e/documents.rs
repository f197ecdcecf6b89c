//! What the pages for operators say is what the code does.

use std::{fs, path::PathBuf};

use crate::{
    program::project,
    stack::{Stack, run},
};

fn page(name: &str) -> String {
    fs::read_to_string(project().join("docs").join(name)).expect("the page is there")
}

#[test]
fn every_reason_is_explained_beside_its_state() {
    let page = page("upstream.md");
    for row in pushgate_session::classification() {
        // A status or a code stands for all of its kind.
        let kind = row.reason.trim_end_matches(|c: char| c.is_ascii_digit());
        let (reason, state) = (format!("`{kind}"), format!("`{}`", row.state));
        let told = page.lines().any(|line| line.contains(&reason) && line.contains(&state));
        assert!(told, "{} ({}, {})", row.ending, row.state, row.reason);
    }
}

#[test]
fn every_metric_is_listed() {
    run(async {
        let stack = Stack::start().await;
        let exposition = stack.gateway.admin("/metrics").await.text();
        let page = page("operations.md");
        let mut unlisted: Vec<_> = exposition
            .lines()
            .filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next())
            .filter(|name| !is_listed(&page, name))
            .collect();
        unlisted.dedup();
        assert!(unlisted.is_empty(), "{unlisted:?}");
        stack.stop().await;
    });
}

/// By its whole name, or by its end in a list such as `pushgate_a_b`, `…_c`.
fn is_listed(page: &str, name: &str) -> bool {
    let ends = name.match_indices('_').map(|(at, _)| format!("`…{}`", &name[at..]));
    page.contains(&format!("`{name}")) || ends.into_iter().any(|end| page.contains(&end))
}

/// The pages of the project, by their paths below its folder.
fn pages() -> Vec<(PathBuf, String)> {
    let root = project();
    let docs =
        fs::read_dir(root.join("docs")).expect("the folder is there").map(|entry| entry.expect("it is read").path());
    let pages = docs.chain(
        ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "docs/performance/README.md"].map(|name| root.join(name)),
    );
    let pages = pages.filter(|path| path.extension().is_some_and(|extension| extension == "md"));
    pages.map(|path| (path.clone(), fs::read_to_string(path).expect("the page is there"))).collect()
}

/// The targets of a page's links, but for those to other sites.
fn links(page: &str) -> impl Iterator<Item = &str> {
    let targets = page.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target);
    targets.filter(|target| !target.contains("://"))
}

/// The anchor that a heading gets: lowercase, without punctuation, with hyphens for spaces.
fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}

#[test]
fn every_link_leads_somewhere() {
    let mut count = 0;
    for (path, page) in pages() {
        for target in links(&page) {
            let (file, fragment) = target.split_once('#').unwrap_or((target, ""));
            let file = if file.is_empty() { path.clone() } else { path.parent().expect("a folder").join(file) };
            assert!(file.exists(), "{}: {target}", path.display());
            if !fragment.is_empty() {
                let there = fs::read_to_string(&file).expect("it is a page");
                let headings = there.lines().filter(|line| line.starts_with('#'));
                let found =
                    headings.map(|line| anchor(line.trim_start_matches('#').trim())).any(|name| name == fragment);
                assert!(found, "{}: {target}", path.display());
            }
            count += 1;
        }
    }
    assert!(count > 20, "{count}");
}
