//! The descriptions of both listeners and of the streams: by the rules of their formats, and by what the gateway does.

use std::{
    collections::BTreeSet,
    env, fs,
    future::Future,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    time::Duration,
};

use actix_rt::task::spawn_blocking;
use pushgate_subscriber::{HttpClient, HttpConfig, Response};
use serde_json::{Value, json};

use crate::{
    stack::{Stack, TestGateway, json as body, run, until},
    stream::TestStream,
};

/// How many requests are made up for each operation, and from which seed: the same in each run, unless told otherwise.
const EXAMPLES: (&str, &str) = ("SCHEMATHESIS_EXAMPLES", "12");
const SEED: (&str, &str) = ("SCHEMATHESIS_SEED", "1");

/// The admin listener is described with a token, so it has to have one.
const TOKEN: &str = "s3cret";
const AUTHORIZATION: &str = "Authorization: Bearer s3cret";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A program of the virtual environment.
fn python(program: &str) -> Command {
    let path = root().join("target/python/bin").join(program);
    assert!(path.exists(), "{} is missing: `make python` installs it", path.display());
    let mut command = Command::new(path);
    command.env("PYTHONDONTWRITEBYTECODE", "1").stdin(Stdio::null());
    command
}

fn succeeded(output: &Output) {
    let text = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    assert!(output.status.success(), "{}", text.concat());
}

/// The next event: its type, and its data as JSON.
async fn next(stream: &mut TestStream) -> Value {
    let event = stream.event().await;
    json!({ "event": event.event, "data": serde_json::from_str::<Value>(&event.data).expect("data is JSON") })
}

/// The next event of this type, behind those that were read until then.
async fn read_until(stream: &mut TestStream, kind: &str, events: &mut Vec<Value>) {
    while events.last().is_none_or(|event| event["event"] != kind) {
        events.push(next(stream).await);
    }
}

/// Events of each type that a gateway without tokens sends. Ends the gateway.
async fn events(stack: Stack) -> Vec<Value> {
    let client = HttpClient::new(HttpConfig::default());
    let extra = format!("http://{}/api/tenants/extra", stack.gateway.admin);
    let made = client.put_json(&extra, &json!({ "enabled": false })).await.expect("the gateway answers");
    assert_eq!(made.status, 201);
    let mut stream = stack.gateway.subscribe_after("/events?tenant=a&tenant=b&tenant=extra", Some("no cursor"));
    let mut events = Vec::new();
    read_until(&mut stream, "open", &mut events).await;
    stack.service.push("a", "title");
    read_until(&mut stream, "message", &mut events).await;
    stack.gateway.tenants.pause(&"b".parse().unwrap()).await.expect("the journal can write");
    read_until(&mut stream, "upstream", &mut events).await;
    assert_eq!(client.delete(&extra).await.expect("the gateway answers").status, 204);
    read_until(&mut stream, "tenant-removed", &mut events).await;
    stack.gateway.stop().await;
    read_until(&mut stream, "shutdown", &mut events).await;
    stack.service.stop().await;
    events
}

#[test]
fn descriptions_obey_their_formats_and_streams_obey_the_descriptions() {
    run(async {
        let stack = Stack::start().await;
        let (public, admin) =
            (stack.gateway.get("/openapi.json").await, stack.gateway.admin("/api/openapi.json").await);
        let asyncapi = stack.gateway.get("/asyncapi.json").await;
        let events = events(stack).await;
        let seen: BTreeSet<_> = events.iter().map(|event| event["event"].as_str().expect("a text")).collect();
        assert_eq!(seen, ["gap", "message", "open", "shutdown", "tenant-removed", "upstream"].into());
        let given = json!({ "openapi": [body(&public), body(&admin)], "asyncapi": body(&asyncapi), "events": events });
        let judged = spawn_blocking(move || judge(&given)).await.expect("no panic");
        succeeded(&judged);
        for wrong in
            ["{\"openapi\":[{}],\"asyncapi\":{},\"events\":[]}", "{\"openapi\":[],\"asyncapi\":{},\"events\":[]}"]
        {
            let judged = spawn_blocking(|| judge(&serde_json::from_str(wrong).unwrap())).await.expect("no panic");
            assert!(!judged.status.success(), "a judge that finds nothing is none: {wrong}");
        }
    });
}

