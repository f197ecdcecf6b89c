use std::collections::{HashMap, HashSet};

use crate::{client::get, gateway::Gateway};

/// The family that a sample belongs to, by the suffixes that its type may have.
fn family<'a>(sample: &'a str, types: &HashMap<&'a str, &'a str>) -> Option<&'a str> {
    let suffixes: [(&str, &[&str]); 4] = [
        ("counter", &["_total"]),
        ("gauge", &[""]),
        ("info", &["_info"]),
        ("histogram", &["_bucket", "_sum", "_count"]),
    ];
    suffixes.iter().find_map(|(kind, suffixes)| {
        suffixes.iter().filter_map(|suffix| sample.strip_suffix(suffix)).find(|name| types.get(name) == Some(kind))
    })
}

#[test]
fn every_metric_is_ours_and_has_help_and_a_type() {
    let gateway = Gateway::start();
    get(gateway.public, "/tenants/acme/pushes", &[]);
    let answer = get(gateway.admin, "/metrics", &[]);
    assert_eq!(answer.status, 200);
    let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert_eq!(answer.header("content-type"), Some(content_type));

    let lines: Vec<_> = answer.body.lines().collect();
    assert_eq!(lines.last(), Some(&"# EOF"));
    let described = |mark: &str| -> Vec<(&str, &str)> {
        lines.iter().filter_map(|line| line.strip_prefix(mark)?.split_once(' ')).collect()
    };
    let types: HashMap<_, _> = described("# TYPE ").into_iter().collect();
    let help: HashMap<_, _> = described("# HELP ").into_iter().collect();
    assert_eq!(types.len(), described("# TYPE ").len(), "a name is described once");
    assert!(types.len() >= 39, "{types:?}");
    assert_eq!(types.keys().collect::<HashSet<_>>(), help.keys().collect());
    assert!(types.keys().all(|name| name.starts_with("pushgate_")), "{types:?}");
    assert!(help.values().all(|text| text.len() > 5), "{help:?}");

    for sample in lines.iter().filter(|line| !line.starts_with('#')) {
        let (series, value) = sample.rsplit_once(' ').unwrap();
        let name = series.split('{').next().unwrap();
        assert!(family(name, &types).is_some(), "{sample}");
        assert!(value.parse::<f64>().is_ok(), "{sample}");
    }
}

#[test]
fn metrics_tell_what_happened() {
    let gateway = Gateway::start();
    gateway.commit("acme", "p-1", None);
    get(gateway.public, "/tenants/acme/pushes", &[]);
    get(gateway.public, "/nothing", &[]);
    gateway.journal.set_failing(Some("no disk"));
    let body = get(gateway.admin, "/metrics", &[]).body;
    for sample in [
        "pushgate_journal_stored_total 1",
        "pushgate_journal_writable 0",
        "pushgate_connections{state=\"connected\"} 1",
        "pushgate_connections{state=\"backoff\"} 1",
        "pushgate_connections{state=\"crashed\"} 0",
        "pushgate_http_responses_total{listener=\"public\",status=\"200\"} 1",
        "pushgate_http_responses_total{listener=\"public\",status=\"404\"} 1",
        "pushgate_upstream_acks_total 0",
        concat!("pushgate_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"} 1"),
    ] {
        assert!(body.lines().any(|line| line == sample), "{sample} is not in {body}");
    }
}
