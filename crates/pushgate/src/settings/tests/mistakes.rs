use std::path::PathBuf;

use super::{Files, Settings, load, places};

/// Wrong texts, and line and key of every mistake in them.
const WRONG: &[(&str, &[(usize, &str)])] = &[
    // Unknown keys, on every level.
    ("x = 1\ntenants_dirs = \"t\"", &[(2, "tenants_dirs"), (1, "x")]),
    ("server.bnd = \"x\"\n[server.limits]\nstream = 1", &[(3, "server.limits.stream"), (1, "server.bnd")]),
    ("auth = { mode = \"none\", isuer = \"x\" }", &[(1, "auth.isuer")]),
    ("\"server.bind\" = \"127.0.0.1:1\"\n\"a[9999999999]\" = 1", &[(2, "a[9999999999]"), (1, "server.bind")]),
    ("upstream.ack_time = \"30s\"", &[(1, "upstream.ack_time")]),
    // Wrong kinds.
    ("server = 1\nadmin = []\njournal = \"x\"", &[(1, "server"), (2, "admin"), (3, "journal")]),
    ("tenants = 1", &[(1, "tenants")]),
    ("tenants = [1, {}]\nupstream.url = \"ws://h/\"", &[(1, "tenants[0]"), (1, "tenants[1].id")]),
    ("server.workers = \"2\"\nauth.allow_insecure = \"true\"", &[(1, "server.workers"), (2, "auth.allow_insecure")]),
    ("journal.path = 1\njournal.fsync = true", &[(1, "journal.path"), (2, "journal.fsync")]),
    // Values out of range.
    ("server.bind = \"localhost:80\"\nadmin.bind = \"127.0.0.1\"", &[(1, "server.bind"), (2, "admin.bind")]),
    ("server.heartbeat = \"20\"\nserver.stall_timeout = 20", &[(1, "server.heartbeat"), (2, "server.stall_timeout")]),
    (
        "server.heartbeat = \"0s\"\nserver.stall_timeout = \"2days\"",
        &[(1, "server.heartbeat"), (2, "server.stall_timeout")],
    ),
    ("journal.dedup = \"0s\"\njournal.path = \"\"", &[(2, "journal.path"), (1, "journal.dedup")]),
    ("server.workers = -1\nupstream.threads = 1025", &[(1, "server.workers"), (2, "upstream.threads")]),
    (
        "upstream.connect.concurrent = 0\nupstream.connect.per_second = 1.5",
        &[(1, "upstream.connect.concurrent"), (2, "upstream.connect.per_second")],
    ),
    (
        "upstream.max_message = 4096\nserver.limits.body = \"1TiB\"",
        &[(2, "server.limits.body"), (1, "upstream.max_message")],
    ),
    ("upstream.threads = 99999999999999999999", &[(1, "upstream.threads")]),
    // Words that are not, or not yet, known.
    (
        "auth.mode = \"jws\"\njournal.engine = \"nats\"\nupstream.ack = \"read\"",
        &[(1, "auth.mode"), (2, "journal.engine"), (3, "upstream.ack")],
    ),
    (
        "upstream.on_quarantine = \"drop\"\njournal.fsync = \"sometimes\"",
        &[(2, "journal.fsync"), (1, "upstream.on_quarantine")],
    ),
    (
        "upstream.ack_timeout = \"0s\"\nupstream.ack_on_timeout = \"\"\nupstream.in_flight.total = 0",
        &[(1, "upstream.ack_timeout"), (2, "upstream.ack_on_timeout"), (3, "upstream.in_flight.total")],
    ),
    ("tenants_dir = \"/nonexistent\"", &[(1, "tenants_dir")]),
    ("tenants_dir = 1", &[(1, "tenants_dir")]),
    // Values that contradict each other: at the one that is given.
    ("upstream.backoff.initial = \"90s\"", &[(1, "upstream.backoff.initial")]),
    ("upstream.backoff.max = \"500ms\"", &[(1, "upstream.backoff.max")]),
    ("upstream.heartbeat.dead_after = \"20s\"", &[(1, "upstream.heartbeat.dead_after")]),
    ("upstream.in_flight.total = \"1KiB\"", &[(1, "upstream.in_flight.total")]),
    ("upstream.in_flight.bytes = \"65MiB\"", &[(1, "upstream.in_flight.bytes")]),
    ("server.bind = \"0.0.0.0:8080\"", &[(1, "server.bind")]),
    ("admin.bind = \"[::]:9090\"", &[(1, "admin.bind")]),
    ("server.bind = \"127.0.0.1:9090\"", &[(1, "server.bind")]),
    // Tenants.
    ("[[tenants]]\nid = \"a\"", &[(1, "tenants[0].url")]),
    (
        "upstream.url = \"ws://h/\"\n[[tenants]]\nid = \"A\"\n[[tenants]]\nid = \"b\"\n[[tenants]]\nid = \"b\"",
        &[(3, "tenants[0].id"), (7, "tenants[2].id")],
    ),
    // A wrong common URL is one mistake, whoever would take it over.
    ("upstream.url = \"http://h/\"\n[[tenants]]\nid = \"a\"\n[[tenants]]\nid = \"b\"", &[(1, "upstream.url")]),
    (
        "[[tenants]]\nid = \"a\"\nurl = \"ws://h/{tennant}\"\nenabled = 1\nack = \"read\"",
        &[(3, "tenants[0].url"), (4, "tenants[0].enabled"), (5, "tenants[0].ack")],
    ),
    (
        "[[tenants]]\nid = \"a\"\nurl = \"ws://h/\"\nbearer = \"t\"\n[tenants.headers]\nHost = \"h\"\nauthorization = \"x\"",
        &[(6, "tenants[0].headers.Host"), (7, "tenants[0].headers.authorization")],
    ),
    (
        "[[tenants]]\nid = \"a\"\nurl = \"ws://h/\"\nheaders = { X = \"a\\nb\", Y = 1, Z = \"1\", z = \"2\" }",
        &[(4, "tenants[0].headers.X"), (4, "tenants[0].headers.Y"), (4, "tenants[0].headers.z")],
    ),
    (
        "[[tenants]]\nid = \"a\"\nurl = \"ws://h/\"\nquery = { \"\" = \"a\" }\nbearer = \"\"",
        &[(5, "tenants[0].bearer"), (4, "tenants[0].query.")],
    ),
    (
        "[[tenants]]\nid = \"a\"\nurl = \"ws://h/\"\nack_timeout = \"30\"\nack_on_timeout = \"no\"\non_quarantine = \"none\"",
        &[(4, "tenants[0].ack_timeout"), (5, "tenants[0].ack_on_timeout"), (6, "tenants[0].on_quarantine")],
    ),
    (
        "[[tenants]]\nid = \"a\"\nurl = \"ws://h/\"\nsubprotocol = \"a, b\"\nproxy = \"https://h\"",
        &[(4, "tenants[0].subprotocol"), (5, "tenants[0].proxy")],
    ),
    (
        "[[tenants]]\nid = \"a\"\nurl = \"wss://h/\"\nclient_cert = \"x\"\nclient_key = \"x\"",
        &[(4, "tenants[0].client_cert"), (5, "tenants[0].client_key")],
    ),
    // Secrets.
    ("admin.token = 1", &[(1, "admin.token")]),
    ("[[tenants]]\nid = \"a\"\nurl = \"ws://h/\"\nbearer = {}", &[(4, "tenants[0].bearer")]),
    ("admin.token = {}", &[(1, "admin.token")]),
    ("admin.token = { env = \"A\", file = \"b\" }", &[(1, "admin.token")]),
    ("admin.token = { environment = \"A\" }", &[(1, "admin.token.environment")]),
    ("admin.token = { env = \"NOT_SET\" }", &[(1, "admin.token")]),
    ("admin.token = { file = \"/nonexistent/token\" }", &[(1, "admin.token")]),
    ("admin.token = \"two words\"", &[(1, "admin.token")]),
    ("admin.token = \"***\"", &[(1, "admin.token")]),
    // No TOML.
    ("[server\nbind = 1", &[(1, "")]),
    ("a = 1\na = 2", &[(2, "")]),
    ("a = 1\nb = \"x\n", &[(2, "")]),
];

