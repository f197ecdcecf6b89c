//! The files that come with Pushgate.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use secrecy::ExposeSecret as _;

use super::{Files, IDENTITY, JWKS, Settings};

fn shipped(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config").join(name)
}

/// Path and value of every key of a document.
fn keys(text: &str) -> BTreeMap<String, toml::Value> {
    fn walk(path: &str, table: &toml::Table, keys: &mut BTreeMap<String, toml::Value>) {
        for (key, value) in table {
            let path = format!("{path}.{key}");
            match value {
                toml::Value::Table(table) => walk(&path, table, keys),
                value => drop(keys.insert(path, value.clone())),
            }
        }
    }
    let mut keys = BTreeMap::new();
    walk("", &text.parse().unwrap(), &mut keys);
    keys
}

#[test]
fn the_documented_configuration_is_the_built_in_one() {
    let text = std::fs::read_to_string(shipped("pushgate.toml")).unwrap();
    let defaults = Settings::load(&[], &[]).unwrap().effective;
    assert_eq!(keys(&text), keys(&defaults.to_string()));
    assert_eq!(Settings::load(&[shipped("pushgate.toml")], &[]).unwrap().effective, defaults);
}

#[test]
fn every_documented_key_and_value_is_explained() {
    let text = std::fs::read_to_string(shipped("pushgate.toml")).unwrap();
    let lines: Vec<_> = text.lines().collect();
    for pair in lines.windows(2) {
        if !pair[1].starts_with('#') && pair[1].contains(" = ") {
            assert!(pair[0].starts_with('#'), "no comment above: {}", pair[1]);
        }
    }
}

#[test]
fn every_key_without_a_default_has_a_valid_example() {
    let text = std::fs::read_to_string(shipped("pushgate.toml")).unwrap();
    // An example is a commented line that begins like a key or a table; all else is a sentence.
    let is_example = |line: &str| {
        let key = line.split(" = ").next().unwrap_or_default();
        line == "[[tenants]]" || (line.contains(" = ") && key.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'))
    };
    let uncomment = |line: &str| match line.strip_prefix("# ").filter(|line| is_example(line)) {
        Some(example) => format!("{example}\n"),
        None => format!("{line}\n"),
    };
    let text: String = text.lines().map(uncomment).collect();
    let files = Files::new(&[""]);
    let stand_in = |name: &str, content: &str| {
        let path = files.folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (key, identity) = (stand_in("key", &"k".repeat(32)), stand_in("identity", IDENTITY));
    let jwks = stand_in("jwks", JWKS);
    let tenants_dir = files.folder.path().join("tenants.d");
    std::fs::create_dir(&tenants_dir).unwrap();
    let text = text
        .replace("/etc/pushgate/tenants.d", tenants_dir.to_str().unwrap())
        .replace("/run/secrets/acme-key", &key)
        .replace("/run/secrets/pushgate-key", &key)
        .replace("/etc/pushgate/jwks.json", &jwks)
        .replace("/etc/pushgate/login-ca.pem", &identity)
        .replace("/etc/pushgate/tls.pem", &identity)
        .replace("/etc/pushgate/tls.key", &identity)
        .replace("/etc/pushgate/ca.pem", &identity)
        .replace("/etc/pushgate/acme.pem", &identity)
        .replace("/etc/pushgate/acme.key", &identity);
    std::fs::write(&files.paths[0], text).unwrap();
    let settings = files.load(&[("PUSHGATE_ADMIN_TOKEN", "x"), ("ACME_TOKEN", "x")]).unwrap();
    assert!(!settings.effective.to_string().contains("is not set"), "{}", settings.effective);
    let [tenant] = &settings.tenants[..] else { panic!("one tenant") };
    let config = &tenant.config;
    assert!(config.bearer.is_some() && config.identity.is_some() && config.subprotocol.is_some());
    assert_eq!((config.headers.len(), config.query.len()), (1, 1));
    let proxy = config.proxy.as_ref().unwrap();
    assert!(proxy.host == "proxy.example.com" && proxy.port == 3128 && proxy.credentials.is_some());
    let keys: Vec<_> = tenant.shown.keys().map(String::as_str).collect();
    let all = "ack ack_on_timeout ack_timeout bearer client_cert client_key enabled headers on_quarantine proxy query \
               subprotocol url";
    assert_eq!(keys.join(" "), all);
}

#[test]
fn the_demo_configuration_is_valid() {
    let settings = Settings::load(&[shipped("demo.toml")], &[]).unwrap();
    let urls: Vec<_> = settings.tenants.iter().map(|tenant| tenant.config.url.as_str()).collect();
    let account = |id| format!("ws://127.0.0.1:7070/ws/{id}");
    assert_eq!(urls, [account("acme"), account("globex"), account("initech")]);
}

#[test]
fn the_staging_configuration_is_valid_with_its_token_and_fits_the_composition() {
    let files = [shipped("staging.toml")];
    assert_eq!(Settings::load(&files, &[]).unwrap_err().0[0].key, "admin.token");
    let settings = Settings::load(&files, &[("PUSHGATE_ADMIN_TOKEN".to_owned(), "t".to_owned())]).unwrap();
    let composition = std::fs::read_to_string(shipped("../docker-compose.yml")).unwrap();
    assert_eq!(settings.tenants.len(), 3);
    for tenant in &settings.tenants {
        let token = tenant.config.bearer.as_ref().unwrap().expose_secret();
        assert!(composition.contains(&format!("--account={}:{token}\n", tenant.config.id)), "{}", tenant.config.id);
        assert_eq!(tenant.config.url, format!("ws://simulator:7070/ws/{}", tenant.config.id));
    }
}
