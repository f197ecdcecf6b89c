//! What the pages for operators say is what the code does.

use crate::stack::{Stack, run};

fn page(name: &str) -> String {
    let path = format!("{}/../../docs/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(path).expect("the page is there")
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