#[test]
fn every_mistake_is_listed_with_its_line_and_key() {
    for (text, expected) in WRONG {
        let expected: Vec<_> =
            expected.iter().map(|(line, key)| (format!("0.toml:{line}"), (*key).to_owned())).collect();
        assert_eq!(places(load(text)), expected, "{text}");
    }
}

#[test]
fn mistakes_of_all_layers_are_listed_together() {
    let files = Files::new(&["server.heartbeat = 1", "[broken", "journal.path = 1"]);
    let env = [("PUSHGATE__UPSTREAM__BACKOFF__MAX", "soon"), ("PUSHGATE__SERVERS__BIND", "x")];
    let expected = [
        ("1.toml:1", ""),
        ("0.toml:1", "server.heartbeat"),
        ("2.toml:1", "journal.path"),
        ("PUSHGATE__UPSTREAM__BACKOFF__MAX", "upstream.backoff.max"),
        ("PUSHGATE__SERVERS__BIND", "servers"),
    ];
    let places = places(files.load(&env));
    assert_eq!(places, expected.map(|(place, key)| (place.to_owned(), key.to_owned())));
}

#[test]
fn a_broken_file_is_no_reason_to_miss_what_may_stand_in_it() {
    let files = Files::new(&["upstream.url = \"ws://h/\"\n]", "[[tenants]]\nid = \"a\""]);
    assert_eq!(places(files.load(&[])), [("0.toml:2".to_owned(), String::new())]);
}

