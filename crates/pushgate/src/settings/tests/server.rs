//! What `[server]` says beside its listener: who may read across origins, who is believed, how much one may ask for.

use super::{Files, IDENTITY, load, places};

#[test]
fn pages_and_proxies_are_read_from_files_and_the_environment() {
    let text = "server.cors_origins = [\"https://App.example.com:443\", \"http://localhost:3000\"]\n\
                server.trusted_proxies = [\"10.0.0.1\", \"fd00::/8\"]";
    let in_file = load(text).unwrap();
    let env = [
        ("PUSHGATE__SERVER__CORS_ORIGINS", "https://App.example.com:443, http://localhost:3000,"),
        ("PUSHGATE__SERVER__TRUSTED_PROXIES", "10.0.0.1,fd00::/8"),
    ];
    let in_env = Files::new(&[]).load(&env).unwrap();
    for settings in [in_file, in_env] {
        let policy = settings.http.policy;
        let origins: Vec<_> = policy.cors_origins.iter().map(String::as_str).collect();
        assert_eq!(origins, ["http://localhost:3000", "https://app.example.com"]);
        let proxies: Vec<_> = policy.trusted_proxies.iter().map(ToString::to_string).collect();
        assert_eq!(proxies, ["10.0.0.1/32", "fd00::/8"]);
    }
}

#[test]
fn each_item_of_a_list_has_its_own_place() {
    let text = "server.cors_origins = [\n  \"https://a\",\n  \"*\",\n  1,\n]\nserver.trusted_proxies = \"10.0.0.1\"";
    let expected = [(3, "server.cors_origins[1]"), (4, "server.cors_origins[2]"), (6, "server.trusted_proxies")];
    assert_eq!(places(load(text)), expected.map(|(line, key)| (format!("0.toml:{line}"), key.to_owned())));
    let env = [("PUSHGATE__SERVER__CORS_ORIGINS", "https://a,null")];
    let expected = [("PUSHGATE__SERVER__CORS_ORIGINS".to_owned(), "server.cors_origins[1]".to_owned())];
    assert_eq!(places(Files::new(&[]).load(&env)), expected);
}

#[test]
fn a_list_has_an_end() {
    let origins = |number: usize| format!("server.cors_origins = [{}]", "\"https://a\",".repeat(number));
    assert!(load(&origins(1000)).is_ok());
    assert_eq!(load(&origins(1001)).unwrap_err().0[0].key, "server.cors_origins");
}

#[test]
fn limits_are_off_by_default_and_read_where_they_are_set() {
    let limits = load("").unwrap().http.policy.limits;
    assert_eq!((limits.streams, limits.streams_per_tenant, limits.connects_per_second_per_address), (0, 0, 0));
    let text = "[server.limits]\nstreams = 1\nstreams_per_tenant = 2\nstreams_per_address = 3\nstreams_per_token = 4\n\
                connects_per_second_per_address = 5\nurl = \"1KiB\"\nheaders = \"64KiB\"\nreplay_per_second = \"1MiB\"";
    let settings = load(text).unwrap();
    let limits = settings.http.policy.limits;
    let streams = [limits.streams, limits.streams_per_tenant, limits.streams_per_address, limits.streams_per_token];
    assert_eq!((streams, limits.connects_per_second_per_address), ([1, 2, 3, 4], 5));
    assert_eq!((limits.url, limits.headers, settings.fanout.replay_rate), (1 << 10, 64 << 10, 1 << 20));
    for (zero, rate) in [("0", 0), ("\"0\"", 0), ("\"0B\"", 0)] {
        let settings = load(&format!("server.limits.replay_per_second = {zero}")).unwrap();
        assert_eq!(settings.fanout.replay_rate, rate, "{zero}");
    }
    for wrong in ["url = \"1B\"", "headers = \"65KiB\"", "replay_per_second = \"1KiB\"", "streams = -1", "url = 0"] {
        assert!(load(&format!("[server.limits]\n{wrong}")).is_err(), "{wrong}");
    }
}

#[test]
fn what_is_set_by_default_is_what_the_crates_have_by_default() {
    let settings = load("").unwrap();
    let (policy, default) = (settings.http.policy, pushgate_http::Policy::default());
    assert_eq!(format!("{policy:?}"), format!("{default:?}"));
    assert_eq!(format!("{:?}", settings.fanout), format!("{:?}", pushgate_fanout::FanoutConfig::default()));
}

#[test]
fn tls_needs_both_of_its_files() {
    let files = Files::new(&[""]);
    let pem = files.folder.path().join("tls.pem");
    std::fs::write(&pem, IDENTITY).unwrap();
    let both = load(&format!("server.tls = {{ cert = {pem:?}, key = {pem:?} }}")).unwrap().http.public.tls.unwrap();
    assert_eq!((both.cert, both.key), (pem.clone(), pem.clone()));
    for (one, other) in [("cert", "key"), ("key", "cert")] {
        let mistakes = load(&format!("server.tls.{one} = {pem:?}")).unwrap_err();
        assert_eq!(
            mistakes.0.iter().map(|mistake| mistake.key.as_str()).collect::<Vec<_>>(),
            [format!("server.tls.{other}")]
        );
    }
    assert!(load("").unwrap().http.public.tls.is_none());
}

#[test]
fn a_certificate_is_looked_at_before_anybody_sees_it() {
    let files = Files::new(&[""]);
    let (pem, other) = (files.folder.path().join("tls.pem"), files.folder.path().join("other.pem"));
    std::fs::write(&pem, IDENTITY).unwrap();
    std::fs::write(&other, rcgen::KeyPair::generate().unwrap().serialize_pem()).unwrap();
    for (cert, key, wrong) in [
        (&pem, &other, "server.tls.key"),
        (&other, &pem, "server.tls.cert"),
        (&pem, &files.folder.path().join("absent"), "server.tls.key"),
    ] {
        let mistakes = load(&format!("[server.tls]\ncert = {cert:?}\nkey = {key:?}")).unwrap_err();
        assert_eq!((mistakes.0.len(), mistakes.0[0].key.as_str()), (1, wrong), "{mistakes}");
    }
}