fn judge(given: &Value) -> Output {
    let mut judge = python("python")
        .arg(root().join("tests/python/descriptions.py"))
        .arg(root().join("target/clients/node_modules/@asyncapi/specs/schemas/3.0.0.json"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("python runs");
    let mut input = judge.stdin.take().expect("it is piped");
    // A judge that ended early says why.
    let _ = input.write_all(given.to_string().as_bytes());
    drop(input);
    judge.wait_with_output().expect("it ends")
}

/// Names of events, as the fan-out writes them.
fn written_events() -> BTreeSet<String> {
    let source = fs::read_to_string(root().join("crates/fanout/src/event.rs")).expect("the source is there");
    let code = source.split("mod tests").next().expect("the code is there");
    let named = |before: &str, after: &str| -> Vec<String> {
        let starts = code.split(before).skip(1);
        starts.filter_map(|rest| rest.split_once(after)).map(|(name, _)| name.to_owned()).collect()
    };
    let all = named("event(buffer, \"", "\"").into_iter().chain(named("event: ", "\\n"));
    all.filter(|name| name.bytes().all(|b| b.is_ascii_lowercase() || b == b'-')).collect()
}

#[test]
fn every_event_is_described_and_explained() {
    let written = written_events();
    assert!(written.len() >= 5, "{written:?}");
    let document = fs::read_to_string(root().join("crates/http/assets/asyncapi.json")).expect("the asset is there");
    let document: Value = serde_json::from_str(&document).expect("it is JSON");
    let page = fs::read_to_string(root().join("docs/streams.md")).expect("the page is there");
    for name in &written {
        assert_eq!(document["components"]["messages"][name]["name"], json!(name), "{name} in asyncapi.json");
        assert!(page.contains(&format!("### `{name}`")), "{name} in docs/streams.md");
    }
}

fn setting((name, default): (&str, &str)) -> String {
    env::var(name).unwrap_or_else(|_| default.to_owned())
}

/// Asks the gateway what the document at `url` allows and what it forbids, and judges the answers. `known` are parameters
/// that lead somewhere.
async fn explore(url: String, known: Value, more: &'static [&'static str]) {
    let explored = spawn_blocking(move || {
        // It keeps what it finds in the folder where it runs.
        let folder = tempfile::tempdir().expect("a temporary folder");
        python("schemathesis")
            .args(["--no-color", "--config-file"])
            .arg(root().join("tests/python/schemathesis.toml").canonicalize().expect("it is there"))
            .args(["run", &url, "--checks", "all", "--continue-on-failure", "--suppress-health-check", "all"])
            .args(["--request-timeout", "20", "--max-examples", &setting(EXAMPLES), "--seed", &setting(SEED)])
            .args(more)
            .env("SCHEMATHESIS_HOOKS", "schemathesis_hooks")
            .env("KNOWN", known.to_string())
            .env("PYTHONPATH", root().join("tests/python"))
            .current_dir(folder.path())
            .output()
            .expect("schemathesis runs")
    });
    succeeded(&explored.await.expect("no panic"));
}

/// Explores take long, and longer beside other tests or when many examples are asked for.
fn run_long(test: impl Future<Output = ()>) {
    let limit = Duration::from_secs(if env::var(EXAMPLES.0).is_ok() { 3600 } else { 300 });
    actix_rt::System::new().block_on(async { tokio::time::timeout(limit, test).await.expect("the test hangs") });
}

#[test]
fn the_public_listener_does_what_its_description_says() {
    run_long(async {
        // Pushes that wait for a word, so that words are more than refused.
        let stack = Stack::with("upstream.ack = \"confirmed\"\nupstream.ack_timeout = \"10m\"").await;
        let mut pushes = Vec::new();
        for n in 0..20 {
            let tenant = ["a", "b"][n % 2];
            pushes.push(json!({ "tenant": tenant, "push_id": stack.service.push(tenant, "title") }));
        }
        for tenant in ["a", "b"] {
            stored(&stack.gateway, tenant, 10).await;
        }
        let known = json!({ "/tenants/{tenant}/pushes/{push_id}/ack": pushes });
        explore(format!("http://{}/openapi.json", stack.gateway.public), known, &[]).await;
        // What it could not ask for: whether the gateway is well after all that.
        assert_eq!(stack.gateway.admin("/healthz").await.status, 200);
        stack.stop().await;
    });
}

#[test]
fn the_admin_listener_does_what_its_description_says() {
    run_long(async {
        let stack = Stack::with(&format!("admin.token = \"{TOKEN}\"")).await;
        for frame in ["broken_push", "missing_id"] {
            stack.service.command("accounts/a/frames", &json!({ "frame": frame })).await;
        }
        let url = format!("http://{}/api/openapi.json", stack.gateway.admin);
        let quarantine = url.replace("openapi.json", "quarantine");
        let entries = until("both messages in quarantine", || async {
            let entries = body(&authorized(&quarantine).await)["entries"].as_array()?.clone();
            (entries.len() == 2).then_some(entries)
        })
        .await;
        let ids: Vec<_> = entries.iter().map(|entry| json!({ "id": entry["id"] })).collect();
        let known = json!({ "/api/quarantine/{id}": ids, "/api/quarantine/{id}/replay": ids });
        explore(url, known, &["-H", AUTHORIZATION]).await;
        assert_eq!(stack.gateway.admin("/healthz").await.status, 200);
        stack.stop().await;
    });
}

async fn authorized(url: &str) -> Response {
    let config = HttpConfig { bearer: Some(TOKEN.into()), ..HttpConfig::default() };
    HttpClient::new(config).get(url).await.expect("the gateway answers")
}

/// Waits until so many pushes are kept.
async fn stored(gateway: &TestGateway, tenant: &str, count: usize) {
    until("pushes", || async {
        let page = body(&gateway.get(&format!("/tenants/{tenant}/pushes")).await);
        (page["pushes"].as_array()?.len() == count).then_some(())
    })
    .await;
}