#[test]
fn a_file_that_is_absent_or_no_text_is_named() {
    let absent = Settings::load(&[PathBuf::from("absent/x.toml")], &[]).unwrap_err();
    assert_eq!((absent.0.len(), absent.0[0].place.as_str()), (1, "absent/x.toml"));
    let files = Files::new(&[""]);
    std::fs::write(&files.paths[0], b"a = \"\xff\"").unwrap();
    assert_eq!(places(files.load(&[])), [("0.toml".to_owned(), String::new())]);
}

#[test]
fn a_variable_that_hides_a_section_is_a_mistake() {
    let env = [("PUSHGATE__SERVER", "x"), ("PUSHGATE__SERVER__BIND", "127.0.0.1:1"), ("PUSHGATE__TENANTS__0__ID", "a")];
    let expected = [("PUSHGATE__SERVER", "server"), ("PUSHGATE__TENANTS__0__ID", "tenants")];
    let places = places(Files::new(&[]).load(&env));
    assert_eq!(places, expected.map(|(place, key)| (place.to_owned(), key.to_owned())));
}

#[test]
fn a_mistake_says_what_was_given_and_what_is_allowed() {
    let text = load("server.bnd = \"x\"\nserver.heartbeat = \"20\"").unwrap_err().to_string();
    for part in [
        "2 mistakes in the configuration",
        "0.toml:1: server.bnd: unknown key; did you mean server.bind?",
        "0.toml:2: server.heartbeat = \"20\": must be a duration with a unit, 1ms to 1day, such as \"20s\"",
    ] {
        assert!(text.contains(part), "{part:?} is missing in: {text}");
    }
    let text = load("[server]\nproxies = []").unwrap_err().to_string();
    assert!(
        text.contains("allowed here: bind, base_path, heartbeat, stall_timeout, workers, cors_origins, "),
        "{text}"
    );
}
