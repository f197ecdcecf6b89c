//! The gateway against a second push service, in another language and on other libraries: `tests/python/service.py`.

use std::{
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    thread,
};

use pushgate_model::ConnectionState;
use serde_json::{Value, json};
use tokio::{
    sync::mpsc::{UnboundedReceiver, unbounded_channel},
    time::timeout,
};

use crate::{
    stack::{PATIENCE, TestGateway, json as body, run, until},
    stream::TestStream,
};

/// The service in a process of its own; it ends with its standard input.
struct Second {
    child: Child,
    orders: Option<ChildStdin>,
    events: UnboundedReceiver<Value>,
    url: String,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

impl Second {
    async fn start(arguments: &[&str]) -> Self {
        let python = folder().join("target/python/bin/python");
        assert!(python.exists(), "{} is missing: `make python` installs it", python.display());
        let mut child = Command::new(python)
            .arg(folder().join("tests/python/service.py"))
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python runs");
        let (orders, output) = (child.stdin.take(), child.stdout.take().expect("it is piped"));
        let (sender, events) = unbounded_channel();
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                // The test may be over.
                let _ = sender.send(serde_json::from_str(&line).expect("each line is JSON"));
            }
        });
        let mut second = Self { child, orders, events, url: String::new() };
        let port = second.event("listening").await["listening"].as_u64().expect("a port");
        second.url = format!("ws://127.0.0.1:{port}/ws/{{tenant}}");
        second
    }

    fn order(&mut self, order: &Value) {
        let orders = self.orders.as_mut().expect("it runs");
        writeln!(orders, "{order}").expect("it reads");
    }

    fn push(&mut self, account: &str, id: &str, more: &Value) {
        let push = json!({ "account": account, "id": id, "title": "Grüße", "body": "b", "created_at": "now" });
        let mut order = json!({ "push": push });
        order.as_object_mut().expect("an object").extend(more.as_object().cloned().unwrap_or_default());
        self.order(&order);
    }

    /// The next event that has this key; others are passed over, unless they tell that the gateway broke the protocol.
    async fn event(&mut self, key: &str) -> Value {
        loop {
            let event = timeout(PATIENCE, self.events.recv()).await.expect("something happens").expect("it runs");
            assert!(event.get("broken").is_none(), "{event}");
            if event.get(key).is_some() {
                return event;
            }
        }
    }

    async fn answer(&mut self) -> (String, String) {
        let event = self.event("answer").await;
        let text = |key: &str| event[key].as_str().expect("a text").to_owned();
        (text("answer"), text("status"))
    }
}

impl Drop for Second {
    fn drop(&mut self) {
        self.orders = None;
        // It ends by itself; if not, it is ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The second service, a gateway connected to it, and a stream of tenant `a`.
async fn start(arguments: &[&str], more: &str) -> (tempfile::TempDir, Second, TestGateway, TestStream) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let second = Second::start(arguments).await;
    let gateway = TestGateway::start(folder.path(), &second.url, more).await;
    for tenant in ["a", "b", "c"] {
        gateway.reaches(tenant, ConnectionState::Connected).await;
    }
    let mut stream = gateway.subscribe("/events/a");
    stream.opened().await;
    (folder, second, gateway, stream)
}

#[test]
fn a_second_service_is_answered_and_its_pushes_arrive() {
    run(async {
        let (_folder, mut second, gateway, mut stream) = start(&[], "").await;
        second.push("a", "plain", &json!({}));
        second.push("a", "fragments", &json!({ "fragments": 7 }));
        second.push("a", "unknown field", &json!({ "unknown_field": true }));
        for id in ["plain", "fragments", "unknown field"] {
            let push = stream.push().await;
            assert_eq!((push.id.as_str(), push.title.as_str()), (id, "Grüße"));
            assert_eq!(second.answer().await, (id.to_owned(), "ack".to_owned()));
        }
        second.push("a", "plain", &json!({}));
        assert_eq!(second.answer().await, ("plain".to_owned(), "ack".to_owned()), "a repeat is answered again");
        let history = body(&gateway.get("/tenants/a/pushes").await);
        assert_eq!(history["pushes"].as_array().map(Vec::len), Some(3), "and not stored again");
        gateway.stop().await;
    });
}

#[test]
fn a_second_service_may_send_rubbish() {
    run(async {
        let (_folder, mut second, gateway, mut stream) = start(&[], "").await;
        // A push with the id `bad` and a title that is no UTF-8; one without an id; an unknown message; nothing; garbage.
        for hex in ["0a090a036261641a02ffff", "0a031a0174", "12020801", "", "ffffffff"] {
            second.order(&json!({ "raw": { "account": "a", "hex": hex } }));
        }
        second.order(&json!({ "text": { "account": "a", "text": "hello" } }));
        assert_eq!(second.answer().await, ("bad".to_owned(), "nack".to_owned()));
        second.push("a", "behind", &json!({}));
        assert_eq!(stream.push().await.id, "behind");
        assert_eq!(second.answer().await.0, "behind");
        gateway.stop().await;
    });
}

#[test]
fn a_second_service_cuts_who_does_not_answer_and_finds_it_back() {
    run(async {
        let (_folder, mut second, gateway, mut stream) =
            start(&["--redeliver-after", "0.1"], "upstream.ack = \"confirmed\"").await;
        second.push("a", "x", &json!({}));
        assert_eq!(stream.push().await.id, "x");
        let cut = second.event("disconnected").await;
        assert_eq!((&cut["disconnected"], &cut["code"]), (&json!("a"), &json!(1008)));
        second.event("connected").await;
        let url = format!("http://{}/tenants/a/pushes/x/ack", gateway.public);
        let word = pushgate_subscriber::post_json(&url, &json!({ "status": "nack" })).await.unwrap();
        assert_eq!(word.status, 204);
        assert_eq!(second.answer().await, ("x".to_owned(), "nack".to_owned()));
        gateway.stop().await;
    });
}

#[test]
fn a_second_service_has_its_pings_answered_and_its_cuts_healed() {
    run(async {
        let (_folder, mut second, gateway, mut stream) =
            start(&["--ping-every", "0.1", "--ping-timeout", "5"], "").await;
        second.order(&json!({ "ping": { "account": "a" } }));
        second.event("pong").await;
        for order in [json!({ "account": "a", "code": 4000 }), json!({ "account": "a" })] {
            second.order(&json!({ "cut": order }));
            second.event("connected").await;
        }
        second.push("a", "after", &json!({}));
        assert_eq!(stream.push().await.id, "after");
        let closed = until("what the close said", || async {
            let tenant = body(&gateway.admin("/api/tenants/a").await);
            tenant["last_close"]["code"].as_u64()
        })
        .await;
        assert_eq!(closed, 4000);
        gateway.stop().await;
    });
}

#[test]
fn a_second_service_is_told_goodbye() {
    run(async {
        let (_folder, mut second, gateway, _stream) = start(&[], "").await;
        gateway.stop().await;
        for _ in 0..3 {
            assert_eq!(second.event("disconnected").await["code"], 1001);
        }
    });
}
