use std::{path::Path, time::Duration};

use super::{Files, Settings, load};

#[test]
fn without_files_and_variables_the_defaults_hold() {
    let settings = Settings::load(&[], &[]).unwrap();
    assert_eq!(settings.http.public.bind.to_string(), "127.0.0.1:8080");
    assert_eq!(settings.http.admin.bind.to_string(), "127.0.0.1:9090");
    assert!(settings.http.admin.token.is_none() && !settings.http.public.demo_page);
    assert!(settings.http.public.workers >= 1 && settings.upstream.threads >= 1);
    assert_eq!(settings.fanout.heartbeat, Duration::from_secs(15));
    assert_eq!(settings.journal.path, Path::new("data/journal.db"));
    assert_eq!(settings.journal.retention.max_bytes, 10 << 30);
    assert_eq!(settings.upstream.max_message, 4 << 20);
    assert!(settings.tenants.is_empty());
}

#[test]
fn later_files_override_earlier_ones_and_the_environment_overrides_all() {
    let files = Files::new(&[
        "server.heartbeat = \"1s\"\nserver.stall_timeout = \"1s\"\nserver.limits.tenants_per_stream = 1",
        "[server]\nheartbeat = \"2s\"\nstall_timeout = \"2s\"\n[server.limits]\nbody = \"2KiB\"",
    ]);
    let settings = files
        .load(&[("PUSHGATE__SERVER__HEARTBEAT", "3s"), ("PUSHGATE__SERVER__LIMITS__BODY", "3KiB"), ("HOME", "/root")])
        .unwrap();
    assert_eq!(settings.fanout.heartbeat, Duration::from_secs(3));
    assert_eq!(settings.http.public.stall_timeout, Duration::from_secs(2));
    assert_eq!(settings.http.policy.limits.body, 3 << 10);
    // Tables merge key by key: what only the first file says, holds.
    assert_eq!(settings.http.policy.limits.tenants_per_stream, 1);
    assert_eq!(settings.http.public.head_timeout, Duration::from_secs(10));
}

#[test]
fn texts_of_the_environment_become_numbers_and_truth_values() {
    let settings = Files::new(&[])
        .load(&[
            ("PUSHGATE__SERVER__WORKERS", "3"),
            ("PUSHGATE__JOURNAL__RETENTION__MAX_PUSHES_PER_TENANT", "0"),
            ("PUSHGATE__SERVER__BIND", "0.0.0.0:80"),
            ("PUSHGATE__AUTH__ALLOW_INSECURE", "true"),
        ])
        .unwrap();
    assert_eq!(settings.http.public.workers, 3);
    assert_eq!(settings.journal.retention.max_pushes_per_tenant, 0);
    let effective = settings.effective.to_string();
    assert!(effective.contains("workers = 3\n") && effective.contains("allow_insecure = true\n"), "{effective}");
}

#[test]
fn the_admin_address_is_found_whatever_else_is_wrong() {
    let bind = |text: &str| Settings::admin_bind(&Files::new(&[text]).paths, &[]);
    let wrong =
        "tenants_dir = \"/nonexistent\"\nx = 1\nadmin = { bind = \"127.0.0.1:1\", token = \"a b\" }\n[[tenants]]";
    assert_eq!(bind(wrong).unwrap().to_string(), "127.0.0.1:1");
    assert_eq!(bind("").unwrap().to_string(), "127.0.0.1:9090");
    assert_eq!(bind("x = 1\nadmin.bind = \"x\"").unwrap_err().0.len(), 2);
    assert_eq!(bind("admin.bind = \"127.0.0.1:1\"\n]").unwrap_err().0.len(), 1);
}

#[test]
fn a_list_replaces_the_list_of_the_layer_before() {
    let url = "upstream.url = \"ws://h/\"\n";
    let first = format!("{url}[[tenants]]\nid = \"a\"\n[[tenants]]\nid = \"b\"");
    let settings = Files::new(&[&first, "[[tenants]]\nid = \"c\""]).load(&[]).unwrap();
    let ids: Vec<_> = settings.tenants.iter().map(|tenant| tenant.config.id.as_str()).collect();
    assert_eq!(ids, ["c"]);
}

#[test]
fn a_byte_order_mark_is_skipped() {
    assert_eq!(load("\u{feff}server.workers = 2").unwrap().http.public.workers, 2);
}
