//! What the gateway answers to requests that schemathesis makes up from the descriptions: nothing that they do not say, and
//! never a 5xx.

use std::{env, future::Future, time::Duration};

use actix_rt::task::spawn_blocking;
use pushgate_subscriber::{HttpClient, HttpConfig};
use serde_json::{Value, json};

use crate::{
    descriptions::{jwt, python, succeeded, token},
    program::project,
    stack::{Stack, json as body, until},
};

/// How many requests are made up for each operation beside those at the edges of the schemas, and from which seed: the same in
/// each run, unless told otherwise.
const EXAMPLES: (&str, &str) = ("SCHEMATHESIS_EXAMPLES", "8");
const SEED: (&str, &str) = ("SCHEMATHESIS_SEED", "1");

/// The admin listener is described with a token, so it has one.
const ADMIN_TOKEN: &str = "s3cret";

fn setting((name, default): (&str, &str)) -> String {
    env::var(name).unwrap_or_else(|_| default.to_owned())
}

/// Asks for what the document at `url` allows and for what it forbids, and judges the answers. `known` are parameters that lead
/// somewhere, by path.
async fn explore(url: String, known: Value, bearer: Option<String>) {
    let explored = spawn_blocking(move || {
        // It keeps what it finds in the folder where it runs.
        let folder = tempfile::tempdir().expect("a temporary folder");
        let project = project().canonicalize().expect("it is there");
        let mut command = python("schemathesis");
        command
            .args(["--no-color", "--config-file"])
            .arg(project.join("tests/python/schemathesis.toml"))
            .args(["run", &url, "--checks", "all", "--continue-on-failure", "--suppress-health-check", "all"])
            .args(["--request-timeout", "20", "--max-examples", &setting(EXAMPLES), "--seed", &setting(SEED)]);
        if let Some(bearer) = bearer {
            command.args(["-H", &format!("Authorization: Bearer {bearer}")]);
        }
        command
            .env("SCHEMATHESIS_HOOKS", "schemathesis_hooks")
            .env("PYTHONPATH", project.join("tests/python"))
            .env("KNOWN", known.to_string())
            .current_dir(folder.path())
            .output()
            .expect("schemathesis runs")
    });
    succeeded(&explored.await.expect("no panic"));
}

/// Runs a test that lasts, and lasts longer beside others or when many examples are asked for.
fn run_long(test: impl Future<Output = ()>) {
    let limit = Duration::from_secs(if env::var(EXAMPLES.0).is_ok() { 7200 } else { 300 });
    actix_rt::System::new().block_on(async { tokio::time::timeout(limit, test).await.expect("the test hangs") });
}

/// Pushes that wait for a word, so that words are more than refused.
const CONFIRMED: &str = "upstream.ack = \"confirmed\"\nupstream.ack_timeout = \"10m\"\n";

/// Explores the public listener of a gateway with such settings, which has pushes.
async fn explore_public(settings: &str, bearer: Option<String>) {
    let stack = Stack::with(settings).await;
    let push = |n: usize| {
        let tenant = ["a", "b"][n % 2];
        json!({ "tenant": tenant, "push_id": stack.service.push(tenant, "title") })
    };
    let pushes: Vec<_> = (0..20).map(push).collect();
    let client = HttpClient::new(HttpConfig { bearer: bearer.clone().map(Into::into), ..HttpConfig::default() });
    for tenant in ["a", "b"] {
        let history = format!("http://{}/tenants/{tenant}/pushes", stack.gateway.public);
        until("pushes in the journal", || async {
            let page = body(&client.get(&history).await.expect("the gateway answers"));
            (page["pushes"].as_array()?.len() == 10).then_some(())
        })
        .await;
    }
    let known = json!({ "/tenants/{tenant}/pushes/{push_id}/ack": pushes });
    explore(format!("http://{}/openapi.json", stack.gateway.public), known, bearer).await;
    assert_eq!(stack.gateway.admin("/healthz").await.status, 200, "it is well after all that");
    stack.stop().await;
}

#[test]
fn an_open_public_listener_does_what_its_description_says() {
    run_long(explore_public(CONFIRMED, None));
}

#[test]
fn a_public_listener_with_tokens_does_what_its_description_says() {
    let settings = format!("{CONFIRMED}{}", jwt());
    run_long(async { explore_public(&settings, Some(token(Duration::from_secs(7200)))).await });
}

#[test]
fn the_admin_listener_does_what_its_description_says() {
    run_long(async {
        let stack = Stack::with(&format!("admin.token = \"{ADMIN_TOKEN}\"")).await;
        for frame in ["broken_push", "missing_id"] {
            stack.service.command("accounts/a/frames", &json!({ "frame": frame })).await;
        }
        let api = format!("http://{}/api", stack.gateway.admin);
        let client = HttpClient::new(HttpConfig { bearer: Some(ADMIN_TOKEN.into()), ..HttpConfig::default() });
        let entries = until("both messages in quarantine", || async {
            let page = body(&client.get(&format!("{api}/quarantine")).await.expect("the gateway answers"));
            page["entries"].as_array().filter(|entries| entries.len() == 2).cloned()
        })
        .await;
        let ids: Vec<_> = entries.iter().map(|entry| json!({ "id": entry["id"] })).collect();
        let known = json!({ "/api/quarantine/{id}": ids, "/api/quarantine/{id}/replay": ids });
        explore(format!("{api}/openapi.json"), known, Some(ADMIN_TOKEN.to_owned())).await;
        assert_eq!(stack.gateway.admin("/healthz").await.status, 200, "it is well after all that");
        stack.stop().await;
    });
}
