use std::fs;

use pushgate_upstream::TenantReader as _;
use tempfile::TempDir;

use super::*;
use crate::gateway::Gateway;

/// The file of a gateway whose tenants dial a port that nobody listens on.
struct Config {
    folder: TempDir,
}

impl Config {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("pushgate.toml")
    }

    /// `more` begins at the top level.
    fn write(&self, more: &str) {
        let journal = self.folder.path().join("journal.db");
        let text = format!(
            "server.bind = \"127.0.0.1:0\"\nadmin.bind = \"127.0.0.1:0\"\njournal.path = {journal:?}\n\
             upstream.url = \"ws://127.0.0.1:1/{{tenant}}\"\nupstream.threads = 1\nserver.workers = 1\n{more}"
        );
        fs::write(self.file(), text).unwrap();
    }

    async fn start(&self) -> Gateway {
        Gateway::start(Settings::load(&[self.file()], &[]).unwrap()).await.unwrap()
    }
}

fn numbers(reloaded: Reloaded) -> [usize; 4] {
    [reloaded.added, reloaded.changed, reloaded.removed, reloaded.unchanged]
}

fn ids(gateway: &Gateway) -> Vec<String> {
    gateway.directory().list().into_iter().map(|tenant| tenant.id.to_string()).collect()
}

#[test]
fn settings_are_read_again_from_the_same_files() {
    let config = Config::new();
    config.write("");
    let env = [("PUSHGATE__SERVER__WORKERS".to_owned(), "3".to_owned())];
    let sources = Settings::load(&[config.file()], &env).unwrap().sources;
    actix_rt::System::new().block_on(async {
        config.write("[[tenants]]\nid = \"a\"");
        let settings = load(sources.clone()).await.unwrap();
        assert_eq!((settings.tenants.len(), settings.http.public.workers), (1, 3));
        config.write("x = 1");
        assert!(matches!(load(sources).await, Err(ReloadError::Mistakes(mistakes)) if mistakes.0.len() == 1));
    });
}

#[test]
fn only_tenants_whose_settings_changed_are_touched() {
    let config = Config::new();
    let tenants = config.folder.path().join("t");
    fs::create_dir(&tenants).unwrap();
    let more = format!("tenants_dir = {tenants:?}\n[[tenants]]\nid = \"a\"\n[[tenants]]\nid = \"b\"");
    config.write(&more);
    actix_rt::System::new().block_on(async {
        let gateway = config.start().await;
        let mut reloader = gateway.reloader();
        assert_eq!(numbers(reloader.reload().await.unwrap()), [0, 0, 0, 2]);
        fs::write(tenants.join("c.toml"), "bearer = \"1\"").unwrap();
        assert_eq!(numbers(reloader.reload().await.unwrap()), [1, 0, 0, 2]);
        assert_eq!(ids(&gateway), ["a", "b", "c"]);
        fs::write(tenants.join("c.toml"), "bearer = \"2\"").unwrap();
        assert_eq!(numbers(reloader.reload().await.unwrap()), [0, 1, 0, 2]);
        gateway.run(async {}).await.unwrap();
    });
}

#[test]
fn a_mistake_changes_nothing() {
    let config = Config::new();
    config.write("[[tenants]]\nid = \"a\"");
    actix_rt::System::new().block_on(async {
        let gateway = config.start().await;
        let mut reloader = gateway.reloader();
        let before = reloader.parts.reader.read(&"x".parse().unwrap(), &serde_json::Map::new()).unwrap().config.answers;
        config.write("upstream.ack = \"confirmed\"\n[[tenants]]\nid = \"b\"\n[[tenants]]\nid = \"c\"\nenabled = 1");
        assert!(matches!(reloader.reload().await, Err(ReloadError::Mistakes(_))));
        assert_eq!(ids(&gateway), ["a"]);
        let after = reloader.parts.reader.read(&"x".parse().unwrap(), &serde_json::Map::new()).unwrap().config.answers;
        assert_eq!(before, after);
        gateway.run(async {}).await.unwrap();
    });
}

#[test]
fn what_tenants_take_over_is_applied_to_all_of_them() {
    let config = Config::new();
    let tenants = "[[tenants]]\nid = \"a\"\n[[tenants]]\nid = \"b\"\nack = \"stored\"";
    config.write(tenants);
    actix_rt::System::new().block_on(async {
        let gateway = config.start().await;
        let mut reloader = gateway.reloader();
        config.write(&format!("upstream.ack = \"confirmed\"\n{tenants}"));
        assert_eq!(numbers(reloader.reload().await.unwrap()), [0, 1, 0, 1]);
        let settings = reloader.parts.reader.read(&"x".parse().unwrap(), &serde_json::Map::new()).unwrap();
        assert_eq!(settings.config.answers.policy.as_str(), "confirmed");
        gateway.run(async {}).await.unwrap();
    });
}
