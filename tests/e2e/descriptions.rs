//! The descriptions of both listeners and of the streams, by the rules of their formats; and what comes on streams, by the
//! descriptions.

use std::{
    collections::BTreeSet,
    fs,
    io::Write as _,
    process::{Command, Output, Stdio},
    time::{Duration, SystemTime},
};

use actix_rt::task::spawn_blocking;
use pushgate_http::{Claims, Scope, SigningKey, mint};
use pushgate_subscriber::{EventStream, HttpClient, HttpConfig, StreamConfig};
use serde_json::{Value, json};

use crate::{
    program::{node_modules, project},
    stack::{Stack, TestGateway, json as body, run},
    stream::TestStream,
};

const SECRET: &str = "a secret that is long enough for HS256";

/// Settings of a gateway that asks for tokens.
pub(crate) fn jwt() -> String {
    format!("auth.mode = \"jwt\"\nauth.algorithm = \"HS256\"\nauth.key = {SECRET:?}")
}

/// A token for all tenants that counts for so long.
pub(crate) fn token(time: Duration) -> String {
    let (key, now) = (SigningKey::new("HS256", SECRET).expect("it is long enough"), SystemTime::now());
    let claims = Claims {
        tenants: Scope::All,
        presence: true,
        issuer: None,
        audience: None,
        subject: None,
        issued_at: now.into(),
        expires_at: (now + time).into(),
        key_id: None,
    };
    mint(&key, &claims)
}

/// A program of the virtual environment.
pub(crate) fn python(program: &str) -> Command {
    let path = project().join("target/python/bin").join(program);
    assert!(path.exists(), "{} is missing: `make python` installs it", path.display());
    let mut command = Command::new(path);
    command.env("PYTHONDONTWRITEBYTECODE", "1").stdin(Stdio::null());
    command
}

/// Fails with what the program said, unless it succeeded.
pub(crate) fn succeeded(output: &Output) {
    let text = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    assert!(output.status.success(), "{}", text.concat());
}

/// Reads events until one of this type, and keeps them.
async fn read_until(stream: &mut TestStream, kind: &str, events: &mut Vec<Value>) {
    loop {
        let event = stream.event().await;
        let data: Value = serde_json::from_str(&event.data).expect("data is JSON");
        events.push(json!({ "event": event.event, "data": data }));
        if event.event == kind {
            return;
        }
    }
}

/// Events of a gateway without tokens, of each type that it sends. Ends it.
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

/// Events of a stream whose token ends.
async fn events_of_a_token(gateway: &TestGateway) -> Vec<Value> {
    let mut config = StreamConfig::new(format!("http://{}/events/a", gateway.public));
    config.bearer = Some(token(Duration::from_secs(2)).into());
    let mut stream = TestStream::new(EventStream::connect(config).expect("the URL is valid"));
    let mut events = Vec::new();
    read_until(&mut stream, "auth-expiring", &mut events).await;
    read_until(&mut stream, "auth-expired", &mut events).await;
    events
}

#[test]
fn descriptions_obey_their_formats_and_streams_obey_the_descriptions() {
    run(async {
        let closed = Stack::with(&jwt()).await;
        let mut openapi = vec![closed.gateway.get("/openapi.json").await];
        let mut events_seen = events_of_a_token(&closed.gateway).await;
        closed.stop().await;

        let open = Stack::start().await;
        openapi.extend([open.gateway.get("/openapi.json").await, open.gateway.admin("/api/openapi.json").await]);
        let asyncapi = body(&open.gateway.get("/asyncapi.json").await);
        events_seen.extend(events(open).await);

        let seen: BTreeSet<_> = events_seen.iter().map(|event| event["event"].as_str().expect("a text")).collect();
        let described = asyncapi["components"]["messages"].as_object().expect("an object");
        let described: BTreeSet<_> = described.values().map(|message| message["name"].as_str().unwrap()).collect();
        assert_eq!(seen, described, "each event that is described was seen");
        let openapi: Vec<_> = openapi.iter().map(body).collect();
        let given = json!({ "openapi": openapi, "asyncapi": asyncapi, "events": events_seen });
        succeeded(&judged(given.clone()).await);

        // A judge that finds nothing is none.
        for (place, wrong) in [
            ("/openapi/0/paths/~1events/get/responses/200/description", json!(7)),
            ("/asyncapi/channels/tenant/address", json!(7)),
            ("/events/0/data", json!({})),
            ("/events/0/event", json!("unheard-of")),
        ] {
            let mut given = given.clone();
            *given.pointer_mut(place).expect("it is there") = wrong;
            assert!(!judged(given).await.status.success(), "{place}");
        }
    });
}

async fn judged(given: Value) -> Output {
    spawn_blocking(move || {
        let mut judge = python("python")
            .arg(project().join("tests/python/descriptions.py"))
            .arg(node_modules().join("@asyncapi/specs/schemas/3.0.0.json"))
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
    })
    .await
    .expect("no panic")
}

/// Names of events, as the fan-out writes them.
fn written_events() -> BTreeSet<String> {
    let source = fs::read_to_string(project().join("crates/fanout/src/event.rs")).expect("the source is there");
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
    assert!(written.len() >= 7, "{written:?}");
    let document = fs::read_to_string(project().join("crates/http/assets/asyncapi.json")).expect("the asset is there");
    let document: Value = serde_json::from_str(&document).expect("it is JSON");
    let page = fs::read_to_string(project().join("docs/streams.md")).expect("the page is there");
    for name in &written {
        assert_eq!(document["components"]["messages"][name]["name"], json!(name), "{name} in asyncapi.json");
        assert!(page.contains(&format!("`{name}`")), "{name} in docs/streams.md");
    }
}
